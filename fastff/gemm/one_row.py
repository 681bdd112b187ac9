"""The products of a batch of one row, or a few."""

from __future__ import annotations

from typing import Any

from fastff._jit import unit
from fastff.gemm.product import VECTOR_BYTES
from fastff.simd.along import add_outer, dot_rows
from fastff.simd.memory import number, size_of


@unit("iiiiiiiii", rare=True)
def rows_transposed(
    like: Any, rows: int, n: int, k: int, a: int, a_row: int, weight: int, weight_row: int, out: int, out_row: int
) -> int:
    """``out = a @ weight.T`` for a few rows of k numbers and a row-major weight of n rows. *out* is written."""
    size = size_of(like)
    lanes = VECTOR_BYTES // size
    for row in range(rows):
        for i in range(0, n, lanes):
            dot_rows(
                like,
                min(lanes, n - i),
                k,
                weight + i * weight_row,
                weight_row,
                a + row * a_row,
                out + row * out_row + i * size,
            )
    return 0


@unit("iiiiiiid")
def outer_step(
    like: Any, m: int, n: int, x: int, x_step: int, delta: int, weight: int, weight_row: int, alpha: float
) -> int:
    """``weight += alpha x delta`` for one row x of m inputs and one row delta of n outputs. *weight* is updated."""
    add_outer(m, n, x, x_step, delta, weight, weight_row, number(alpha, like))
    return 0
