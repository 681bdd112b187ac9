"""Bands of rows: several vectors of rows, unit after unit, and the register tiles of products between them.

A *band* of a layer holds, for one unit after the other, the unit's number in each row of a few vectors of rows. It is a
stack (`fastff.simd.across`) of more than one vector a unit. A product loads each weight once for several vectors of
rows, and keeps some units by some vectors in registers; the gradient of weights keeps some inputs by some outputs in
registers while the rows pass by, and adds up lane by lane. So layers of any few units use whole vectors.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from fastff._cpu import ROW, lanes
from fastff._jit import intrinsic
from fastff.simd.along import sums_across
from fastff.simd.blocks import close_loop, keep_rolled, open_loop
from fastff.simd.lanes import I64, Vectors
from fastff.simd.memory import view
from fastff.simd.tile import row_places

#: Units and vectors of rows of a product's tile, inputs and outputs of a gradient's: sums, operands and one weight fill
#: the registers.
TILE_UNITS, TILE_VECTORS, PAIR_INPUTS, PAIR_OUTPUTS = (6, 4, 5, 5) if ROW.name in ("avx512", "neon") else (6, 2, 3, 4)


@np.errstate(all="ignore")
def _unit_tile_twin(
    like: Any,
    count: int,
    terms: int,
    step: int,
    x: int,
    w: int,
    w_column: int,
    w_term: int,
    bias: int,
    out: int,
) -> None:
    rows = TILE_VECTORS * lanes(np.dtype(type(like)).itemsize)
    for j in range(count):
        total = np.full(rows, view(bias + j * like.itemsize, like, 1)[0] if bias else 0, type(like))
        for k in range(terms):
            total += view(x + k * step, like, rows) * view(w + j * w_column + k * w_term, like, 1)[0]
        view(out + j * step, like, rows)[...] = total


@intrinsic(_unit_tile_twin)
def unit_tile(typing_context: Any, like: Any, count: Any, terms: Any, step: Any, x: Any, w: Any, w_column: Any,
              w_term: Any, bias: Any, out: Any) -> Any:  # fmt: skip
    """``out[j] = bias[j] + sum over k of x[k] w[j, k]`` for at most TILE_UNITS units j of TILE_VECTORS vectors.

    Terms, of which there are some, are added in their order. Units of x and out are `step` bytes apart; strides of w
    are free. Where the address `bias` is 0, sums start from 0.
    """

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        v = Vectors(builder, like)
        _, count, terms, step, x, w, w_column, w_term, bias, out = values
        size = v.width * v.size
        with builder.goto_entry_block():
            zero = builder.alloca(v.scalar)
        builder.store(v.scalar(0.0), zero)
        without = builder.icmp_signed("==", bias, I64(0))
        start = builder.select(without, builder.ptrtoint(zero, I64), bias)
        apart = builder.select(without, I64(0), I64(v.size))
        leave = builder.append_basic_block("leave")
        switch = builder.switch(count, leave)
        for units in range(1, TILE_UNITS + 1):
            block = builder.append_basic_block(f"units.{units}")
            switch.add_case(I64(units), block)
            builder.position_at_end(block)
            firsts = [v.splat(v.number(builder.add(start, builder.mul(apart, I64(j))))) for j in range(units)]
            place = row_places(builder, w_column, units)
            entry, body, done = builder.block, *(builder.append_basic_block(name) for name in ("terms", "done"))
            builder.branch(body)
            builder.position_at_end(body)
            left, x_, w_ = (builder.phi(I64) for _ in range(3))
            sums = [[builder.phi(v.type) for _ in range(TILE_VECTORS)] for _ in range(units)]
            numbers = [v.load(builder.add(x_, I64(r * size))) for r in range(TILE_VECTORS)]
            after = []
            for j, row in enumerate(sums):
                weight = v.splat(v.number(place(w_, j)))
                after.append([v.fma(number, weight, total) for number, total in zip(numbers, row)])
            following = builder.sub(left, I64(1))
            for phi, first, then in (
                (left, terms, following),
                (x_, x, builder.add(x_, step)),
                (w_, w, builder.add(w_, w_term)),
                *((t, start_, a) for row, ends, start_ in zip(sums, after, firsts) for t, a in zip(row, ends)),
            ):
                phi.add_incoming(first, entry)
                phi.add_incoming(then, body)
            keep_rolled(builder, builder.cbranch(builder.icmp_signed("!=", following, I64(0)), body, done))
            builder.position_at_end(done)
            for j, row in enumerate(after):
                to = builder.add(out, builder.mul(step, I64(j)))
                for r, total in enumerate(row):
                    v.store(total, builder.add(to, I64(r * size)))
            builder.branch(leave)
        builder.position_at_end(leave)
        return context.get_dummy_value()

    return types.void(like, *[types.int64] * 9), codegen


@np.errstate(all="ignore")
def _pair_tile_twin(
    like: Any, inputs: int, outputs: int, vectors: int, step: int, x: int, d: int, sums: int, sums_row: int
) -> None:
    width = lanes(like.itemsize)
    n_bytes = width * like.itemsize
    for i in range(inputs):
        for j in range(outputs):
            total = view(sums + i * sums_row + j * n_bytes, like, width)
            for r in range(vectors):
                total += view(x + i * step + r * n_bytes, like, width) * view(d + j * step + r * n_bytes, like, width)


@intrinsic(_pair_tile_twin)
def pair_tile(typing_context: Any, like: Any, inputs: Any, outputs: Any, vectors: Any, step: Any, x: Any, d: Any,
              sums: Any, sums_row: Any) -> Any:  # fmt: skip
    """``sums[i, j] += sum over vectors r of x[i, r] d[j, r]``, lane by lane, for at most PAIR_INPUTS by PAIR_OUTPUTS.

    Units of x and d are `step` bytes apart; sums of one input are adjacent vectors, `sums_row` bytes from the next.
    """

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        v = Vectors(builder, like)
        _, inputs, outputs, vectors, step, x, d, sums, sums_row = values
        size = v.width * v.size
        leave = builder.append_basic_block("leave")
        switch = builder.switch(builder.add(builder.mul(inputs, I64(PAIR_OUTPUTS + 1)), outputs), leave)
        for m in range(1, PAIR_INPUTS + 1):
            for n in range(1, PAIR_OUTPUTS + 1):
                block = builder.append_basic_block(f"pairs.{m}x{n}")
                switch.add_case(I64(m * (PAIR_OUTPUTS + 1) + n), block)
                builder.position_at_end(block)
                place = row_places(builder, step, max(m, n))
                rows = [builder.add(sums, builder.mul(sums_row, I64(i))) for i in range(m)]
                starts = [[v.load(builder.add(row, I64(j * size))) for j in range(n)] for row in rows]
                entry, body, done = builder.block, *(builder.append_basic_block(name) for name in ("rows", "done"))
                builder.branch(body)
                builder.position_at_end(body)
                left, x_, d_ = (builder.phi(I64) for _ in range(3))
                totals = [[builder.phi(v.type) for _ in range(n)] for _ in range(m)]
                deltas = [v.load(place(d_, j)) for j in range(n)]
                after = []
                for i, row in enumerate(totals):
                    number = v.load(place(x_, i))
                    after.append([v.fma(number, delta, total) for delta, total in zip(deltas, row)])
                following = builder.sub(left, I64(1))
                for phi, first, then in (
                    (left, vectors, following),
                    (x_, x, builder.add(x_, I64(size))),
                    (d_, d, builder.add(d_, I64(size))),
                    *(
                        (t, start, a)
                        for row, ends, begins in zip(totals, after, starts)
                        for t, a, start in zip(row, ends, begins)
                    ),
                ):
                    phi.add_incoming(first, entry)
                    phi.add_incoming(then, body)
                keep_rolled(builder, builder.cbranch(builder.icmp_signed("!=", following, I64(0)), body, done))
                builder.position_at_end(done)
                for row, ends in zip(rows, after):
                    for j, total in enumerate(ends):
                        v.store(total, builder.add(row, I64(j * size)))
                builder.branch(leave)
        builder.position_at_end(leave)
        return context.get_dummy_value()

    return types.void(like, *[types.int64] * 8), codegen


@np.errstate(all="ignore")
def _fold_twin(like: Any, count: int, sums: int, out: int) -> None:
    width = lanes(like.itemsize)
    whole = -(-count // width) * width
    view(out, like, whole)[...] = view(sums, like, whole * width).reshape(whole, width).sum(axis=1)
    view(sums, like, whole * width)[...] = 0


@intrinsic(_fold_twin)
def fold_sums(typing_context: Any, like: Any, count: Any, sums: Any, out: Any) -> Any:
    """``out[i] = sum over the lanes of sums[i]``, which are set to 0 for the next time; whole vectors of i."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        v = Vectors(builder, like)
        _, count, sums, out = values
        size = v.width * v.size
        groups = builder.sdiv(builder.add(count, I64(v.width - 1)), I64(v.width))
        g, _, body, leave = open_loop(builder, groups, "fold")
        place = builder.add(sums, builder.mul(g, I64(size * v.width)))
        places = [builder.add(place, I64(size * i)) for i in range(v.width)]
        loaded = [v.load(each) for each in places]
        for each in places:
            v.store(v.constant(0.0), each)
        v.store(sums_across(v, loaded), builder.add(out, builder.mul(g, I64(size))))
        close_loop(builder, g, builder.add(g, I64(1)), groups, body, leave)
        return context.get_dummy_value()

    return types.void(like, *[types.int64] * 3), codegen


@np.errstate(all="ignore")
def _add_vectors_twin(like: Any, count: int, parts: int, part: int, source: int, out: int) -> None:
    total = view(out, like, count)
    total[...] = view(source, like, count)
    for i in range(1, parts):
        total += view(source + i * part, like, count)


@intrinsic(_add_vectors_twin)
def add_parts(typing_context: Any, like: Any, count: Any, parts: Any, part: Any, source: Any, out: Any) -> Any:
    """``out[i] = sum over parts of source[part, i]`` in their order, `part` bytes apart, for whole vectors of i."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        v = Vectors(builder, like)
        _, count, parts, part, source, out = values
        size = v.width * v.size
        groups = builder.sdiv(builder.add(count, I64(v.width - 1)), I64(v.width))
        g, _, body, leave = open_loop(builder, groups, "group")
        offset = builder.mul(g, I64(size))
        place = builder.add(source, offset)
        first = v.load(place)
        more = builder.sub(parts, I64(1))
        p, entry, inner, done = open_loop(builder, more, "part")
        total, at = builder.phi(v.type), builder.phi(I64)
        following = builder.add(at, part)
        after = builder.fadd(total, v.load(following))
        for phi, begin, then in ((total, first, after), (at, place, following)):
            phi.add_incoming(begin, entry)
            phi.add_incoming(then, inner)
        close_loop(builder, p, builder.add(p, I64(1)), more, inner, done)
        result = builder.phi(v.type)
        result.add_incoming(first, entry)
        result.add_incoming(after, inner)
        v.store(result, builder.add(out, offset))
        close_loop(builder, g, builder.add(g, I64(1)), groups, body, leave)
        return context.get_dummy_value()

    return types.void(like, *[types.int64] * 5), codegen
