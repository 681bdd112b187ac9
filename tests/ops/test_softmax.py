"""Softmax by rows: accuracy, limits, every number of columns around a vector, nothing beyond the columns."""

import mpmath as mp
import numpy as np
import pytest

from fastff import reference
from fastff._cpu import lanes
from fastff.ops.softmax import softmax
from tests.guarded import Guarded

DTYPES = [np.dtype(np.float32), np.dtype(np.float64)]
dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=str)


def by_unit(z, gap=0):
    rows, columns = z.shape
    out = Guarded(rows, columns, z.dtype, gap=gap, fill=z)
    softmax[z.dtype](0.0, rows, columns, out.result.ctypes.data, out.result.strides[0])
    out.check()
    return out.result


@pytest.mark.portable
@dtypes
def test_every_width_and_nothing_beyond(dtype):
    draw = np.random.default_rng(1)
    width = lanes(dtype.itemsize)
    for columns in [*range(1, 2 * width + 4), 5 * width + 3]:
        for rows in (0, 1, 2, 19):
            z = draw.normal(0, 3, (rows, columns)).astype(dtype)
            expected = reference.ACTIVATION["softmax"](z.astype(float)) if rows else z
            for gap in (0, 5):
                np.testing.assert_allclose(by_unit(z, gap), expected, rtol=30 * np.finfo(dtype).eps)


@dtypes
@pytest.mark.parametrize("columns", [2, 10, 37, 500])
@pytest.mark.parametrize("spread", [1, 30])
def test_at_most_four_units_in_the_last_place(columns, spread, dtype):
    z = np.random.default_rng(columns).normal(0, spread, (3, columns)).astype(dtype)
    with mp.workprec(160):
        for row, got in zip(z, by_unit(z)):
            powers = [mp.exp(mp.mpf(float(x)) - mp.mpf(float(row.max()))) for x in row]
            total = mp.fsum(powers)
            for power, value in zip(powers, got):
                true = power / total
                assert abs(mp.mpf(float(value)) - true) <= 4 * mp.mpf(float(np.spacing(dtype.type(float(true)))))


@pytest.mark.portable
@dtypes
def test_limits(dtype):
    inf, nan = np.inf, np.nan
    z = [[1e4, -1e4, 0], [-1e4, -1e4, -1e4], [-inf, 0, 0], [inf, 0, 0], [nan, 0, 1], [-inf, -inf, -inf]]
    expected = [[1, 0, 0], [1 / 3] * 3, [0, 0.5, 0.5], [nan] * 3, [nan] * 3, [nan] * 3]
    np.testing.assert_allclose(by_unit(np.array(z, dtype)), expected, rtol=2 * np.finfo(dtype).eps)
    # the same in rows that do not fit registers
    wide = np.full((6, 3 * lanes(dtype.itemsize) + 1), -np.inf, dtype)
    wide[:, -4:-1] = z
    got = by_unit(wide)
    np.testing.assert_allclose(got[:, -4:-1], expected, rtol=2 * np.finfo(dtype).eps)
    np.testing.assert_array_equal(got[:3, -1], 0)


@dtypes
def test_a_row_does_not_depend_on_its_place(dtype):
    z = np.random.default_rng(4).normal(0, 3, (33, 10)).astype(dtype)
    together = by_unit(z)
    np.testing.assert_array_equal(together, np.concatenate([by_unit(z[i : i + 1], gap=i) for i in range(33)]))
