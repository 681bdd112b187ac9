"""The rows of a shuffled batch, from where they lie in the data."""

from __future__ import annotations

from typing import Any

from fastff._jit import unit
from fastff.simd.memory import copy_bytes, get_int, prefetch

#: Rows that are asked for before they are copied: they lie anywhere, so nothing else would.
_AHEAD = 2
#: Bytes of a line of the cache.
_LINE = 64


@unit("iiiiiii")
def gather(
    like: Any, order: int, rows: int, n_bytes: int, source: int, source_row: int, target: int, target_row: int
) -> int:
    """``target[i] = source[order[i]]``: `rows` rows of `n_bytes`, by the int64 at `order`."""
    for i in range(rows):
        if i + _AHEAD < rows:
            coming = source + get_int(order + 8 * (i + _AHEAD)) * source_row
            for j in range(0, n_bytes, _LINE):
                prefetch(coming + j)
        copy_bytes(target + i * target_row, source + get_int(order + 8 * i) * source_row, n_bytes)
    return 0
