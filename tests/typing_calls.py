"""What a user's type checker must accept, and what it must refuse: `test_typing` runs two on it."""

from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import numbanorm as nbn

Array = NDArray[Any]

single: NDArray[np.float32] = np.ones((8, 4, 5, 5), np.float32)
double: NDArray[np.float64] = np.ones((8, 4, 5, 5))
half: NDArray[np.float16] = np.ones((8, 4, 5, 5), np.float16)


class HasArray:
    """As tensors of other libraries."""

    def __array__(self) -> NDArray[np.float32]:
        return single


def functions(flag: bool, layout: str, size: int) -> None:
    """Flags and layouts that are only known when the program runs."""
    assert_type(nbn.batch_norm(single, training=True), Array)
    assert_type(nbn.batch_norm(single, training=flag, return_stats=False), Array)
    y, mean, rstd = nbn.batch_norm(single, training=True, return_stats=True, layout=layout)
    assert_type(mean, Array)
    either = nbn.batch_norm(single, training=True, return_stats=flag, layout=layout)
    assert_type(either, Array | tuple[Array, Array, Array])
    if isinstance(either, tuple):
        y, mean, rstd = either
    assert_type(nbn.batch_norm_backward(y, single, mean, rstd)[0], Array)

    nbn.instance_norm(single, return_stats=flag, layout=layout)
    nbn.instance_norm_backward(single, single, mean, rstd, use_input_stats=flag, layout=layout)
    nbn.group_norm(single, 2, return_stats=flag, layout=layout)
    nbn.group_norm_backward(single, single, mean, rstd, 2, layout=layout)
    nbn.layer_norm(single, size, return_stats=flag)
    nbn.layer_norm(single, (5, size), return_stats=flag)
    nbn.layer_norm_backward(single, single, mean, rstd, [5, 5])
    either_of_two = nbn.rms_norm(single, 5, eps=None, return_stats=flag)
    assert_type(either_of_two, Array | tuple[Array, Array])
    y, rstd = nbn.rms_norm(single, 5, return_stats=True)
    nbn.rms_norm_backward(y, single, rstd, 5)
    mean, var = nbn.channel_mean_var(single, layout=layout, correction=1)
    nbn.channel_normalize(single, mean, np.sqrt(var), layout=layout, out=single)


def what_is_given() -> None:
    """Arrays of every float dtype, lists, tuples, and what NumPy takes."""
    for x in (single, double, half):
        nbn.layer_norm(x, 5, out=x)
        nbn.batch_norm(x, training=True, out=np.empty_like(x))
    nbn.layer_norm(double, 5, out=double, return_stats=True)
    nbn.rms_norm(half, 5, out=half, return_stats=False)
    nbn.layer_norm(np.ones((2, 3), np.float32), 3, out=np.empty((2, 3), np.float32))
    nbn.layer_norm([[1.0, 2.0], [3.0, 4.0]], 2, [1, 2], (0.5, 0.5))
    nbn.batch_norm(HasArray(), [0.0] * 4, [1] * 4, weight=HasArray(), bias=None)
    nbn.channel_normalize(single, (0.5, 0.5, 0.5, 0.5), [1, 1, 1, 1])


def images(flag: bool, layout: str, over: str) -> None:
    """Images by given numbers and by their own; an array, lists, tuples, in any mixture."""
    photos: NDArray[np.uint8] = np.zeros((8, 4, 4, 3), np.uint8)
    assert_type(nbn.normalize_images(photos, nbn.IMAGENET_MEAN, nbn.IMAGENET_STD), Array)
    nbn.normalize_images([photos[0], photos[1]], 0.5, [0.5, 0.5, 0.5], max_value=1023, to=layout)
    nbn.normalize_images((photos[0],), np.zeros((1, 3)), 1, layout=layout, reverse_channels=flag)
    nbn.normalize_images(list(photos), 0.5, 0.5, dtype="float16", out=half)
    nbn.normalize_images(HasArray(), 0.5, 0.5, dtype=np.float64)
    assert_type(nbn.standardize_images(photos, over="channel", eps=1e-5, floor=0.1), Array)
    y, mean, std = nbn.standardize_images([photos[0]], over="batch", to="NCHW", return_stats=True)
    assert_type(std, Array)
    either = nbn.standardize_images(photos, over=over, layout=layout, return_stats=flag, out=None)
    assert_type(either, Array | tuple[Array, Array, Array])
    nbn.channel_normalize(photos, mean, std, layout="NHWC", out=y)
    nbn.channel_mean_var(photos, layout="NHWC", correction=0.5)


def layers(layout: str, momentum: float | None, affine: bool) -> None:
    """Layers, and what is done with them."""
    layer = nbn.BatchNorm2d(4, momentum=momentum, affine=affine, layout=layout, dtype="float32")
    assert_type(layer(single), Array)
    assert_type(layer.train().eval(), nbn.BatchNorm2d)
    assert_type(layer.backward(single), Array)
    layer.load_state_dict({"weight": [1.0] * 4, "bias": single})
    nbn.InstanceNorm1d(4, momentum=None, track_running_stats=affine, layout=layout)
    nbn.GroupNorm(2, 4, affine=affine, layout=layout, dtype=np.float64)(double)
    nbn.LayerNorm((5, 5), elementwise_affine=affine, dtype=np.dtype("f8"))
    nbn.RMSNorm(5, eps=None)


def threads() -> None:
    """The number of threads."""
    with nbn.num_threads(1):
        assert_type(nbn.get_num_threads(), int)
    nbn.set_num_threads(2)


def refused(flag: bool) -> None:
    """Mistakes, which a comment must excuse; a checker tells of one that has nothing to excuse."""
    nbn.group_norm(single)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    nbn.layer_norm(single, "5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    nbn.batch_norm(single, out=[0.0])  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    nbn.batch_norm(single, layout=1)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    y: Array = nbn.batch_norm(single, return_stats=flag)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    del y
    nbn.normalize_images(single, 0.5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    nbn.normalize_images(single, 0.5, 0.5, max_value="1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    nbn.standardize_images(single, over=1)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    nbn.channel_mean_var(single, "NHWC")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    nbn.set_num_threads("2")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    nbn.BatchNorm2d(4, momentum="0.1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
