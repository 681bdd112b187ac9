"""Buffers of compiled code: aligned to cache lines, rows padded."""

from __future__ import annotations

import numpy as np

from fastff._cpu import ROW

ALIGNMENT = 128


def aligned(n_bytes: int) -> np.ndarray:
    """Zeroed bytes that begin at a cache line, with a vector of room behind them."""
    memory = np.zeros(n_bytes + 2 * ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + n_bytes + ALIGNMENT]


def padded_row(width: int, itemsize: int) -> int:
    """Bytes of a row of `width` numbers, padded to vectors, and by one more where rows would collide in the cache.

    Rows a multiple of 1024 bytes apart fall on a few sets of the first level.
    """
    row = -(-width * itemsize // ROW.vector_bytes) * ROW.vector_bytes
    return row + ROW.vector_bytes if row % 1024 == 0 else row
