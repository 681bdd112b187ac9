"""Strips: columns beyond whole vectors, kept as rows."""

import itertools

import numpy as np
import pytest

from fastff.gemm.strip import LEAST_TERMS, strip_columns, strip_product
from fastff.simd.dots import DOT_ROWS
from tests.calls import DTYPES, lanes
from tests.guarded import Guarded

dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=str)


@pytest.mark.portable
@dtypes
def test_product(dtype):
    for m, n, k in itertools.product((1, DOT_ROWS, 2 * DOT_ROWS + 1), range(1, lanes(dtype) // 2 + 1), (1, 19, 70)):
        rng = np.random.default_rng(m + n)
        a, b = rng.normal(size=(m, k + 1)).astype(dtype)[:, :k], rng.normal(size=(n, k + 2)).astype(dtype)[:, :k]
        bias = rng.normal(size=n).astype(dtype)
        exact = a.astype("f8") @ b.astype("f8").T
        bound = (k + 1) * np.finfo(dtype).eps * (np.abs(a) @ np.abs(b).T + np.abs(bias))
        for start, floor in ((0, -np.inf), (bias.ctypes.data, -np.inf), (bias.ctypes.data, 0.0)):
            c = Guarded(m, n, dtype, gap=1)
            strip_product[dtype](
                0, m, n, k, a.ctypes.data, a.strides[0], b.ctypes.data, b.strides[0], start,
                c.result.ctypes.data, c.result.strides[0], floor,
            )  # fmt: skip
            wanted = np.maximum(exact + (bias if start else 0), floor)
            assert np.all(np.abs(c.result - wanted) <= bound)
            c.check()


@pytest.mark.portable
@dtypes
def test_which_columns(dtype):
    n, size = lanes(dtype), dtype.itemsize
    half = n // 2
    enough = max(LEAST_TERMS, n + 1)
    assert strip_columns(enough, 3 * n + half, size) == half
    assert strip_columns(enough, 3 * n + 1, size) == 1
    assert strip_columns(enough, half, size) == half
    assert strip_columns(enough, 1, size) == 1
    assert strip_columns(n, 1, size) == 0  # a row of one vector would be taken for a panel
    assert strip_columns(LEAST_TERMS - 1, 3 * n + 1, size) == 0
    assert strip_columns(enough, 3 * n, size) == 0
    assert strip_columns(enough, n - 1, size) == 0
    assert strip_columns(enough, n, size) == 0
    if half + 1 < n:
        assert strip_columns(enough, 3 * n + half + 1, size) == 0
