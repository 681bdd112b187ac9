"""The rows of a shuffled batch, from where they lie in the data."""

from __future__ import annotations

from typing import Any

from fastff._jit import unit
from fastff.simd.memory import copy_bytes, get_int


@unit("iiiiiii")
def gather(
    like: Any, order: int, rows: int, n_bytes: int, source: int, source_row: int, target: int, target_row: int
) -> int:
    """``target[i] = source[order[i]]``: `rows` rows of `n_bytes`, by the int64 at `order`."""
    for i in range(rows):
        copy_bytes(target + i * target_row, source + get_int(order + 8 * i) * source_row, n_bytes)
    return 0
