"""The way back through listed rows of a weight, and their update, in one pass."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from fastff._cpu import ROW
from fastff._jit import intrinsic
from fastff.simd.along import sums_across
from fastff.simd.blocks import close_loop, open_loop
from fastff.simd.lanes import I32, I64, Vectors
from fastff.simd.listed import listed, row_number
from fastff.simd.memory import get, view
from fastff.simd.reduce import fold

#: Rows that pass at once: their sums and factors stay in registers.
ROWS = 8 if ROW.vector_bytes == 64 else 4


@np.errstate(all="ignore")
def _step_back_twin(
    count: int, rows: int, columns: int, x: int, delta: int, alpha: Any, w: int, w_row: int, sums: int
) -> Any:
    vector, bad = view(delta, alpha, columns), alpha * 0
    result = view(sums, alpha, count)
    for place, i in enumerate(listed(rows, count)):
        row = view(w + i * w_row, alpha, columns)
        result[place] = np.sum(row * vector, dtype=row.dtype)
        row += alpha * get(x + i * row.itemsize, alpha) * vector
        bad += (row * 0).sum(dtype=row.dtype)
    return bad


class _Back:
    """Emits the pass for blocks of rows of one height."""

    def __init__(self, v: Vectors, values: dict[str, ir.Value], bad: ir.Value) -> None:
        self.v, self.x, self.bad = v, values, bad

    def block(self, height: int, first: ir.Value) -> None:
        """Emit the pass for `height` listed rows from place `first` of the list on."""
        v, builder, x = self.v, self.v.builder, self.x
        numbers = [row_number(builder, x["rows"], builder.add(first, I64(r))) for r in range(height)]
        places = [builder.add(x["w"], builder.mul(number, x["w_row"])) for number in numbers]
        inputs = [v.number(builder.add(x["x"], builder.mul(number, I64(v.size)))) for number in numbers]
        factors = [v.splat(builder.fmul(each, x["alpha"])) for each in inputs]
        zeros = [v.constant(0.0)] * height
        marks = [builder.load(self.bad), *zeros[1:]]
        whole = builder.sdiv(x["columns"], I64(v.width))
        at, entry, body, leave = open_loop(builder, whole, "columns")
        state = [builder.phi(v.type) for _ in (*zeros, *marks)]
        after = self._columns(places, factors, state, builder.mul(at, I64(v.width * v.size)), None)
        for phi, begin, then in zip(state, [*zeros, *marks], after, strict=True):
            phi.add_incoming(begin, entry)
            phi.add_incoming(then, builder.block)
        close_loop(builder, at, builder.add(at, I64(1)), whole, body, leave)
        state = self._merge([*zeros, *marks], entry, after, body)
        rest = builder.sub(x["columns"], builder.mul(whole, I64(v.width)))
        before = builder.block
        edge, done = builder.append_basic_block("edge"), builder.append_basic_block("summed")
        builder.cbranch(builder.icmp_signed(">", rest, I64(0)), edge, done)
        builder.position_at_end(edge)
        after = self._columns(places, factors, state, builder.mul(whole, I64(v.width * v.size)), v.first(rest))
        edge = builder.block
        builder.branch(done)
        builder.position_at_end(done)
        state = self._merge(state, before, after, edge)
        total = sums_across(v, state[:height])
        target = builder.add(x["sums"], builder.mul(first, I64(v.size)))
        if height > 1:
            mask = ir.Constant(ir.VectorType(I32, height), list(range(height)))
            part = builder.shuffle_vector(total, total, mask)
        else:
            part = builder.extract_element(total, I32(0))
        builder.store(part, builder.inttoptr(target, part.type.as_pointer())).align = v.size
        marked = state[height]
        for each in state[height + 1 :]:
            marked = builder.fadd(marked, each)
        builder.store(marked, self.bad)

    def _columns(
        self, places: list[ir.Value], factors: list[ir.Value], state: list[ir.Value], offset: ir.Value, mask: Any
    ) -> list[ir.Value]:
        v, builder = self.v, self.v.builder
        height = len(places)
        sums, marks = list(state[:height]), list(state[height:])
        delta = v.load(builder.add(self.x["delta"], offset), mask)
        for r, (place, factor) in enumerate(zip(places, factors, strict=True)):
            target = builder.add(place, offset)
            weight = v.load(target, mask)
            sums[r] = v.fma(weight, delta, sums[r])
            updated = v.fma(factor, delta, weight)
            v.store(updated, target, mask)
            marks[r] = v.fma(updated, v.constant(0.0), marks[r])
        return [*sums, *marks]

    def _merge(self, first: list[ir.Value], entry: ir.Block, after: list[ir.Value], body: ir.Block) -> list[ir.Value]:
        merged = []
        for begin, then in zip(first, after, strict=True):
            phi = self.v.builder.phi(self.v.type)
            phi.add_incoming(begin, entry)
            phi.add_incoming(then, body)
            merged.append(phi)
        return merged


@intrinsic(_step_back_twin)
def step_back(
    typing_context: Any,
    count: Any,
    rows: Any,
    columns: Any,
    x: Any,
    delta: Any,
    alpha: Any,
    w: Any,
    w_row: Any,
    sums: Any,
) -> Any:
    """Go back through listed rows of a weight, and update them.

    ``sums[p] = sum over j of w[i, j] delta[j]`` for the row i at place p of the list, then
    ``w[i, j] += alpha x[i] delta[j]``. Gives 0, or NaN where a weight is not finite then.
    """

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        v = Vectors(builder, alpha)
        names = ("count", "rows", "columns", "x", "delta", "alpha", "w", "w_row", "sums")
        given = dict(zip(names, values, strict=True))
        with builder.goto_entry_block():
            bad = builder.alloca(v.type)
        builder.store(v.constant(0.0), bad)
        emitter = _Back(v, given, bad)
        # The last rows first: they are those that the way forward has left in the first level, and those that it
        # will begin with are then the last ones here.
        blocks = builder.sdiv(given["count"], I64(ROWS))
        done = builder.mul(blocks, I64(ROWS))
        height = ROWS // 2
        while height >= 1:
            some, none = builder.append_basic_block(f"rows.{height}"), builder.append_basic_block("rows")
            left = builder.sub(given["count"], done)
            before = builder.block
            builder.cbranch(builder.icmp_signed(">=", left, I64(height)), some, none)
            builder.position_at_end(some)
            emitter.block(height, done)
            some = builder.block
            further = builder.add(done, I64(height))
            builder.branch(none)
            builder.position_at_end(none)
            merged = builder.phi(I64)
            merged.add_incoming(done, before)
            merged.add_incoming(further, some)
            done, height = merged, height // 2
        at, _, body, leave = open_loop(builder, blocks, "block")
        following = builder.add(at, I64(1))
        emitter.block(ROWS, builder.mul(builder.sub(blocks, following), I64(ROWS)))
        close_loop(builder, at, following, blocks, body, leave)
        return fold(builder, builder.load(bad), builder.fadd)

    i = types.int64
    return alpha(i, i, i, i, i, alpha, i, i, i), codegen
