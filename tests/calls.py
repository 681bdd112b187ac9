"""Compiled units of the lower floors, called with arrays instead of addresses and strides."""

import numpy as np

from fastff.gemm.pack import pack_panels, pack_tiles, transpose_rows, unpack_panels
from fastff.gemm.product import PANEL_BYTES, VECTOR_BYTES, product
from fastff.simd.tile import MAX_ROWS, _tile_twin

DTYPES = (np.dtype(np.float32), np.dtype(np.float64))


def lanes(dtype):
    return VECTOR_BYTES // dtype.itemsize


def edges(dtype):
    """Numbers of columns around the multiples of a vector."""
    n = lanes(dtype)
    return sorted({1, 2, 3, n - 1, n, n + 1, 2 * n - 1, 2 * n, 2 * n + 1, 3 * n + 1, 4 * n, 4 * n + 3} - {0})


def start_of(start):
    """Address and row stride of what sums start from: nothing, a bias, or a matrix."""
    if start is None:
        return 0, 0
    return start.ctypes.data, start.strides[0] if start.ndim == 2 else 0


def multiply(a, b, c, start=None, alpha=0.0, floor=-np.inf, wanted=0):
    """``c = max(start + a @ b, floor)`` or ``c += alpha (start + a @ b)``; columns of all but `a` are adjacent."""
    (m, k), n = a.shape, b.shape[1]
    assert b.shape[0] == k
    assert c.shape == (m, n)
    product[a.dtype](
        0, m, n, k, a.ctypes.data, *a.strides, 0, b.ctypes.data, b.strides[0], PANEL_BYTES, *start_of(start),
        c.ctypes.data, c.strides[0], PANEL_BYTES, alpha, floor, wanted,
    )  # fmt: skip


def tile_twin(a, b, c, start=None, alpha=0.0, floor=-np.inf):
    """The same by the scalar twin of one tile."""
    kind, n = a.dtype.type, b.shape[1]
    _tile_twin(
        a.shape[0], -(-n // lanes(a.dtype)), n, a.shape[1], a.ctypes.data, *a.strides, b.ctypes.data, b.strides[0],
        PANEL_BYTES, *start_of(start), c.ctypes.data, c.strides[0], PANEL_BYTES, 0, 0, kind(alpha), kind(floor),
    )  # fmt: skip


def panels(b, extra=0.0):
    """Pack rows of `b` into panels, in memory that holds `extra` everywhere else."""
    k, n = b.shape
    count = -(-n * b.itemsize // PANEL_BYTES)
    packed = np.full((count, k, PANEL_BYTES // b.itemsize), extra, b.dtype)
    pack_panels[b.dtype](0, k, n, b.ctypes.data, b.strides[0], packed.ctypes.data, k * PANEL_BYTES)
    return packed


def unpacked(packed, out):
    """Write panels into the rows of `out`."""
    k, n = out.shape
    unpack_panels[out.dtype](0, k, n, packed.ctypes.data, k * PANEL_BYTES, out.ctypes.data, out.strides[0])


def tiles(a):
    """Pack ``a`` (m, k), whose columns are adjacent (a transposed matrix), tile by tile: (tiles, k, MAX_ROWS)."""
    m, k = a.shape
    size, count = a.itemsize, -(-m // MAX_ROWS)
    memory = np.full(count * k * MAX_ROWS + 2 * PANEL_BYTES // size, np.nan, a.dtype)
    pack_tiles[a.dtype](0, m, k, a.ctypes.data, a.strides[1], memory.ctypes.data)
    return memory[: count * k * MAX_ROWS].reshape(count, k, MAX_ROWS)


def transposed(a, out):
    """``out = a.T``; rows of both adjacent."""
    transpose_rows[a.dtype](0, *a.shape, a.ctypes.data, a.strides[0], out.ctypes.data, out.strides[0])
