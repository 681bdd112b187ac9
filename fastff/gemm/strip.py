"""The product with a strip: columns of a weight beyond its last whole vector, kept as rows.

Four columns in a vector of sixteen lanes would take as long as sixteen.
"""

from __future__ import annotations

from typing import Any

from fastff._cpu import lanes
from fastff._jit import unit
from fastff.simd.dots import DOT_ROWS, dot_block, dot_columns
from fastff.simd.memory import number, size_of

#: Numbers of a row of a weight from which a strip is worth the sums across its lanes.
LEAST_TERMS = 16


def strip_columns(inputs: int, width: int, itemsize: int) -> int:
    """How many of a weight's columns are to be its strip: those beyond whole vectors, if they fill at most a half."""
    rest = width % lanes(itemsize)
    # rows of one vector would be taken for a panel (`fastff.training.weights.gradient_rows`)
    least = max(LEAST_TERMS, lanes(itemsize) + 1)
    return rest if 2 * rest <= lanes(itemsize) and inputs >= least else 0


@unit("iiiiiiiiiid", rare=True)
def strip_product(
    like: Any,
    m: int,
    n: int,
    k: int,
    a: int,
    a_row: int,
    b: int,
    b_row: int,
    start: int,
    c: int,
    c_row: int,
    floor: float,
) -> int:
    """``c = max(start + a @ b.T, floor)`` for m rows of `a` and n rows of `b`, both of k adjacent numbers.

    `start` is the address of n numbers, or 0. *c* is written, and must not overlap the operands. The bits of a row do
    not depend on the others.
    """
    size = size_of(like)
    columns = dot_columns(size)
    for i in range(0, m, DOT_ROWS):
        for j in range(0, n, columns):
            from_start = start + j * size if start != 0 else 0
            dot_block(
                min(DOT_ROWS, m - i),
                min(columns, n - j),
                k,
                a + i * a_row,
                a_row,
                b + j * b_row,
                b_row,
                from_start,
                c + i * c_row + j * size,
                c_row,
                number(floor, like),
            )
    return 0
