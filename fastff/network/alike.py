"""Arrays like the one before: what the calls of a loop are spared.

To examine an array takes NumPy some microseconds, as long as a small network takes for a row. Where a call gets an
array like that of the call before, compiled code finds that out from the array object itself, and looks at its numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastff._jit import inline, unit
from fastff.network.memory import ArrayObject
from fastff.simd.memory import get, get_double, get_int, number, size_of

# What compiled code is told of an array, int64 and float64, by column.
OBJECT = 0  # address of the array object, `id(array)`
KIND = 1  # address of the type of arrays
DTYPE = 2  # address of their dtype
DIMENSIONS = 3  # how many, and their product
SIZE = 4
LENGTH = 5  # of the first one
CLASSES = 6  # 0 for numbers; or they are class labels, int64, of so many classes
LOW = 7
HIGH = 8
RESULT = 9  # address of another array object, for whoever has use for it
FIELDS = 10

# Offsets in an array object.
_KIND = ArrayObject.kind.offset
_DATA = ArrayObject.data.offset
_DIMENSIONS = ArrayObject.dimensions.offset
_SHAPE = ArrayObject.shape.offset
_DTYPE = ArrayObject.dtype.offset
_FLAGS = ArrayObject.flags.offset
# C-contiguous, aligned and writeable, which is most arrays; others are looked at by Python.
_CARRAY = 0x0001 | 0x0100 | 0x0400

#: Numbers up to which an array is looked at by one thread without a thought.
SMALL = 8192


@unit("i", rare=True)
def place_of(like: Any, record: int) -> int:
    """Address of an array's numbers, or 0 where it is of another kind or one of them is out of its range.

    Numbers range from LOW to HIGH, which a NaN does not, and labels from 0 to CLASSES.
    """
    array = get_int(record + 8 * OBJECT)
    if get_int(array + _KIND) != get_int(record + 8 * KIND) or get_int(array + _DTYPE) != get_int(record + 8 * DTYPE):
        return 0
    dimensions = get_int(record + 8 * DIMENSIONS)
    if get_int(array + _DIMENSIONS) & 0xFFFFFFFF != dimensions or get_int(array + _FLAGS) & _CARRAY != _CARRAY:
        return 0
    shape, length, count = get_int(array + _SHAPE), get_int(record + 8 * LENGTH), get_int(record + 8 * SIZE)
    if get_int(shape) != length or (dimensions == 2 and get_int(shape + 8) * length != count):
        return 0
    place, classes = get_int(array + _DATA), get_int(record + 8 * CLASSES)
    size = 8 if classes > 0 else size_of(like)
    low, high = number(get_double(record + 8 * LOW), like), number(get_double(record + 8 * HIGH), like)
    outside = 0
    for i in range(count):
        if classes > 0:
            label = get_int(place + i * size)
            inside = label >= 0 and label < classes
        else:
            value = get(place + i * size, like)
            inside = value >= low and value <= high
        outside += 0 if inside else 1
    return place if outside == 0 else 0


@inline
def result_of(record: int) -> int:
    """Address of the numbers of the other array."""
    return get_int(get_int(record + 8 * RESULT) + _DATA)


class Alike:
    """What arrays of one kind are like, as compiled code knows it.

    Parameters
    ----------
    array : ndarray
        One of them: of one or two dimensions, C-contiguous, of a network's dtype, or int64 for class labels.
    dtype : dtype
        The network's.
    low, high : float
        The range of its numbers; of the finite ones, where infinite.
    classes : int
        How many classes labels are of; 0 for numbers.

    Attributes
    ----------
    fields : memoryview
        ``fields[OBJECT] = id(array)`` says which array is to be looked at.
    record : int
        Address of the same.
    """

    def __init__(
        self, array: np.ndarray, dtype: np.dtype, low: float = -np.inf, high: float = np.inf, classes: int = 0
    ) -> None:
        place_of[dtype]  # in Python, where Ctrl-C is heard
        self._dtype = array.dtype  # kept, as its address is what is compared
        memory = np.zeros(FIELDS, np.int64)
        memory[KIND], memory[DTYPE] = id(np.ndarray), id(array.dtype)
        memory[DIMENSIONS], memory[SIZE], memory[LENGTH] = array.ndim, array.size, len(array)
        memory[CLASSES] = classes
        limits = np.finfo(dtype)
        memory[LOW : HIGH + 1].view(np.float64)[:] = max(low, limits.min), min(high, limits.max)
        self.fields: Any = memory.data
        self.record = int(memory.ctypes.data)
