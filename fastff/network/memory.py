"""Buffers of compiled code: aligned to cache lines, rows padded."""

from __future__ import annotations

import ctypes
import sys

import numpy as np

from fastff._cpu import ROW

ALIGNMENT = 128


def aligned(n_bytes: int) -> np.ndarray:
    """Bytes that begin at a cache line, their values not set, with a vector of room behind them.

    What stands beside the numbers in padded rows is computed with as they are, and never read.
    """
    memory = np.empty(n_bytes + 2 * ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + n_bytes + ALIGNMENT]


def padded_row(width: int, itemsize: int) -> int:
    """Bytes of a row of `width` numbers, padded to vectors, and by one more where rows would collide in the cache.

    Rows a multiple of 1024 bytes apart fall on a few sets of the first level.
    """
    row = -(-width * itemsize // ROW.vector_bytes) * ROW.vector_bytes
    return row + ROW.vector_bytes if row % 1024 == 0 else row


def _peek(array: np.ndarray) -> int:
    return _POINTER(id(array) + _HEADER).value or 0


def _ask(array: np.ndarray) -> int:
    return int(array.ctypes.data)


# CPython's object header is two words, and the pointer to the data is the first thing that NumPy puts behind it.
# Looking there takes 60 ns, asking `array.ctypes` 500: a row of a small network takes 1,000 in all. Where objects look
# otherwise, it is asked.
_POINTER = ctypes.c_void_p.from_address
_HEADER = 16


def _peeking_works() -> bool:
    if sys.implementation.name != "cpython" or object.__basicsize__ != _HEADER:
        return False
    some = np.zeros((3, 4))
    return all(_peek(array) == _ask(array) for array in (some, some[1:, ::2], some.T, np.zeros(0, np.int64)))


#: The address of an array's first number.
address_of = _peek if _peeking_works() else _ask
