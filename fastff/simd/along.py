"""Vector loops along the rows of a weight: what a batch of one row, or a few, is made of.

Each number of a weight is used once then, and tiles would wait for their own sums.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from fastff._jit import intrinsic
from fastff.simd.blocks import close_loop, open_loop
from fastff.simd.lanes import I32, I64, Vectors
from fastff.simd.memory import view
from fastff.simd.tile import ROW_VECTORS


@np.errstate(all="ignore")
def _dot_rows_twin(like: Any, rows: int, columns: int, weight: int, weight_row: int, row: int, out: int) -> None:
    vector = view(row, like, columns)
    target = view(out, like, rows)
    for i in range(rows):
        target[i] = np.sum(view(weight + i * weight_row, like, columns) * vector, dtype=type(like))


def sums_across(v: Vectors, vectors: list[ir.Value]) -> ir.Value:
    """The sums of the lanes of 1, 2, 4 ... vectors in the first lanes of one: of neighbours, then of larger blocks."""
    builder, count, distance = v.builder, len(vectors), 1
    while distance < v.width:
        if distance < count:
            low = [i if not i & distance else v.width + i - distance for i in range(v.width)]
            high = [i + distance if not i & distance else v.width + i for i in range(v.width)]
            masks = [ir.Constant(ir.VectorType(I32, v.width), indices) for indices in (low, high)]
            pairs = zip(vectors[::2], vectors[1::2], strict=True)
            vectors = [builder.fadd(*(builder.shuffle_vector(a, b, mask) for mask in masks)) for a, b in pairs]
        else:
            # fewer vectors than lanes: blocks of the one that is left
            other = ir.Constant(ir.VectorType(I32, v.width), [i ^ distance for i in range(v.width)])
            vectors = [builder.fadd(vectors[0], builder.shuffle_vector(vectors[0], vectors[0], other))]
        distance *= 2
    return vectors[0]


@intrinsic(_dot_rows_twin)
def dot_rows(
    typing_context: Any, like: Any, rows: Any, columns: Any, weight: Any, weight_row: Any, row: Any, out: Any
) -> Any:
    """``out[i] = sum over j of weight[i, j] row[j]`` for at most a vector of rows, each sum in a chain a lane."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        v = Vectors(builder, like)
        _, m, n, w, w_row, x, c = values
        step = v.width * v.size
        # rows beyond the last repeat the first, and are not stored
        places = [
            builder.add(w, builder.select(builder.icmp_signed("<", I64(i), m), builder.mul(w_row, I64(i)), I64(0)))
            for i in range(v.width)
        ]
        whole = builder.sdiv(n, I64(v.width))
        zero = v.constant(0.0)
        index, entry, body, leave = open_loop(builder, whole, "vector")
        sums = [builder.phi(v.type) for _ in places]
        offset = builder.mul(index, I64(step))
        factor = v.load(builder.add(x, offset))
        after = [
            v.fma(v.load(builder.add(place, offset)), factor, total) for place, total in zip(places, sums, strict=True)
        ]
        for total, following in zip(sums, after, strict=True):
            total.add_incoming(zero, entry)
            total.add_incoming(following, body)
        close_loop(builder, index, builder.add(index, I64(1)), whole, body, leave)
        totals = []
        for following in after:
            total = builder.phi(v.type)
            total.add_incoming(zero, entry)
            total.add_incoming(following, body)
            totals.append(total)
        mask = v.first(builder.sub(n, builder.mul(whole, I64(v.width))))
        offset = builder.mul(whole, I64(step))
        factor = v.load(builder.add(x, offset), mask)
        totals = [
            v.fma(v.load(builder.add(place, offset), mask), factor, total)
            for place, total in zip(places, totals, strict=True)
        ]
        v.store(sums_across(v, totals), c, v.first(m))
        return context.get_dummy_value()

    i = types.int64
    return types.void(like, i, i, i, i, i, i), codegen


def _outer_rows(
    v: Vectors,
    count: int,
    rows: ir.Value,
    columns: ir.Value,
    row: ir.Value,
    column: tuple[ir.Value, ir.Value],
    weight: tuple[ir.Value, ir.Value],
    alpha: ir.Value,
) -> None:
    """Emit ``weight += alpha column row`` for `count` vectors of columns, the last of them masked."""
    builder, step = v.builder, v.width * v.size
    masks = [None] * (count - 1) + [v.first(builder.sub(columns, I64((count - 1) * v.width)))]
    factors = [v.load(builder.add(row, I64(j * step)), mask) for j, mask in enumerate(masks)]
    i, _, body, leave = open_loop(builder, rows, "row")
    loaded = v.number(builder.add(column[0], builder.mul(i, column[1])))
    number_ = v.splat(builder.fmul(loaded, alpha))
    target = builder.add(weight[0], builder.mul(i, weight[1]))
    for j, (factor, mask) in enumerate(zip(factors, masks, strict=True)):
        place = builder.add(target, I64(j * step))
        v.store(v.fma(number_, factor, v.load(place, mask)), place, mask)
    close_loop(builder, i, builder.add(i, I64(1)), rows, body, leave)


@np.errstate(all="ignore")
def _add_outer_twin(
    rows: int, columns: int, column: int, column_step: int, row: int, weight: int, weight_row: int, alpha: Any
) -> None:
    vector = view(row, alpha, columns)
    for i in range(rows):
        view(weight + i * weight_row, alpha, columns)[...] += (
            alpha * view(column + i * column_step, alpha, 1)[0] * vector
        )


@intrinsic(_add_outer_twin)
def add_outer(
    typing_context: Any,
    rows: Any,
    columns: Any,
    column: Any,
    column_step: Any,
    row: Any,
    weight: Any,
    weight_row: Any,
    alpha: Any,
) -> Any:
    """``weight[i, j] += alpha column[i] row[j]``."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        v = Vectors(builder, alpha)
        m, n, a, a_step, x, w, w_row, scale = values
        # columns in groups that stay in registers while all rows pass by
        group = ROW_VECTORS * v.width
        groups = builder.sdiv(builder.add(n, I64(group - 1)), I64(group))
        g, _, groups_body, groups_leave = open_loop(builder, groups, "group")
        left = builder.sub(n, builder.mul(g, I64(group)))
        vectors = builder.sdiv(builder.add(left, I64(v.width - 1)), I64(v.width))
        skipped = builder.mul(g, I64(group * v.size))
        joined = builder.append_basic_block("joined")
        switch = builder.switch(vectors, joined)
        for count in range(1, ROW_VECTORS + 1):
            block = builder.append_basic_block(f"outer.{count}")
            switch.add_case(I64(count), block)
            builder.position_at_end(block)
            _outer_rows(
                v, count, m, left, builder.add(x, skipped), (a, a_step), (builder.add(w, skipped), w_row), scale
            )
            builder.branch(joined)
            if count == ROW_VECTORS:
                # more vectors than a group has are a group of full ones
                switch.default = block
        builder.position_at_end(joined)
        close_loop(builder, g, builder.add(g, I64(1)), groups, groups_body, groups_leave)
        return context.get_dummy_value()

    i = types.int64
    return types.void(i, i, i, i, i, i, i, alpha), codegen
