"""Copies and transpositions of blocks: the intrinsics against their twins, byte by byte."""

import itertools

import numpy as np
import pytest

from fastff._jit import Unit
from fastff.gemm.product import VECTOR_BYTES
from fastff.simd.blocks import _copy_asking_twin, _copy_twin, _transpose_twin, copy_asking, copy_rows, transpose
from tests.calls import DTYPES, lanes
from tests.guarded import at_page_end

dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=str)


def blocks_of_tests(like, what, a, b, c, source, source_step, source_next, target, target_step, target_next):
    if what == 0:
        copy_rows(like, a, b, c, source, source_step, source_next, target, target_step, target_next)
    else:
        transpose(like, a, b, source, source_step, target, target_step)
    return 0


def asking_of_tests(like, n_bytes, source, target, coming):
    copy_asking(like, n_bytes, source, target, coming)
    return 0


ASKING = Unit(asking_of_tests, "iiii")
UNIT = Unit(blocks_of_tests, "iiiiiiiiii")


def memory(dtype, seed=1, numbers=1500):
    return np.random.default_rng(seed).normal(size=numbers).astype(dtype)


def copied(dtype, count, exact, steps, source_step, target_step, source_next=None, target_next=None):
    """What the compiled copy and the twin make of the same memory; vectors are adjacent if nothing else is said."""
    source, size = memory(dtype), dtype.itemsize
    results = []
    for twin in (False, True):
        target = memory(dtype, seed=2)
        nexts = [(lanes(dtype) if n is None else n) * size for n in (source_next, target_next)]
        places = (
            source.ctypes.data, source_step * size, nexts[0], target[3:].ctypes.data, target_step * size, nexts[1],
        )  # fmt: skip
        if twin:
            _copy_twin(dtype.type(0), count, exact, steps, *places)
        else:
            UNIT[dtype](0, 0, count, exact, steps, *places)
        results.append(target)
    return results


@dtypes
def test_copies_of_exact_rows(dtype):
    widest = 2 * lanes(dtype)
    for count, steps in itertools.product(range(1, widest + 1), (0, 1, 4)):
        np.testing.assert_array_equal(*copied(dtype, count, 1, steps, widest + 3, widest + 1))


@dtypes
def test_copies_between_panels(dtype):
    """Vectors of a row may stand far apart, on both sides."""
    n = lanes(dtype)
    kinds = (2 * n, n), (n, 6 * n)  # from row to row, from vector to vector
    for count, exact, source, target in itertools.product((1, n, n + 1, 2 * n), (0, 1), kinds, kinds):
        compiled, twin = copied(dtype, count, exact, 4, source[0], target[0], source[1], target[1])
        last, n_last = (target[1] if count > n else 0), (count - 1) % n + 1
        padding = [3 + row * target[0] + last + column for row in range(4) for column in range(n_last, n)]
        if exact == 0:
            assert not compiled[padding].any()
            compiled[padding] = twin[padding]
        np.testing.assert_array_equal(compiled, twin)


@dtypes
def test_copies_of_whole_vectors(dtype):
    """Zeros may stand behind a row, up to the end of a vector, and no further than the vectors of the last row."""
    n = lanes(dtype)
    for count, steps, step in itertools.product(range(1, 2 * n + 1), (1, 4), (2 * n, 2 * n + 5)):
        compiled, twin = copied(dtype, count, 0, steps, 2 * n + 3, step)
        before = memory(dtype, seed=2)
        vectors = 1 if count <= n else 2
        for place in range(len(compiled)):
            row, column = divmod(place - 3, step)
            inside = place >= 3 and row < steps
            if inside and count <= column < vectors * n:
                assert compiled[place] in (0, before[place])
            else:
                assert compiled[place] == twin[place]


@dtypes
def test_rows_are_copied_whole_and_nothing_else(dtype):
    """Neither numbers behind the row's end nor what is asked for are touched: that may be no memory at all."""
    for count in range(3 * lanes(dtype) + 2):
        source, target = at_page_end(memory(dtype, numbers=count)), memory(dtype, seed=2)
        expected = target.copy()
        ASKING[dtype](0, count * dtype.itemsize, source.ctypes.data, target[3:].ctypes.data, 8)
        _copy_asking_twin(dtype.type(0), count * dtype.itemsize, source.ctypes.data, expected[3:].ctypes.data, 8)
        np.testing.assert_array_equal(target, expected)
        np.testing.assert_array_equal(target[3 : 3 + count], source)


@dtypes
def test_transposed_squares(dtype):
    n, size = lanes(dtype), dtype.itemsize
    for rows, columns in itertools.product(range(1, n + 1), repeat=2):
        source, results = memory(dtype), []
        for twin in (False, True):
            target = memory(dtype, seed=2)
            places = source.ctypes.data, (n + 1) * size, target[5:].ctypes.data, (n + 2) * size
            if twin:
                _transpose_twin(dtype.type(0), rows, columns, *places)
            else:
                UNIT[dtype](0, 1, rows, columns, 0, *places[:2], 0, *places[2:], 0)
            results.append(target)
        np.testing.assert_array_equal(*results)


@dtypes
def test_memory_behind_the_source_is_not_touched(dtype):
    size = dtype.itemsize
    for rows, columns in itertools.product(range(1, lanes(dtype) + 1), repeat=2):
        source, target = at_page_end(np.ones((rows, columns), dtype)), at_page_end(np.zeros((columns, rows), dtype))
        UNIT[dtype](0, 1, rows, columns, 0, source.ctypes.data, columns * size, 0, target.ctypes.data, rows * size, 0)
        assert target.sum() == rows * columns
        target = at_page_end(np.zeros((rows, columns), dtype))
        row = columns * size
        UNIT[dtype](
            0, 0, columns, 1, rows, source.ctypes.data, row, VECTOR_BYTES, target.ctypes.data, row, VECTOR_BYTES
        )
        assert target.sum() == rows * columns


@pytest.mark.portable
def test_twins():
    source, target = np.arange(12.0).reshape(3, 4), np.zeros((4, 3))
    _transpose_twin(np.float64(0), 3, 4, source.ctypes.data, 32, target.ctypes.data, 24)
    np.testing.assert_array_equal(target, source.T)
    target[...] = 0
    _copy_twin(np.float64(0), 2, 1, 3, source.ctypes.data, 32, 0, target.ctypes.data, 24, 0)
    np.testing.assert_array_equal(target[:3, :2], source[:, :2])
    assert target[:, 2].sum() == 0
