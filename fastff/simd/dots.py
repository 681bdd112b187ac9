"""Dot products along the terms of a product: what columns are made of that do not fill a vector.

For ``i < rows``, ``j < columns``::

    c[i, j] = max(start[j] + a[i, 0] b[j, 0] + ... + a[i, depth - 1] b[j, depth - 1], floor)

Terms are lanes: each sum is as many chains as a vector has lanes, added up in one order whatever the number of rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from fastff._cpu import ROW
from fastff._jit import inline, intrinsic
from fastff.simd.along import sums_across
from fastff.simd.blocks import close_loop, open_loop
from fastff.simd.lanes import I32, I64, Vectors
from fastff.simd.memory import view

#: Rows of a block of dot products; with its columns as many sums as registers allow.
DOT_ROWS = 4 if ROW.tile_rows > 8 else 2


_VECTOR_BYTES = ROW.vector_bytes


@inline
def dot_columns(itemsize: int) -> int:
    """Columns of a block of dot products."""
    return min(4, _VECTOR_BYTES // itemsize // 2)


@np.errstate(all="ignore")
def _dot_block_twin(
    rows: int,
    columns: int,
    depth: int,
    a: int,
    a_row: int,
    b: int,
    b_row: int,
    start: int,
    c: int,
    c_row: int,
    floor: Any,
) -> None:
    for i in range(rows):
        out, row = view(c + i * c_row, floor, columns), view(a + i * a_row, floor, depth)
        for j in range(columns):
            total = np.sum(row * view(b + j * b_row, floor, depth), dtype=type(floor))
            if start:
                total = view(start, floor, columns)[j] + total
            out[j] = floor if total < floor else total


@intrinsic(_dot_block_twin)
def dot_block(
    typing_context: Any,
    rows: Any,
    columns: Any,
    depth: Any,
    a: Any,
    a_row: Any,
    b: Any,
    b_row: Any,
    start: Any,
    c: Any,
    c_row: Any,
    floor: Any,
) -> Any:
    """At most DOT_ROWS rows by `dot_columns` columns of the module's equation.

    Parameters
    ----------
    rows, columns, depth : int
        How many; operands are not read beyond them.
    a, a_row, b, b_row : int
        Addresses of the operands and bytes from row to row of each; terms are adjacent. *Read.*
    start : int
        Address of what is added, one number a column, or 0. *Read.*
    c, c_row : int
        The result and bytes from row to row; columns are adjacent. *Written.*
    floor : float
        See the equation; -inf is no floor. Its dtype is the product's.
    """

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        v = Vectors(builder, floor)
        m, n, k, a, a_row, b, b_row, start, c, c_row, lowest = values
        height, width = DOT_ROWS, dot_columns(v.size)

        def places(base: ir.Value, stride: ir.Value, count: ir.Value, most: int) -> list[ir.Value]:
            # rows beyond the last repeat the first, and are not stored
            inside = [builder.icmp_signed("<", I64(i), count) for i in range(most)]
            skipped = [builder.select(ok, builder.mul(stride, I64(i)), I64(0)) for i, ok in enumerate(inside)]
            return [builder.add(base, offset) for offset in skipped]

        a_places, b_places = places(a, a_row, m, height), places(b, b_row, n, width)

        def added(offset: ir.Value, mask: ir.Value | None, sums: list[ir.Value]) -> list[ir.Value]:
            across = [v.load(builder.add(place, offset), mask) for place in b_places]
            after = []
            for i, place in enumerate(a_places):
                x = v.load(builder.add(place, offset), mask)
                after += [v.fma(x, y, sums[i * width + j]) for j, y in enumerate(across)]
            return after

        whole = builder.sdiv(k, I64(v.width))
        index, entry, body, leave = open_loop(builder, whole, "vector")
        sums = [builder.phi(v.type) for _ in range(height * width)]
        after = added(builder.mul(index, I64(v.width * v.size)), None, list(sums))
        close_loop(builder, index, builder.add(index, I64(1)), whole, body, leave)
        totals = [builder.phi(v.type) for _ in sums]
        for phi, total, following in zip(sums, totals, after, strict=True):
            for each, block in ((phi, entry), (total, entry)):
                each.add_incoming(v.constant(0.0), block)
            phi.add_incoming(following, body)
            total.add_incoming(following, body)
        done = builder.mul(whole, I64(v.width))
        totals = added(builder.mul(done, I64(v.size)), v.first(builder.sub(k, done)), list(totals))

        # one vector holds the sums of some rows, which go to the first lanes each
        together = min(v.width, height * width)
        across = [sums_across(v, totals[i : i + together]) for i in range(0, len(totals), together)]
        nothing = builder.icmp_signed("==", start, I64(0))
        begin = v.load(start, v.first(builder.select(nothing, I64(0), n)))
        least = v.splat(lowest)
        for i in range(height):
            group, lane = divmod(i * width, together)
            order = ir.Constant(ir.VectorType(I32, v.width), [(lane + j) % v.width for j in range(v.width)])
            total = builder.fadd(begin, builder.shuffle_vector(across[group], across[group], order))
            mask = v.first(builder.select(builder.icmp_signed("<", I64(i), m), n, I64(0)))
            # this order of comparison keeps a NaN and is one instruction
            result = builder.select(builder.fcmp_ordered(">", least, total), least, total)
            v.store(result, builder.add(c, builder.mul(c_row, I64(i))), mask)
        return context.get_dummy_value()

    i = types.int64
    return types.void(*[i] * 10, floor), codegen
