"""Packed layouts against NumPy: what stands where, the way back, and that nothing else is written."""

import itertools

import numpy as np
import pytest

from fastff.gemm.product import PANEL_BYTES
from fastff.simd.tile import MAX_ROWS
from tests.calls import DTYPES, edges, lanes, panels, tiles, transposed, unpacked
from tests.guarded import Guarded, at_page_end

dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=str)


def numbers(shape, dtype):
    return np.arange(1, np.prod(shape) + 1, dtype=dtype).reshape(shape)


@pytest.mark.portable
@dtypes
def test_panels(dtype):
    columns = PANEL_BYTES // dtype.itemsize
    for k, n in itertools.product((0, 1, 3), edges(dtype)):
        packed = panels(numbers((k, n), dtype), extra=np.nan)
        padded = np.zeros((k, len(packed) * columns), dtype)
        padded[:, :n] = numbers((k, n), dtype)
        for panel, part in enumerate(packed):
            # beyond the last column: zeros, or what was there
            filled = np.where(np.isnan(part), 0, part)
            np.testing.assert_array_equal(filled, padded[:, panel * columns : (panel + 1) * columns])


@pytest.mark.portable
@dtypes
def test_panels_and_back(dtype):
    for k, n in itertools.product((1, 4), edges(dtype)):
        wide = numbers((k, n + 5), dtype)
        back = Guarded(k, n, dtype, gap=2)
        unpacked(panels(wide[:, 2 : n + 2], extra=np.nan), back.result)
        np.testing.assert_array_equal(back.result, wide[:, 2 : n + 2])
        back.check()


@pytest.mark.portable
@dtypes
def test_tiles(dtype):
    for m, k in itertools.product((1, MAX_ROWS - 1, MAX_ROWS, MAX_ROWS + 1, 3 * MAX_ROWS + 2), (0, 1, 5)):
        wide = numbers((k, m + 3), dtype)
        packed = tiles(wide[:, 1 : m + 1].T)
        heights = [len(part) for part in np.array_split(np.arange(m), len(packed))]
        place = 1
        for part, height in zip(packed, heights, strict=True):
            np.testing.assert_array_equal(part[:, :height], wide[:, place : place + height])
            place += height


@pytest.mark.portable
def test_nothing_to_pack():
    empty = np.empty((0, 3))
    assert tiles(empty).size == 0
    transposed(empty, np.empty((3, 0)))


@dtypes
def test_transposition(dtype):
    sizes = range(1, lanes(dtype) + 2)
    for m, n in [*itertools.product(sizes, sizes), (5 * lanes(dtype) + 3, 3 * lanes(dtype) + 1)]:
        wide = numbers((m, n + 2), dtype)
        out = Guarded(n, m, dtype, gap=1)
        transposed(wide[:, :n], out.result)
        np.testing.assert_array_equal(out.result, wide[:, :n].T)
        out.check()


@pytest.mark.portable
@dtypes
def test_transposition_of_a_few(dtype):
    a, out = numbers((lanes(dtype) + 1, 3), dtype), np.empty((3, lanes(dtype) + 1), dtype)
    transposed(a, out)
    np.testing.assert_array_equal(out, a.T)


@dtypes
def test_memory_behind_the_operands_is_not_touched(dtype):
    for m, n in itertools.product((1, 2, lanes(dtype), 2 * MAX_ROWS + 1), edges(dtype)):
        a, out = at_page_end(numbers((m, n), dtype)), at_page_end(np.zeros((n, m), dtype))
        transposed(a, out)
        np.testing.assert_array_equal(out, a.T)
        back = at_page_end(np.zeros((m, n), dtype))
        unpacked(panels(a), back)
        np.testing.assert_array_equal(back, a)
        assert tiles(a.T)[0, 0, 0] == a[0, 0]
