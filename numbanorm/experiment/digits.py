"""Handwritten digits, and which of them a seed's networks learn from and are judged by."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from numbanorm._refusals import Refusal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

# Where a clone has its 10,000 digits.
OWN = Path(__file__).parents[2] / "examples" / "data" / "mnist10k.npz"

# One part of so many is held out; each seed holds out another.
FOLDS = 5

# One of so many of the others serves to choose rates, so that the held-out digits don't.
VALIDATED = 8


class Digits(NamedTuple):
    """Images, uint8 of shape (N, 28, 28), and what digit each is."""

    images: Array
    labels: Array


class Split(NamedTuple):
    """What a network learns from, and what it is judged by; images are float32 (N, 28, 28, 1)."""

    x: Array
    labels: Array
    test_x: Array
    test_labels: Array


def load(path: str | None) -> Digits:
    """Return the digits of a file.

    Parameters
    ----------
    path : str or None
        An .npz file with ``images`` and ``labels``, or with ``x_train`` and ``y_train`` as Keras's
        has them; its ``x_test`` and ``y_test`` are then taken too. None for the clone's own.

    Raises
    ------
    Refusal
        If there is no such file, or no digits are in it.
    """
    if path is None:
        if not OWN.is_file():
            raise Refusal(
                "--data FILE.npz must be given where numbanorm is installed without its "
                "repository, which has 10,000 digits as examples/data/mnist10k.npz"
            )
        path = str(OWN)
    try:
        with open(path, "rb") as file, np.load(file) as stored:
            return _checked(path, *_arrays(path, stored))
    except OSError as error:
        raise Refusal(f"--data must be a file to read, got {path}: {error.strerror}") from None
    except (ValueError, EOFError, AttributeError, TypeError, zipfile.BadZipFile) as error:
        raise Refusal(f"--data must be an .npz file of arrays, got {path}: {error}") from None


def _arrays(path: str, stored: Any) -> tuple[Array, Array]:
    names = set(stored)
    if {"images", "labels"} <= names:
        return stored["images"], stored["labels"]
    if {"x_train", "y_train"} <= names:
        parts = [part for part in ("train", "test") if {f"x_{part}", f"y_{part}"} <= names]
        images, labels = ([stored[f"{name}_{part}"] for part in parts] for name in "xy")
        return np.concatenate(images), np.concatenate(labels)
    raise Refusal(
        f"--data must have images and labels, or x_train and y_train, got {path} with "
        f"{', '.join(sorted(names)) or 'nothing'}"
    )


def _checked(path: str, images: Array, labels: Array) -> Digits:
    count = len(images) if images.ndim else 0
    if images.dtype != np.uint8 or images.shape != (count, 28, 28):
        raise Refusal(
            f"--data must have images of uint8 and shape (N, 28, 28), got {path} with "
            f"{images.dtype} and {images.shape}"
        )
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise Refusal(
            f"--data must have labels of integers and shape ({count},), got {path} with "
            f"{labels.dtype} and {labels.shape}"
        )
    if count < 200 or set(np.unique(labels)) != set(range(10)):
        raise Refusal(
            f"--data must have 200 digits or more, of all of 0 to 9, got {path} with {count} of "
            f"{np.unique(labels).tolist()}"
        )
    return Digits(images, labels.astype(np.int64))


def split(digits: Digits, seed: int, validate: bool = False) -> Split:
    """Return a seed's split.

    Parameters
    ----------
    digits : Digits
        All of them.
    seed : int
        Seeds 0 to 4 hold out a fifth each, so that each digit is held out once; 5 to 9 likewise
        of the digits in another order, and so on.
    validate : bool
        Whether the network is judged by some of the digits that are not held out, which it then
        does not learn from.

    Returns
    -------
    Split
        Of pixels whose mean is 0 and deviation 1 where they are learnt from.
    """
    order = np.random.default_rng([seed // FOLDS, 1]).permutation(len(digits.labels))
    start, stop = (len(order) * (seed % FOLDS + i) // FOLDS for i in (0, 1))
    test, learnt = order[start:stop], np.concatenate([order[:start], order[stop:]])
    if validate:
        cut = len(learnt) // VALIDATED
        test, learnt = learnt[:cut], learnt[cut:]
    x, test_x = (digits.images[rows, :, :, None].astype(np.float32) for rows in (learnt, test))
    mean, std = x.mean(dtype=np.float64), x.std(dtype=np.float64)
    for pixels in x, test_x:
        pixels -= np.float32(mean)
        pixels /= np.float32(std)
    return Split(x, digits.labels[learnt], test_x, digits.labels[test])
