"""Reading, writing and copying by address: compiled as the twins do it."""

import numpy as np
import pytest

from fastff._jit import Unit
from fastff.simd import memory as m
from tests.calls import DTYPES

pytestmark = pytest.mark.portable
dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=str)


def memory_of_tests(like, numbers, ints, doubles, factor):
    """Every access once: double a number, add its size to an int, multiply a double, copy two numbers."""
    size = m.size_of(like)
    m.put(numbers, m.get(numbers, like) + m.get(numbers, like))
    m.put(numbers + size, m.number(factor, like))
    m.copy_bytes(numbers + 2 * size, numbers, 2 * size)
    m.put_int(ints, m.get_int(ints) + size)
    m.put_double(doubles, m.get_double(doubles) * factor)
    return size


UNIT = Unit(memory_of_tests, "iiid")


@dtypes
def test_every_access(dtype):
    numbers, ints, doubles = np.array([1.5, 0, 0, 0, 9], dtype), np.array([2**40, 5]), np.array([0.1, 5])
    size = UNIT[dtype](0, numbers.ctypes.data, ints.ctypes.data, doubles.ctypes.data, 1 / 3)
    assert size == dtype.itemsize
    third = dtype.type(1 / 3)
    np.testing.assert_array_equal(numbers, np.array([3, third, 3, third, 9], dtype))
    np.testing.assert_array_equal(ints, [2**40 + size, 5])
    np.testing.assert_array_equal(doubles, [0.1 * (1 / 3), 5])


@dtypes
def test_view(dtype):
    numbers = np.arange(4, dtype=dtype)
    seen = m.view(numbers[1:].ctypes.data, dtype.type(0), 2)
    assert seen.dtype == dtype
    seen[...] = 7
    np.testing.assert_array_equal(numbers, [0, 7, 7, 3])
    assert m.view(0, dtype.type(0), 0).size == m.view(0, dtype.type(0), -3).size == 0
