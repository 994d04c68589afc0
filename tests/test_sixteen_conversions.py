"""Floats of 16 bits to and from memory: all there are, and all that lies between two of them.

By the processor's instructions and by arithmetic, which must agree. What is right, NumPy says of
float16 and ml_dtypes of bfloat16; where those round twice, the numbers are made so as to tell.
"""

import cases
import numba
import numpy as np
import pytest
from processes import run

from numbanorm.calls.operations import handed_over
from numbanorm.kernels.simd import sixteen
from numbanorm.kernels.simd.memory import lanes, load, store
from numbanorm.kernels.simd.pointers import at, get, pointer, put

WAYS = ["instructions", "arithmetic"]


def moves():
    """Return what copies n elements from array to array, by vectors and by float64 scalars."""

    def vectors(to, source, n):
        p, q = pointer(to), pointer(source)
        for i in range(0, n, lanes(q)):
            store(at(p, i), load(at(q, i)))

    def scalars(to, source, n):
        p, q = pointer(to), pointer(source)
        for i in range(n):
            put(p, i, get(q, i))

    return [numba.njit(function) for function in (vectors, scalars)]


@pytest.fixture(scope="module", params=WAYS)
def moved(request):
    """Return what converts an array to a dtype, by vectors and, unless told not to, by scalars."""
    if request.param == "instructions" and not sixteen._has_instructions():
        pytest.skip("the processor has none")
    fresh = moves()

    def convert(values, dtype, vectors=True):
        # Whole vectors, of the narrower type.
        source = np.concatenate([values, np.zeros(-len(values) % 32, values.dtype)])
        found = []
        for move in fresh[0 if vectors else 1 :]:
            to = np.zeros(len(source), dtype)
            move(handed_over(to), handed_over(source), len(source))
            found.append(to[: len(values)])
        if vectors:
            assert found[0].tobytes() == found[1].tobytes(), "vectors and scalars differ"
        return found[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sixteen, "_has_instructions", lambda: request.param == WAYS[0])
        yield convert


@pytest.fixture(autouse=True)
def quiet():
    """Leave signalling NaNs, and what overflows, to the comparisons."""
    with np.errstate(all="ignore"):
        yield


def bits_of(values):
    return values.view(np.uint16 if values.itemsize == 2 else np.uint32)


def check_same(got, wanted):
    """Compare bits; of NaNs, which may have any payload, the signs."""
    nan = np.isnan(wanted)
    assert np.isnan(got[nan]).all()
    assert np.array_equal(np.signbit(got[nan]), np.signbit(wanted[nan]))
    assert np.array_equal(bits_of(got)[~nan], bits_of(wanted)[~nan])


@pytest.mark.parametrize("name", cases.SIXTEEN)
def test_all_there_are_are_loaded(moved, name):
    dtype = cases.dtype_of(name)
    values = np.arange(1 << 16, dtype=np.uint16).view(dtype)
    number = ~np.isnan(values)
    got = moved(values, np.float32)
    wanted = values.astype(np.float32)
    assert np.array_equal(bits_of(got)[number], bits_of(wanted)[number])
    assert np.isnan(got[~number]).all()
    assert np.array_equal(np.signbit(got), np.signbit(wanted))


@pytest.mark.parametrize("name", cases.SIXTEEN)
def test_all_there_are_stay(moved, name):
    """NaNs too, but for what makes them quiet, and float16's payloads."""
    dtype = cases.dtype_of(name)
    bits = np.arange(1 << 16, dtype=np.uint16)
    values = bits.view(dtype)
    got = moved(moved(values, np.float32), dtype)
    number = ~np.isnan(values)
    assert np.array_equal(bits_of(got)[number], bits[number])
    assert np.isnan(got[~number]).all()


def finite(dtype):
    """Return the bits of all numbers that are not negative, and inf; and their values.

    In place of inf's stands what would come next, were there one more exponent.
    """
    inf = int(np.array(np.inf, dtype).view(np.uint16))
    bits = np.arange(inf + 1, dtype=np.uint16)
    values = bits.view(dtype).astype(np.float64)
    values[-1] = 2 * values[-2] - values[-3]
    return bits, values


@pytest.mark.parametrize("name", cases.SIXTEEN)
def test_float32_is_rounded(moved, name):
    """All 16-bit numbers, the middles between neighbours, and what is next to either."""
    dtype = cases.dtype_of(name)
    _, values = finite(dtype)
    middles = (values[1:] + values[:-1]) / 2
    near = np.concatenate([values[:-1], middles]).astype(np.float32)
    assert np.array_equal(near[-len(middles) :], middles)
    above, below = np.nextafter(near, np.float32(np.inf)), np.nextafter(near, np.float32(-1))
    special = np.array(
        [0x7F800000, 0x7F7FFFFF, 0x7FC00000, 0x7FC12345, 0x7F800001, 0x7FFFFFFF, 1, 0x7FFFFF],
        np.uint32,
    )
    drawn = np.random.default_rng(0).integers(0, 1 << 31, 200_000, np.uint32)
    x = np.concatenate([near, above, below, special.view(np.float32), drawn.view(np.float32)])
    x = np.concatenate([x, -x])
    check_same(moved(x, dtype), x.astype(dtype))


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("name", cases.SIXTEEN)
def test_float64_is_rounded_once(moved, name, sign):
    """Just beside a middle float32 has nothing but the middle, which would go to the even one."""
    dtype = cases.dtype_of(name)
    bits, values = finite(dtype)
    middles = (values[1:] + values[:-1]) / 2
    lower, upper = bits[:-1], bits[1:]
    even = np.where(lower % 2 == 0, lower, upper)
    tiny = np.abs(np.spacing(middles.astype(np.float32)).astype(np.float64)) / 4
    sides = (
        (np.nextafter(middles, -1), lower),
        (middles - tiny, lower),
        (middles, even),
        (middles + tiny, upper),
        (np.nextafter(middles, np.inf), upper),
    )
    twice = 0
    for x, wanted in sides:
        got = moved(sign * x, dtype, vectors=False)
        assert np.array_equal(bits_of(got), wanted + np.uint16(0 if sign > 0 else 0x8000))
        twice += np.count_nonzero(bits_of(x.astype(np.float32).astype(dtype)) != wanted)
    assert twice > len(middles)


@pytest.mark.parametrize("name", cases.SIXTEEN)
def test_far_float64(moved, name):
    """What float32 has no room for is beyond all 16-bit numbers, or nearer to 0."""
    dtype = cases.dtype_of(name)
    x = np.array([1e300, 1e39, 1e-300, 1e-46, 5e-324, np.inf, np.nan, 0.0])
    x = np.concatenate([x, -x])
    got = moved(x, dtype, vectors=False)
    wanted = np.array([np.inf, np.inf, 0, 0, 0, np.inf, np.nan, 0], dtype)
    check_same(got, np.concatenate([wanted, -wanted]))


GENERIC = """
import sys
import numpy as np
import numbanorm as nbn
from numbanorm.kernels.simd import sixteen

assert not sixteen._has_instructions()
x = np.load(sys.argv[1])
y, mean, rstd = nbn.layer_norm(x, x.shape[1:], return_stats=True)
dx, _, _ = nbn.layer_norm_backward(y, x, mean, rstd, x.shape[1:])
np.savez(sys.argv[2], y=y, mean=mean, rstd=rstd, dx=dx)
"""


def test_a_processor_without_instructions(tmp_path):
    """LLVM would call functions that are not there."""
    import numbanorm as nbn

    x = cases.normal((40, 70), np.float16)
    np.save(tmp_path / "x.npy", x)
    environment = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    paths = tmp_path / "x.npy", tmp_path / "found.npz"
    run(GENERIC, *paths, environment=environment, timeout=300)
    y, mean, rstd = nbn.layer_norm(x, 70, return_stats=True)
    dx, _, _ = nbn.layer_norm_backward(y, x, mean, rstd, 70)
    with np.load(tmp_path / "found.npz") as found:
        for name, wanted in {"y": y, "mean": mean, "rstd": rstd, "dx": dx}.items():
            assert found[name].tobytes() == wanted.tobytes(), name
