"""Copies and transpositions of small blocks through registers: what packing is made of."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from fastff._cpu import ROW
from fastff._jit import intrinsic
from fastff.simd.lanes import I32, I64, Vectors
from fastff.simd.memory import ask_for_line, view


def keep_rolled(builder: ir.IRBuilder, branch: ir.Instruction) -> None:
    """Have LLVM not unroll the loop that a branch closes: it would cost compile time and buy nothing."""
    node = builder.module.add_metadata([builder.module.add_metadata(["llvm.loop.unroll.disable"])])
    branch.set_metadata("llvm.loop", node)


def open_loop(builder: ir.IRBuilder, count: ir.Value, name: str) -> tuple[ir.PhiInstr, ir.Block, ir.Block, ir.Block]:
    """Open a loop over ``0 <= index < count``; `close_loop` ends it."""
    entry, body, leave = builder.block, builder.append_basic_block(name), builder.append_basic_block(f"{name}.done")
    builder.cbranch(builder.icmp_signed(">", count, I64(0)), body, leave)
    builder.position_at_end(body)
    index = builder.phi(I64)
    index.add_incoming(I64(0), entry)
    return index, entry, body, leave


def close_loop(
    builder: ir.IRBuilder, index: ir.PhiInstr, following: ir.Value, count: ir.Value, body: ir.Block, leave: ir.Block
) -> None:
    """End a loop of `open_loop`: go on with index `following` while it is below `count`."""
    index.add_incoming(following, builder.block)
    keep_rolled(builder, builder.cbranch(builder.icmp_signed("<", following, count), body, leave))
    builder.position_at_end(leave)


def _copy_twin(
    like: Any,
    count: int,
    exact: int,
    steps: int,
    source: int,
    source_step: int,
    source_next: int,
    target: int,
    target_step: int,
    target_next: int,
) -> None:
    width = ROW.vector_bytes // like.itemsize
    for j in range(0, count, width):
        n, vector = min(width, count - j), j // width
        for k in range(steps):
            out = view(target + k * target_step + vector * target_next, like, n)
            out[...] = view(source + k * source_step + vector * source_next, like, n)


@intrinsic(_copy_twin)
def copy_rows(
    typing_context: Any,
    like: Any,
    count: Any,
    exact: Any,
    steps: Any,
    source: Any,
    source_step: Any,
    source_next: Any,
    target: Any,
    target_step: Any,
    target_next: Any,
) -> Any:
    """Copy `steps` short rows of `count` numbers, at most two vectors, `next` bytes apart.

    Where `exact` is 0, whole vectors are stored, zeros beyond `count`: the target must have room behind its last row,
    and a target step that is shorter than the vectors is filled by the next row. Otherwise nothing beyond `count` is
    written.
    """

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        v = Vectors(builder, like)
        _, n, exact, m, a, a_step, a_next, c, c_step, c_next = values
        leave = builder.append_basic_block("copied")
        wide = builder.icmp_signed(">", n, I64(v.width))
        kind = builder.add(
            builder.zext(wide, I64), builder.select(builder.icmp_signed("!=", exact, I64(0)), I64(2), I64(0))
        )
        switch = builder.switch(kind, leave)
        for case in range(4):
            vectors, precise = 1 + case % 2, case >= 2
            block = builder.append_basic_block("copy")
            switch.add_case(I64(case), block)
            builder.position_at_end(block)
            masks = [v.first(builder.sub(n, I64(j * v.width))) for j in range(vectors)]
            index, _, body, done = open_loop(builder, m, "row")
            for j, mask in enumerate(masks):
                source, target = builder.mul(index, a_step), builder.mul(index, c_step)
                if j > 0:
                    source, target = builder.add(source, a_next), builder.add(target, c_next)
                v.store(v.load(builder.add(a, source), mask), builder.add(c, target), mask if precise else None)
            close_loop(builder, index, builder.add(index, I64(1)), m, body, done)
            builder.branch(leave)
        builder.position_at_end(leave)
        return context.get_dummy_value()

    i = types.int64
    return types.void(like, *[i] * 9), codegen


def _copy_asking_twin(like: Any, n_bytes: int, source: int, target: int, coming: int) -> None:
    view(target, np.uint8(0), n_bytes)[...] = view(source, np.uint8(0), n_bytes)


@intrinsic(_copy_asking_twin)
def copy_asking(typing_context: Any, like: Any, n_bytes: Any, source: Any, target: Any, coming: Any) -> Any:
    """Copy a row of `n_bytes`, whole numbers, and ask for as many from `coming` on, which need not be valid."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        v = Vectors(builder, like)
        _, n_bytes, a, c, coming = values
        step = v.width * v.size
        whole = builder.sdiv(n_bytes, I64(step))
        index, _, body, leave = open_loop(builder, whole, "line")
        offset = builder.mul(index, I64(step))
        ask_for_line(builder, builder.add(coming, offset))
        v.store(v.load(builder.add(a, offset)), builder.add(c, offset))
        close_loop(builder, index, builder.add(index, I64(1)), whole, body, leave)
        done = builder.mul(whole, I64(step))
        rest = v.first(builder.sdiv(builder.sub(n_bytes, done), I64(v.size)))
        ask_for_line(builder, builder.add(coming, done))
        v.store(v.load(builder.add(a, done), rest), builder.add(c, done), rest)
        return context.get_dummy_value()

    i = types.int64
    return types.void(like, i, i, i, i), codegen


def _transpose_twin(
    like: Any, rows: int, columns: int, source: int, source_row: int, target: int, target_row: int
) -> None:
    block = np.array([view(source + i * source_row, like, columns) for i in range(rows)], type(like)).reshape(
        rows, columns
    )
    for j in range(columns):
        view(target + j * target_row, like, rows)[...] = block[:, j]


def transposed(v: Vectors, rows: list[ir.Value]) -> list[ir.Value]:
    """Transpose a square of vectors by exchanging ever larger blocks off the diagonal."""
    width, distance = v.width, 1
    while distance < width:
        low = [i if not i & distance else width + i - distance for i in range(width)]
        high = [i + distance if not i & distance else width + i for i in range(width)]
        masks = [ir.Constant(ir.VectorType(I32, width), indices) for indices in (low, high)]
        after: list[Any] = [None] * width
        for i in range(width):
            if not i & distance:
                after[i] = v.builder.shuffle_vector(rows[i], rows[i + distance], masks[0])
                after[i + distance] = v.builder.shuffle_vector(rows[i], rows[i + distance], masks[1])
        rows, distance = after, 2 * distance
    return rows


@intrinsic(_transpose_twin)
def transpose(
    typing_context: Any, like: Any, rows: Any, columns: Any, source: Any, source_row: Any, target: Any, target_row: Any
) -> Any:
    """``target[j, i] = source[i, j]`` for a block of at most one vector by one vector, through registers."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        v = Vectors(builder, like)
        _, m, n, a, a_row, c, c_row = values
        across, down = v.first(n), v.first(m)
        whole, edge, leave = (builder.append_basic_block(name) for name in ("whole", "edge", "transposed"))
        full = builder.and_(builder.icmp_signed("==", m, I64(v.width)), builder.icmp_signed("==", n, I64(v.width)))
        builder.cbranch(full, whole, edge)
        builder.position_at_end(whole)
        loaded = [v.load(builder.add(a, builder.mul(a_row, I64(i)))) for i in range(v.width)]
        for j, row in enumerate(transposed(v, loaded)):
            v.store(row, builder.add(c, builder.mul(c_row, I64(j))))
        builder.branch(leave)
        builder.position_at_end(edge)
        # a row beyond the last is read as nothing: its mask is empty
        none = ir.Constant(v.mask_type, [0] * v.width)
        loaded = []
        for i in range(v.width):
            inside = builder.icmp_signed("<", I64(i), m)
            loaded.append(v.load(builder.add(a, builder.mul(a_row, I64(i))), builder.select(inside, across, none)))
        for j, row in enumerate(transposed(v, loaded)):
            inside = builder.icmp_signed("<", I64(j), n)
            v.store(row, builder.add(c, builder.mul(c_row, I64(j))), builder.select(inside, down, none))
        builder.branch(leave)
        builder.position_at_end(leave)
        return context.get_dummy_value()

    i = types.int64
    return types.void(like, i, i, i, i, i, i), codegen
