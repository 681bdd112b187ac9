"""Blocks of dot products: every height, width and depth against the twin and NumPy."""

import itertools

import numpy as np
import pytest

from fastff._jit import Unit
from fastff.simd.dots import DOT_ROWS, _dot_block_twin, dot_block, dot_columns
from fastff.simd.memory import number
from tests.calls import DTYPES, lanes
from tests.guarded import Guarded, at_page_end

dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=str)


def dots_of_tests(like, m, n, k, a, a_row, b, b_row, start, c, c_row, floor):
    dot_block(m, n, k, a, a_row, b, b_row, start, c, c_row, number(floor, like))
    return 0


UNIT = Unit(dots_of_tests, "iiiiiiiiiid")


def call(twin, a, b, c, start=None, floor=-np.inf):
    (m, k), n = a.shape, len(b)
    begin = 0 if start is None else start.ctypes.data
    places = a.ctypes.data, a.strides[0], b.ctypes.data, b.strides[0], begin, c.ctypes.data, c.strides[0]
    if twin:
        _dot_block_twin(m, n, k, *places, a.dtype.type(floor))
    else:
        UNIT[a.dtype](0, m, n, k, *places, floor)


def integers(shape, dtype, seed):
    return np.random.default_rng(seed).integers(-4, 5, shape).astype(dtype)


def depths(dtype):
    n = lanes(dtype)
    return (0, 1, n - 1, n, n + 1, 3 * n + 2)


def shapes(dtype):
    return itertools.product(range(1, DOT_ROWS + 1), range(1, dot_columns(dtype.itemsize) + 1), depths(dtype))


@dtypes
@pytest.mark.parametrize("floor", [-np.inf, 0.0])
@pytest.mark.parametrize("with_start", [False, True])
def test_every_height_width_and_depth(dtype, floor, with_start):
    for rows, columns, depth in shapes(dtype):
        a, b = integers((rows, depth + 3), dtype, 1)[:, :depth], integers((columns, depth + 2), dtype, 2)[:, :depth]
        start = integers(columns, dtype, 3) if with_start else None
        wanted = np.maximum(a @ b.T + (start if with_start else 0), floor)
        for twin in (False, True):
            c = Guarded(rows, columns, dtype, gap=3)
            call(twin, a, b, c.result, start, floor)
            np.testing.assert_array_equal(c.result, wanted)
            c.check()


@dtypes
def test_memory_behind_the_operands_is_not_touched(dtype):
    for rows, columns, depth in shapes(dtype):
        if depth > 0:
            a, b = at_page_end(integers((rows, depth), dtype, 1)), at_page_end(integers((columns, depth), dtype, 2))
            start, c = at_page_end(integers(columns, dtype, 3)), at_page_end(np.zeros((rows, columns), dtype))
            call(False, a, b, c, start)
            np.testing.assert_array_equal(c, a @ b.T + start)


@dtypes
def test_rounding_and_the_same_bits_in_every_row(dtype):
    """Within a rounding a term of NumPy in float64; what stands in the other rows does not show."""
    depth, columns = 10 * lanes(dtype) + 3, dot_columns(dtype.itemsize)
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(DOT_ROWS, depth)).astype(dtype), rng.normal(size=(columns, depth)).astype(dtype)
    whole = np.empty((DOT_ROWS, columns), dtype)
    call(False, a, b, whole)
    bound = depth * np.finfo(dtype).eps * (np.abs(a) @ np.abs(b).T)
    assert np.all(np.abs(whole - a.astype("f8") @ b.T.astype("f8")) <= bound)
    for i in range(DOT_ROWS):
        for n in range(1, columns + 1):
            one = np.empty((1, n), dtype)
            call(False, a[i : i + 1], b[:n], one)
            np.testing.assert_array_equal(one[0], whole[i, :n])


@pytest.mark.portable
@dtypes
def test_nan_passes_the_floor(dtype):
    a, b = np.ones((2, 3), dtype), np.ones((1, 3), dtype)
    a[0, 1] = np.nan
    for twin in (False, True):
        c = np.zeros((2, 1), dtype)
        call(twin, a, b, c, floor=0.0)
        assert np.isnan(c[0, 0])
        assert c[1, 0] == 3
