"""Products over many tiles and panels: every height and edge, all strides, packed operands, any split."""

import itertools

import numpy as np
import pytest

from fastff.gemm.product import PANEL_BYTES, product
from fastff.simd.tile import MAX_ROWS
from tests.calls import DTYPES, edges, lanes, multiply, panels, start_of, tiles
from tests.guarded import Guarded, at_page_end

dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=str)


def real(shape, dtype, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def wanted(a, b, start=None):
    total = a.astype("f8") @ b.astype("f8")
    return total if start is None else total + start


def bound(a, b, start=None):
    magnitude = np.abs(a.astype("f8")) @ np.abs(b.astype("f8")) + (0 if start is None else np.abs(start))
    return (a.shape[1] + 2) * np.finfo(a.dtype).eps * magnitude + np.finfo(a.dtype).tiny


def check(m, n, k, dtype, gap=0):
    a, b, start = real((m, k), dtype, 1), real((k, n), dtype, 2), real(n, dtype, 3)
    c = Guarded(m, n, dtype, gap)
    multiply(a, b, c.result, start)
    c.check()
    assert np.all(np.abs(c.result - wanted(a, b, start)) <= bound(a, b, start))
    return a, b, start, c.result


@dtypes
@pytest.mark.parametrize("k", [0, 1, 2, 60])
def test_every_height_and_edge(dtype, k):
    for m, n in itertools.product(range(2 * MAX_ROWS + 4), edges(dtype)):
        check(m, n, k, dtype, gap=m % 3)


@pytest.mark.portable
@dtypes
def test_corners(dtype):
    for m, n, k in [(0, 3, 2), (1, 1, 0), (2 * MAX_ROWS + 1, 2 * lanes(dtype) + 1, 2)]:
        check(m, n, k, dtype, gap=1)


@dtypes
@pytest.mark.parametrize("k", [1, 300])
def test_large(dtype, k):
    check(97, 6 * lanes(dtype) + 5, k, dtype)


@dtypes
def test_relu_start_and_accumulation(dtype):
    for m, n in itertools.product((1, MAX_ROWS + 1, 2 * MAX_ROWS + 3), edges(dtype)):
        a, b, start, c = check(m, n, 7, dtype)
        plain = c.copy()
        multiply(a, b, c, start, floor=0.0)
        np.testing.assert_array_equal(c, np.maximum(plain, 0))
        # a sum goes on from where it stopped: the bits of one sum over all terms
        multiply(a[:, :3], b[:3], c, start)
        multiply(a[:, 3:], b[3:], c, c)
        np.testing.assert_array_equal(c, plain)
        c[...] = start_values = real((m, n), dtype, 4)
        multiply(a, b, c, alpha=-0.25)
        error = np.abs(c - (start_values - 0.25 * wanted(a, b)))
        assert np.all(error <= bound(a, b) + 2 * np.finfo(dtype).eps * np.abs(start_values))


@pytest.mark.portable
@dtypes
def test_operands_of_any_strides(dtype):
    """Transposed, every other row, one row for all, reversed: no copy, the same bits."""
    a, b = real((8, 6), dtype), real((6, 2 * lanes(dtype) + 3), dtype, 1)
    spaced = np.zeros((6, 8, 2), dtype)
    spaced[..., 1] = a.T
    for form in (np.asfortranarray(a), spaced[..., 1].T, a[::-1, ::-1], np.broadcast_to(a[:1], a.shape), a[::3, 1:]):
        terms = b[: form.shape[1]]
        straight, c = (np.empty((len(form), b.shape[1]), dtype) for _ in range(2))
        multiply(np.ascontiguousarray(form), terms, straight)
        multiply(form, terms, c)
        np.testing.assert_array_equal(c, straight)
    c = np.empty((8, b.shape[1]), dtype)
    multiply(a[:, ::2], b[::2], c)
    multiply(np.ascontiguousarray(a[:, ::2]), np.ascontiguousarray(b[::2]), other := np.empty_like(c))
    np.testing.assert_array_equal(c, other)


def test_packed_tiles_are_the_same_product():
    for dtype, m, n in itertools.product(DTYPES, (1, MAX_ROWS, MAX_ROWS + 1, 4 * MAX_ROWS + 5), (1, 37)):
        rows, b, k = real((9, m), dtype), real((9, n), dtype, 1), 9
        straight, c = np.empty((m, n), dtype), np.empty((m, n), dtype)
        multiply(rows.T, b, straight)
        packed, size = tiles(rows.T), dtype.itemsize
        product[dtype](
            0, m, n, k, packed.ctypes.data, size, MAX_ROWS * size, k * MAX_ROWS * size, b.ctypes.data, n * size,
            PANEL_BYTES, 0, 0, c.ctypes.data, n * size, PANEL_BYTES, 0.0, -np.inf, 0,
        )  # fmt: skip
        np.testing.assert_array_equal(c, straight)


@pytest.mark.portable
@dtypes
def test_packed_panels_are_the_same_product(dtype):
    """Both the operand and the result may stand in panels."""
    m, k = MAX_ROWS + 2, 5
    for n in edges(dtype):
        a, b, start = real((m, k), dtype), real((k, n), dtype, 1), real((m, n), dtype, 2)
        straight = np.empty((m, n), dtype)
        multiply(a, b, straight, start)
        packed = panels(b, extra=np.nan)
        c = np.full((len(packed), m, packed.shape[2]), np.nan, dtype)
        product[dtype](
            0, m, n, k, a.ctypes.data, *a.strides, 0, packed.ctypes.data, PANEL_BYTES, k * PANEL_BYTES,
            *start_of(start), c.ctypes.data, PANEL_BYTES, m * PANEL_BYTES, 0.0, -np.inf, 0,
        )  # fmt: skip
        side_by_side = np.concatenate(list(c), axis=1)
        np.testing.assert_array_equal(side_by_side[:, :n], straight)
        assert np.isnan(side_by_side[:, n:]).all()


@dtypes
def test_what_is_wanted_next_is_not_touched(dtype):
    """Areas of any number and length, at addresses where nothing is; many, few and no tiles for each."""
    for m, k, areas in itertools.product((2, 10 * MAX_ROWS), (0, 1, 30), (1, 3, 40)):
        a, b = real((m, k), dtype), real((k, 3 * lanes(dtype)), dtype, 1)
        straight, asking = (np.empty((m, b.shape[1]), dtype) for _ in range(2))
        wanted = np.array([areas, 5000, *range(0, 8 * areas, 8)])
        multiply(a, b, straight)
        multiply(a, b, asking, wanted=wanted.ctypes.data)
        np.testing.assert_array_equal(asking, straight)


@dtypes
def test_any_split_gives_the_same_bits(dtype):
    m, n, k = 2 * MAX_ROWS + 3, 4 * lanes(dtype) + 3, 50
    a, b, start = real((m, k), dtype), real((k, n), dtype, 1), real(n, dtype, 2)
    whole = np.empty((m, n), dtype)
    multiply(a, b, whole, start)
    by_rows, by_columns, one = (np.empty_like(whole) for _ in range(3))
    for first in range(0, m, 4):
        multiply(a[first : first + 4], b, by_rows[first : first + 4], start)
    for first in range(0, n, lanes(dtype) - 1):
        piece = slice(first, first + lanes(dtype) - 1)
        multiply(a, b[:, piece], by_columns[:, piece], start[piece])
    for i, j in itertools.product(range(m), range(n)):
        multiply(a[i : i + 1], b[:, j : j + 1], one[i : i + 1, j : j + 1], start[j : j + 1])
    for split in (by_rows, by_columns, one):
        np.testing.assert_array_equal(split, whole)


@dtypes
def test_memory_behind_the_operands_is_not_touched(dtype):
    for m, n, k in itertools.product((1, MAX_ROWS + 1), edges(dtype), (1, 4)):
        a, b, start = (at_page_end(real(shape, dtype)) for shape in ((m, k), (k, n), (m, n)))
        c = at_page_end(np.zeros((m, n), dtype))
        multiply(a, b, c, start)
        assert np.all(np.abs(c - wanted(a, b, start)) <= bound(a, b, start))


@pytest.mark.portable
@dtypes
def test_infinities_and_overflow_show(dtype):
    a, b = np.full((2, 2), np.finfo(dtype).max, dtype), np.ones((2, 3), dtype)
    b[:, 1], b[1, 2] = -1, -np.inf
    c = np.empty((2, 3), dtype)
    with np.errstate(all="ignore"):  # the twin is NumPy
        multiply(a, b, c)
    np.testing.assert_array_equal(c, [[np.inf, -np.inf, -np.inf]] * 2)
