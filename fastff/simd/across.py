"""Rows across lanes: vectors that hold one number of each of as many rows as a vector has lanes.

A matrix of few rows stands as a *stack*: one vector a column, one after the other. Products with a row-major weight are
then multiply-adds of whole vectors with single weights, activations have no tails, and nothing but the sum over the
rows at the end goes from lane to lane. That suits layers of a few units, where a vector of a row would be mostly empty.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from fastff._cpu import lanes
from fastff._jit import intrinsic
from fastff.simd.along import sums_across
from fastff.simd.blocks import close_loop, open_loop
from fastff.simd.lanes import I32, I64, Vectors
from fastff.simd.memory import view

#: Columns of a product that are summed at once: enough chains to hide some of the latency.
GROUP = 4


def stack(address: int, like: Any, columns: int) -> np.ndarray:
    """The stack at an address as an array (columns, lanes), for twins."""
    width = lanes(np.dtype(type(like)).itemsize)
    return view(address, like, columns * width).reshape(columns, width)


def each_vector(v: Vectors, count: ir.Value, emit: Callable[[ir.Value], None], step: ir.Value | None = None) -> None:
    """Emit a loop over the vectors of a stack: `emit` is given the offset of each in bytes; they may be apart."""
    index, _, body, leave = open_loop(v.builder, count, "vectors")
    emit(v.builder.mul(index, I64(v.width * v.size) if step is None else step))
    close_loop(v.builder, index, v.builder.add(index, I64(1)), count, body, leave)


def _places(v: Vectors, first: ir.Value, rows: ir.Value, order: ir.Value, data: ir.Value, step: ir.Value) -> list:
    """Addresses of the rows of all lanes: see `stack_rows`."""
    builder = v.builder
    last = builder.sub(rows, I64(1))
    numbers = []
    for lane in range(v.width):
        beyond = builder.icmp_signed("<", last, I64(lane))
        numbers.append(builder.add(first, builder.select(beyond, last, I64(lane))))
    straight, ordered, leave = builder.block, *(builder.append_basic_block(name) for name in ("ordered", "places"))
    builder.cbranch(builder.icmp_signed("==", order, I64(0)), leave, ordered)
    builder.position_at_end(ordered)
    chosen = []
    for number in numbers:
        place = builder.add(order, builder.mul(number, I64(8)))
        chosen.append(builder.load(builder.inttoptr(place, I64.as_pointer())))
    builder.branch(leave)
    builder.position_at_end(leave)
    rows_ = [builder.phi(I64) for _ in numbers]
    for row, number, other in zip(rows_, numbers, chosen):
        row.add_incoming(number, straight)
        row.add_incoming(other, ordered)
    return [builder.add(data, builder.mul(row, step)) for row in rows_]


def _gathered(v: Vectors, places: list[ir.Value], kind: ir.Type) -> ir.Value:
    """The vector of the numbers at some addresses."""
    builder = v.builder
    vector = ir.Constant(ir.VectorType(kind, v.width), ir.Undefined)
    for lane, place in enumerate(places):
        loaded = builder.load(builder.inttoptr(place, kind.as_pointer()))
        loaded.align = v.size if kind == v.scalar else 8
        vector = builder.insert_element(vector, loaded, I32(lane))
    return vector


def _stack_rows_twin(
    like: Any, labels: int, columns: int, first: int, rows: int, order: int, data: int, data_row: int, target: int
) -> None:
    out = stack(target, like, columns)
    for lane in range(out.shape[1]):
        row = first + min(lane, rows - 1)
        if order != 0:
            row = int(view(order + 8 * row, np.int64(0), 1)[0])
        place = data + row * data_row
        out[:, lane] = (
            np.arange(columns) == view(place, np.int64(0), 1)[0] if labels != 0 else view(place, like, columns)
        )


@intrinsic(_stack_rows_twin)
def stack_rows(typing_context: Any, like: Any, labels: Any, columns: Any, first: Any, rows: Any, order: Any, data: Any,
               data_row: Any, target: Any) -> Any:  # fmt: skip
    """Write the stack of `rows` rows of data, ``data_row`` bytes apart, from number `first` on.

    Where there is an `order`, numbers are places in it, and it holds the numbers of the rows. Lanes without a row
    repeat the last row. Where `labels` is not 0, data are class labels (int64), each the only 1 of a row of zeros.
    """

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        v = Vectors(builder, like)
        _, labels, columns, *which, target = values
        places = _places(v, *which)

        def column(offset: ir.Value) -> None:
            across = builder.sdiv(offset, I64(v.width))
            vector = _gathered(v, [builder.add(place, across) for place in places], v.scalar)
            v.store(vector, builder.add(target, offset))

        def label(offset: ir.Value) -> None:
            one = builder.icmp_signed("==", wanted, v.splat(builder.sdiv(offset, I64(v.width * v.size))))
            v.store(builder.select(one, v.constant(1.0), v.constant(0.0)), builder.add(target, offset))

        with builder.if_else(builder.icmp_signed("==", labels, I64(0))) as (numbers, classes):
            with numbers:
                each_vector(v, columns, column)
            with classes:
                wanted = _gathered(v, places, I64)
                each_vector(v, columns, label)
        return context.get_dummy_value()

    return types.void(like, *[types.int64] * 8), codegen


@np.errstate(all="ignore")
def product_twin(like: Any, columns: int, terms: int, x: int, w: int, w_column: int, w_term: int, out: int) -> None:
    """What `emit_product` does."""
    inputs, target = stack(x, like, terms), stack(out, like, columns)
    for j in range(columns):
        total = np.zeros(target.shape[1], target.dtype)
        for k in range(terms):
            total += inputs[k] * view(w + j * w_column + k * w_term, like, 1)[0]
        target[j] = total


def emit_product(
    v: Vectors,
    columns: ir.Value,
    terms: ir.Value,
    x: ir.Value,
    w: ir.Value,
    w_column: ir.Value,
    w_term: ir.Value,
    out: ir.Value,
) -> None:
    """Emit ``out[j] = sum over k of x[k] w[j, k]`` for stacks x and out, terms in their order, of which there are some.

    Strides of w, in bytes, are free: a weight or its transpose.
    """
    builder, step = v.builder, v.width * v.size

    def group(count: int, first: ir.Value) -> None:
        """Columns from `first` on, as many as stay in registers."""
        starts = [builder.add(w, builder.mul(first, w_column))]
        for _ in range(count - 1):
            starts.append(builder.add(starts[-1], w_column))
        k, entry, body, leave = open_loop(builder, terms, f"terms.{count}")
        sums = [builder.phi(v.type) for _ in starts]
        number = v.load(builder.add(x, builder.mul(k, I64(step))))
        offset = builder.mul(k, w_term)
        after = []
        for start, total in zip(starts, sums):
            weight = v.number(builder.add(start, offset))
            after.append(v.fma(number, v.splat(weight), total))
        end = builder.block
        for total, then in zip(sums, after):
            total.add_incoming(v.constant(0.0), entry)
            total.add_incoming(then, end)
        close_loop(builder, k, builder.add(k, I64(1)), terms, body, leave)
        results = [builder.phi(v.type) for _ in after]
        to = builder.add(out, builder.mul(first, I64(step)))
        for j, (result, then) in enumerate(zip(results, after)):
            result.add_incoming(v.constant(0.0), entry)
            result.add_incoming(then, end)
            v.store(result, builder.add(to, I64(j * step)))

    groups = builder.sdiv(columns, I64(GROUP))
    g, _, body, leave = open_loop(builder, groups, "groups")
    group(GROUP, builder.mul(g, I64(GROUP)))
    close_loop(builder, g, builder.add(g, I64(1)), groups, body, leave)
    done = builder.mul(groups, I64(GROUP))
    rest = builder.sub(columns, done)
    j, _, body, leave = open_loop(builder, rest, "column")
    group(1, builder.add(done, j))
    close_loop(builder, j, builder.add(j, I64(1)), rest, body, leave)


def _pair_sums_twin(
    count: int, pairs: int, end: int, block: int, stacks: int, w: int, gradient: int, rate: Any, keep: Any
) -> None:
    width = lanes(np.dtype(type(rate)).itemsize)
    whole = -(-count // width) * width
    offsets = view(pairs, np.int64(0), 2 * whole).reshape(whole, 2)
    sums = np.zeros(whole, type(rate))
    with np.errstate(all="ignore"):
        for place in range(stacks, end, block):
            for i, (left, right) in enumerate(offsets):
                sums[i] += (view(place + int(left), rate, width) * view(place + int(right), rate, width)).sum()
        if gradient != 0:
            view(gradient, rate, whole)[:] = sums
        else:
            weights = view(w, rate, whole)
            weights[:] = weights * keep - rate * sums


@intrinsic(_pair_sums_twin)
def pair_sums(typing_context: Any, count: Any, pairs: Any, end: Any, block: Any, stacks: Any, w: Any, gradient: Any,
              rate: Any, keep: Any) -> Any:  # fmt: skip
    """``g[i] = sum over blocks and lanes of left[i] right[i]``, vectors of stacks: gradients of single weights.

    Blocks of `block` bytes stand from `stacks` to `end`. The two offsets of each pair from the start of a block stand
    at `pairs`, for whole vectors of i: of pairs beyond `count` one may point to a vector of zeros. Where `gradient` is
    0, ``w = keep w - rate g``; otherwise the sums are written there. Both are whole vectors.
    """

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        v = Vectors(builder, rate)
        count, pairs, end, block, start, w, gradient, speed, keep = values
        factor, share = builder.fneg(v.splat(speed)), v.splat(keep)
        groups = builder.sdiv(builder.add(count, I64(v.width - 1)), I64(v.width))

        def group(offset: ir.Value) -> None:
            here = builder.add(pairs, builder.mul(offset, I64(16 // v.size)))
            entry, body, leave = builder.block, builder.append_basic_block("block"), builder.append_basic_block("sums")
            builder.branch(body)
            builder.position_at_end(body)
            place = builder.phi(I64)
            sums = [builder.phi(v.type) for _ in range(v.width)]
            after = []
            for i, total in enumerate(sums):
                left, right = (
                    v.load(
                        builder.add(
                            place,
                            builder.load(builder.inttoptr(builder.add(here, I64(16 * i + at)), I64.as_pointer())),
                        )
                    )
                    for at in (0, 8)
                )
                after.append(v.fma(left, right, total))
            following = builder.add(place, block)
            for phi, first, then in (
                (place, start, following),
                *((total, v.constant(0.0), then) for total, then in zip(sums, after)),
            ):
                phi.add_incoming(first, entry)
                phi.add_incoming(then, builder.block)
            builder.cbranch(builder.icmp_signed("<", following, end), body, leave)
            builder.position_at_end(leave)
            result = sums_across(v, after)
            with builder.if_else(builder.icmp_signed("==", gradient, I64(0))) as (step, kept):
                with step:
                    to = builder.add(w, offset)
                    v.store(v.fma(factor, result, builder.fmul(v.load(to), share)), to)
                with kept:
                    v.store(result, builder.add(gradient, offset))

        each_vector(v, groups, group)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 7, rate, rate), codegen
