"""One row of inputs through listed rows of a weight (`fastff.simd.listed`), and their update on the same way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from fastff._jit import intrinsic
from fastff.simd.blocks import close_loop, open_loop
from fastff.simd.lanes import I64, Vectors
from fastff.simd.listed import listed, row_number
from fastff.simd.memory import get, view
from fastff.simd.reduce import fold
from fastff.simd.sweep import sweep
from fastff.simd.tile import ROW_VECTORS


def by_groups(v: Vectors, columns: ir.Value, emit: Callable[[int, ir.Value, ir.Value], None]) -> None:
    """Emit ``emit(vectors, columns left, bytes before)`` for each group of at most ROW_VECTORS vectors of columns."""
    builder = v.builder
    group = ROW_VECTORS * v.width
    groups = builder.sdiv(builder.add(columns, I64(group - 1)), I64(group))
    g, _, body, leave = open_loop(builder, groups, "group")
    left = builder.sub(columns, builder.mul(g, I64(group)))
    vectors = builder.sdiv(builder.add(left, I64(v.width - 1)), I64(v.width))
    skipped = builder.mul(g, I64(group * v.size))
    joined = builder.append_basic_block("joined")
    switch = builder.switch(vectors, joined)
    for count in range(1, ROW_VECTORS + 1):
        block = builder.append_basic_block(f"group.{count}")
        switch.add_case(I64(count), block)
        builder.position_at_end(block)
        emit(count, left, skipped)
        builder.branch(joined)
        if count == ROW_VECTORS:
            # more vectors than a group has are a group of full ones
            switch.default = block
    builder.position_at_end(joined)
    close_loop(builder, g, builder.add(g, I64(1)), groups, body, leave)


@np.errstate(all="ignore")
def _listed_product_twin(
    count: int, rows: int, columns: int, x: int, w: int, w_row: int, start: int, out: int, floor: Any
) -> None:
    total = view(start, floor, columns).copy()
    for i in listed(rows, count):
        total += get(x + i * total.itemsize, floor) * view(w + i * w_row, floor, columns)
    view(out, floor, columns)[:] = np.where(total < floor, floor, total)


@intrinsic(_listed_product_twin)
def listed_product(
    typing_context: Any,
    count: Any,
    rows: Any,
    columns: Any,
    x: Any,
    w: Any,
    w_row: Any,
    start: Any,
    out: Any,
    floor: Any,
) -> Any:
    """``out[j] = max(start[j] + sum over listed i of x[i] w[i, j], floor)``, terms added in the order of the list."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        v = Vectors(builder, floor)
        count, rows, columns, x, w, w_row, start, out, floor_ = values
        step = v.width * v.size

        def emit(vectors: int, left: ir.Value, skipped: ir.Value) -> None:
            places = [builder.add(skipped, I64(j * step)) for j in range(vectors)]
            masks = [None] * (vectors - 1) + [v.first(builder.sub(left, I64((vectors - 1) * v.width)))]
            first = [v.load(builder.add(start, place), mask) for place, mask in zip(places, masks, strict=True)]
            at, entry, body, leave = open_loop(builder, count, "row")
            sums = [builder.phi(v.type) for _ in places]
            i = row_number(builder, rows, at)
            number = v.splat(v.number(builder.add(x, builder.mul(i, I64(v.size)))))
            source = builder.add(w, builder.mul(i, w_row))
            after = [
                v.fma(number, v.load(builder.add(source, place), mask), total)
                for place, mask, total in zip(places, masks, sums, strict=True)
            ]
            _carry(sums, first, entry, after, builder.block)
            close_loop(builder, at, builder.add(at, I64(1)), count, body, leave)
            _write(v, _merged(v, first, entry, after, body), out, places, masks, floor_)

        by_groups(v, columns, emit)
        return context.get_dummy_value()

    i = types.int64
    return types.void(*[i] * 8, floor), codegen


def _carry(
    phis: list[ir.PhiInstr], first: list[ir.Value], entry: ir.Block, after: list[ir.Value], body: ir.Block
) -> None:
    for phi, begin, then in zip(phis, first, after, strict=True):
        phi.add_incoming(begin, entry)
        phi.add_incoming(then, body)


def _merged(
    v: Vectors, first: list[ir.Value], entry: ir.Block, after: list[ir.Value], body: ir.Block
) -> list[ir.Value]:
    """What a loop ends with, or began with where it was not entered."""
    phis = [v.builder.phi(value.type) for value in after]
    _carry(phis, first, entry, after, body)
    return list(phis)


def _write(
    v: Vectors, totals: list[ir.Value], out: ir.Value, places: list[ir.Value], masks: list[Any], floor: ir.Value
) -> None:
    lowest = v.splat(floor)
    for total, place, mask in zip(totals, places, masks, strict=True):
        # this order of comparison keeps a NaN and is one instruction
        kept = v.builder.select(v.builder.fcmp_ordered(">", lowest, total), lowest, total)
        v.store(kept, v.builder.add(out, place), mask)


@np.errstate(all="ignore")
def _step_on_twin(
    count: int,
    rows: int,
    columns: int,
    x: int,
    delta: int,
    alpha: Any,
    w: int,
    w_row: int,
    coming: int,
    start: int,
    out: int,
    floor: Any,
) -> None:
    total = view(start, floor, columns).copy()
    for i in listed(rows, count):
        row = view(w + i * w_row, floor, columns)
        row += alpha * get(x + i * total.itemsize, floor) * view(delta, floor, columns)
        total += get(coming + i * total.itemsize, floor) * row
    view(out, floor, columns)[:] = np.where(total < floor, floor, total)


@intrinsic(_step_on_twin)
def step_on(
    typing_context: Any,
    count: Any,
    rows: Any,
    columns: Any,
    x: Any,
    delta: Any,
    alpha: Any,
    w: Any,
    w_row: Any,
    coming: Any,
    start: Any,
    out: Any,
    floor: Any,
) -> Any:
    """Update listed rows of a weight, and take the next row of inputs through it on the same way.

    ``w[i, j] += alpha x[i] delta[j]``, then ``out[j] = max(start[j] + sum over listed i of coming[i] w[i, j], floor)``.
    """

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        v = Vectors(builder, floor)
        count, rows, columns, x, delta, alpha_, w, w_row, coming, start, out, floor_ = values
        step = v.width * v.size

        def emit(vectors: int, left: ir.Value, skipped: ir.Value) -> None:
            places = [builder.add(skipped, I64(j * step)) for j in range(vectors)]
            masks = [None] * (vectors - 1) + [v.first(builder.sub(left, I64((vectors - 1) * v.width)))]
            factors = [v.load(builder.add(delta, place), mask) for place, mask in zip(places, masks, strict=True)]
            first = [v.load(builder.add(start, place), mask) for place, mask in zip(places, masks, strict=True)]
            at, entry, body, leave = open_loop(builder, count, "row")
            sums = [builder.phi(v.type) for _ in places]
            i = row_number(builder, rows, at)
            offset = builder.mul(i, I64(v.size))
            rate = v.splat(builder.fmul(v.number(builder.add(x, offset)), alpha_))
            number = v.splat(v.number(builder.add(coming, offset)))
            row = builder.add(w, builder.mul(i, w_row))
            after = []
            for place, mask, factor, total in zip(places, masks, factors, sums, strict=True):
                target = builder.add(row, place)
                updated = v.fma(rate, factor, v.load(target, mask))
                v.store(updated, target, mask)
                after.append(v.fma(number, updated, total))
            _carry(sums, first, entry, after, builder.block)
            close_loop(builder, at, builder.add(at, I64(1)), count, body, leave)
            _write(v, _merged(v, first, entry, after, body), out, places, masks, floor_)

        by_groups(v, columns, emit)
        return context.get_dummy_value()

    i = types.int64
    return types.void(i, i, i, i, i, floor, i, i, i, i, i, floor), codegen


@np.errstate(all="ignore")
def _step_bias_twin(n: int, delta: int, bias: int, alpha: Any) -> Any:
    b = view(bias, alpha, n)
    b += alpha * view(delta, alpha, n)
    return (b * 0).sum(dtype=b.dtype)


@intrinsic(_step_bias_twin)
def step_bias(typing_context: Any, n: Any, delta: Any, bias: Any, alpha: Any) -> Any:
    """``bias[j] += alpha delta[j]``; gives 0, or NaN where one is not finite then."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        v = Vectors(builder, alpha)
        n, delta, bias, alpha_ = values
        rate = v.splat(alpha_)

        def body(o: Any, x: list, carry: list, mask: ir.Value, index: ir.Value) -> tuple[list, list]:
            updated = v.fma(rate, x[0].value, x[1].value)
            return [o.wrap(updated)], [v.fma(updated, v.constant(0.0), carry[0])]

        (bad,) = sweep(v, n, [delta, bias], [bias], body, [v.constant(0.0)])
        return fold(builder, bad, builder.fadd)

    i = types.int64
    return alpha(i, i, i, alpha), codegen
