import numpy as np
import pytest

from fastff.simd.chains import ADDEND, FACTOR, chain_numbers, multiply_add_chains

pytestmark = pytest.mark.portable


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("repeats", [0, 1, 5, 200])
def test_chains_are_what_they_say(dtype, repeats):
    """So many multiply-adds were made: where they end tells it. 200 of them are at the limit, bit by bit."""
    kind = np.dtype(dtype)
    before = np.random.default_rng(0).random(chain_numbers(kind.itemsize), kind)
    numbers = np.append(before, kind.type(7))
    multiply_add_chains[kind](0.0, repeats, numbers.ctypes.data)
    wanted = before.astype(float)
    for _ in range(repeats):
        wanted = FACTOR * wanted + ADDEND
    np.testing.assert_allclose(numbers[:-1], wanted, rtol=4 * np.finfo(kind).eps)
    assert numbers[-1] == 7
