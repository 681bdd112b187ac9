"""One register tile: every height, width and edge, against its twin and NumPy."""

import itertools

import numpy as np
import pytest

from fastff.simd.tile import MAX_ROWS, MAX_VECTORS, _tile_twin
from tests.calls import DTYPES, edges, lanes, multiply, tile_twin
from tests.guarded import Guarded, at_page_end

dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=str)


def integers(shape, dtype, seed=0):
    """Small integers: every sum of their products is exact, so that any order and rounding gives the same bits."""
    return np.random.default_rng(seed).integers(-4, 5, shape).astype(dtype)


def operands(rows, columns, depth, dtype):
    return integers((rows, depth), dtype, 1), integers((depth, columns), dtype, 2)


def check(rows, columns, depth, dtype, kind, alpha, floor):
    a, b = operands(rows, columns, depth, dtype)
    start = {"zero": None, "bias": integers(columns, dtype, 3), "matrix": integers((rows, columns), dtype, 4)}[kind]
    compiled, twin = (Guarded(rows, columns, dtype, gap=3, fill=integers((rows, columns), dtype, 5)) for _ in range(2))
    total = a @ b + (0 if start is None else start)
    wanted = compiled.result + dtype.type(alpha) * total if alpha else np.maximum(total, floor)
    multiply(a, b, compiled.result, start, alpha, floor)
    tile_twin(a, b, twin.result, start, alpha, floor)
    np.testing.assert_array_equal(compiled.result, wanted)
    np.testing.assert_array_equal(twin.result, wanted)
    compiled.check()
    twin.check()


VARIANTS = [*itertools.product(["zero", "bias", "matrix"], [0.0, -0.5], [-np.inf]), ("bias", 0.0, 0.0)]


@dtypes
@pytest.mark.parametrize(("start", "alpha", "floor"), VARIANTS)
def test_every_height_and_width(dtype, start, alpha, floor):
    widths = [n for n in edges(dtype) if n <= MAX_VECTORS * lanes(dtype)]
    for rows, columns, depth in itertools.product(range(1, MAX_ROWS + 1), widths, (0, 1, 2, 7)):
        check(rows, columns, depth, dtype, start, alpha, floor)


@pytest.mark.portable
@dtypes
def test_corners(dtype):
    for rows, columns, variant in itertools.product((1, MAX_ROWS), (1, lanes(dtype) + 1), VARIANTS):
        check(rows, columns, 3, dtype, *variant)


@dtypes
def test_all_columns_of_a_vector(dtype):
    for columns in range(1, MAX_VECTORS * lanes(dtype) + 1):
        check(min(3, MAX_ROWS), columns, 5, dtype, "bias", 0.0, 0.0)


@pytest.mark.portable
@dtypes
def test_rounding(dtype):
    """Real numbers: as NumPy within a rounding a term, and near the twin."""
    rng, depth = np.random.default_rng(0), 60
    a, b = (rng.normal(size=shape).astype(dtype) for shape in ((MAX_ROWS, depth), (depth, lanes(dtype) + 3)))
    compiled, twin = (np.empty((MAX_ROWS, b.shape[1]), dtype) for _ in range(2))
    multiply(a, b, compiled)
    tile_twin(a, b, twin)
    bound = depth * np.finfo(dtype).eps * (np.abs(a) @ np.abs(b))
    assert np.all(np.abs(compiled - a.astype("f8") @ b.astype("f8")) <= bound)
    assert np.all(np.abs(compiled - twin) <= 2 * bound)


@pytest.mark.portable
@dtypes
@pytest.mark.parametrize("floor", [-np.inf, 0.0])
def test_nan_passes_the_floor(dtype, floor):
    a, b = np.ones((3, 2), dtype), np.ones((2, lanes(dtype) + 2), dtype)
    a[1, 0] = np.nan
    b[0, 2] = np.inf
    b[1, 3] = -np.inf
    for call in (multiply, tile_twin):
        c = np.zeros((3, b.shape[1]), dtype)
        call(a, b, c, floor=floor)
        assert np.isnan(c[1]).all()
        assert np.all(c[[0, 2], 2] == np.inf)
        assert np.all(c[[0, 2], 3] == floor)
        assert np.all(np.delete(c[0], [2, 3]) == 2)


@dtypes
def test_a_nan_beyond_the_columns_is_not_read(dtype):
    b = np.full((4, 3 * lanes(dtype)), np.nan, dtype)
    a, n = integers((MAX_ROWS, 4), dtype), lanes(dtype) + 2
    b[:, :n] = integers((4, n), dtype)
    c = np.empty((MAX_ROWS, n), dtype)
    multiply(a, b[:, :n], c, start=b[0, :n])
    np.testing.assert_array_equal(c, a @ b[:, :n] + b[0, :n])


@dtypes
def test_memory_behind_the_operands_is_not_touched(dtype):
    """Operands and result end where the process may not read: a lane too many would end it."""
    for rows, columns, depth in itertools.product((1, MAX_ROWS - 1, MAX_ROWS), edges(dtype), (1, 3)):
        a, b = map(at_page_end, operands(rows, columns, depth, dtype))
        bias, c = at_page_end(integers(columns, dtype)), at_page_end(np.zeros((rows, columns), dtype))
        multiply(a, b, c, bias)
        np.testing.assert_array_equal(c, a @ b + bias)
        multiply(a, b, c, bias, alpha=-1.0)
        np.testing.assert_array_equal(c, 0)


@pytest.mark.portable
def test_twin_takes_strides_from_addresses():
    a, b = np.arange(24.0).reshape(4, 6)[::2, ::3], np.arange(12.0).reshape(2, 6)[:, :3]
    c = np.empty((2, 3))
    _tile_twin(
        2,
        1,
        3,
        2,
        a.ctypes.data,
        *a.strides,
        b.ctypes.data,
        b.strides[0],
        0,
        0,
        0,
        c.ctypes.data,
        24,
        0,
        0,
        0,
        0.0,
        -np.inf,
    )
    np.testing.assert_array_equal(c, a @ b)
