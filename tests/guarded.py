"""Memory that tells when it was used wrongly: arrays before a page that may not be read, guards around results."""

import ctypes
import mmap
import sys

import numpy as np

GUARD = -77.0
_PAGE = mmap.PAGESIZE


def at_page_end(array):
    """Copy an array so that its last byte is the last of a page, and the page after it may not be touched.

    A load that reads beyond the array ends the process. Where pages cannot be protected it is a plain copy.
    """
    array = np.ascontiguousarray(array)
    if not sys.platform.startswith("linux") or array.nbytes == 0:
        return array.copy()
    pages = -(-array.nbytes // _PAGE)
    memory = mmap.mmap(-1, (pages + 1) * _PAGE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    if libc.mprotect(start + pages * _PAGE, _PAGE, 0) != 0:
        return array.copy()
    begin = pages * _PAGE - array.nbytes
    copy = np.frombuffer(memory, array.dtype, array.size, begin).reshape(array.shape)
    copy[...] = array
    return copy


class Guarded:
    """A result of m rows and n columns in the middle of guard values, `gap` of them between rows."""

    def __init__(self, m, n, dtype, gap=0, fill=None):
        self.memory = np.full((m + 2, n + gap + 2), GUARD, dtype)
        self.result = self.memory[1 : m + 1, 1 : n + 1]
        if fill is not None:
            self.result[...] = fill

    def check(self):
        """Guards are as they were."""
        around = self.memory.copy()
        m, n = self.result.shape
        around[1 : m + 1, 1 : n + 1] = GUARD
        np.testing.assert_array_equal(around, GUARD)
