"""The rows of a shuffled batch, from where they lie in the data."""

from __future__ import annotations

from typing import Any

from fastff._jit import unit
from fastff.simd.blocks import copy_asking
from fastff.simd.memory import get_int, prefetch

#: Rows that are asked for while others are copied, line by line: they lie anywhere, so nothing else would.
_AHEAD = 2
#: Rows further on of whose pages a line each is asked for: where they lie takes as long to find as a line to come.
_FAR, _PAGE = 6, 4096


@unit("iiiiiii")
def gather(
    like: Any, order: int, rows: int, n_bytes: int, source: int, source_row: int, target: int, target_row: int
) -> int:
    """``target[i] = source[order[i]]``: `rows` rows of `n_bytes`, by the int64 at `order`."""
    last = rows - 1
    for i in range(rows):
        far = source + get_int(order + 8 * min(i + _FAR, last)) * source_row
        prefetch(far)
        for page in range((far | (_PAGE - 1)) + 1, far + n_bytes, _PAGE):
            prefetch(page)
        coming = source + get_int(order + 8 * min(i + _AHEAD, last)) * source_row
        copy_asking(like, n_bytes, source + get_int(order + 8 * i) * source_row, target + i * target_row, coming)
    return 0
