"""Lists of the rows of a weight that a step of one row needs.

A row of a weight whose input is zero adds nothing to the outputs and is not changed by plain descent; behind ReLU its
unit has no derivative either. The numbers of the other rows are brought together in a list, so that what is left out
costs neither time nor a branch that the processor would guess wrongly every second time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from fastff._cpu import ROW
from fastff._jit import intrinsic
from fastff.simd.blocks import close_loop, open_loop
from fastff.simd.lanes import I32, I64, Vectors
from fastff.simd.memory import view

#: Bytes of a row's number in a list.
ENTRY = 4
#: Numbers that a list must have room for beside those in it.
SPARE = 64 // ENTRY


def listed(rows: int, count: int) -> list[int]:
    """The numbers in a list (for twins)."""
    return [int(i) for i in view(rows, np.int32(0), count)]


def _list_rows_twin(like: Any, n: int, x: int, other: int, every: int, rows: int) -> int:
    wanted = (view(x, like, n) != 0) | (view(other, like, n) != 0) | bool(every)
    found = np.flatnonzero(wanted)
    view(rows, np.int32(0), len(found))[:] = found
    return len(found)


def row_number(builder: ir.IRBuilder, rows: ir.Value, place: ir.Value) -> ir.Value:
    """The number of a row from its place in a list."""
    address = builder.add(rows, builder.mul(place, I64(ENTRY)))
    return builder.zext(builder.load(builder.inttoptr(address, I32.as_pointer())), I64)


def load_number(v: Vectors, address: ir.Value) -> ir.Value:
    """A single number."""
    loaded = v.builder.load(v.builder.inttoptr(address, v.scalar.as_pointer()))
    loaded.align = v.size
    return loaded


def count_ones(v: Vectors, mask: ir.Value) -> ir.Value:
    """Number of lanes of a mask, as int64."""
    word = ir.IntType(v.width)
    name = f"llvm.ctpop.i{v.width}"
    ones = v.builder.module.globals.get(name) or ir.Function(v.builder.module, ir.FunctionType(word, [word]), name)
    return v.builder.zext(v.builder.call(ones, [v.builder.bitcast(mask, word)]), I64)


def _list_vectors(v: Vectors, n: ir.Value, places: list[ir.Value], every: ir.Value, rows: ir.Value) -> ir.Value:
    """Emit `list_rows` by AVX-512's compression."""
    builder = v.builder
    kind = ir.VectorType(I32, v.width)
    name = f"llvm.x86.avx512.mask.compress.v{v.width}i32"
    compress = builder.module.globals.get(name) or ir.Function(
        builder.module, ir.FunctionType(kind, [kind, kind, v.mask_type]), name
    )
    vectors = builder.sdiv(builder.add(n, I64(v.width - 1)), I64(v.width))
    index, entry, body, leave = open_loop(builder, vectors, "list")
    count = builder.phi(I64)
    numbers = builder.phi(kind)
    inside = v.first(builder.sub(n, builder.mul(index, I64(v.width))))
    offset = builder.mul(index, I64(v.width * v.size))
    found = v.splat(every)
    for place in places:
        loaded = v.load(builder.add(place, offset), inside)
        found = builder.or_(found, builder.fcmp_unordered("!=", loaded, v.constant(0.0)))
    found = builder.and_(found, inside)
    packed = builder.call(compress, [numbers, ir.Constant(kind, [0] * v.width), found])
    target = builder.add(rows, builder.mul(count, I64(ENTRY)))
    builder.store(packed, builder.inttoptr(target, kind.as_pointer())).align = ENTRY
    following = builder.add(count, count_ones(v, found))
    count.add_incoming(I64(0), entry)
    count.add_incoming(following, body)
    numbers.add_incoming(ir.Constant(kind, list(range(v.width))), entry)
    numbers.add_incoming(builder.add(numbers, ir.Constant(kind, [v.width] * v.width)), body)
    close_loop(builder, index, builder.add(index, I64(1)), vectors, body, leave)
    result = builder.phi(I64)
    result.add_incoming(I64(0), entry)
    result.add_incoming(following, body)
    return result


def _list_scalars(v: Vectors, n: ir.Value, places: list[ir.Value], every: ir.Value, rows: ir.Value) -> ir.Value:
    """Emit `list_rows` row by row, without a branch."""
    builder = v.builder
    index, entry, body, leave = open_loop(builder, n, "list")
    count = builder.phi(I64)
    offset = builder.mul(index, I64(v.size))
    found = every
    for place in places:
        loaded = builder.load(builder.inttoptr(builder.add(place, offset), v.scalar.as_pointer()))
        loaded.align = v.size
        found = builder.or_(found, builder.fcmp_unordered("!=", loaded, v.scalar(0.0)))
    target = builder.add(rows, builder.mul(count, I64(ENTRY)))
    builder.store(builder.trunc(index, I32), builder.inttoptr(target, I32.as_pointer()))
    following = builder.add(count, builder.zext(found, I64))
    count.add_incoming(I64(0), entry)
    count.add_incoming(following, body)
    close_loop(builder, index, builder.add(index, I64(1)), n, body, leave)
    result = builder.phi(I64)
    result.add_incoming(I64(0), entry)
    result.add_incoming(following, body)
    return result


@intrinsic(_list_rows_twin)
def list_rows(typing_context: Any, like: Any, n: Any, x: Any, other: Any, every: Any, rows: Any) -> Any:
    """List the rows i below n where x[i] or other[i] is not zero, or all of them if told so; gives their number.

    *rows* is written, and needs room for SPARE numbers more.
    """

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        v = Vectors(builder, like)
        _, n, x, other, every, rows = values
        emit = _list_vectors if ROW.name == "avx512" else _list_scalars
        return emit(v, n, [x, other], builder.icmp_signed("!=", every, I64(0)), rows)

    return types.int64(like, *[types.int64] * 5), codegen


def _spread_twin(like: Any, n: int, x: int, packed: int, out: int) -> None:
    found = view(x, like, n) != 0
    view(out, like, n)[:] = 0
    view(out, like, n)[found] = view(packed, like, int(found.sum()))


@intrinsic(_spread_twin)
def spread(typing_context: Any, like: Any, n: Any, x: Any, packed: Any, out: Any) -> Any:
    """Write the numbers of listed rows to their places: those where x is not zero; zeros elsewhere.

    *packed* needs room for a number more.
    """

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        v = Vectors(builder, like)
        _, n, x, packed, out = values
        width = v.width if ROW.name == "avx512" else 1
        step = I64(width * v.size)
        vectors = builder.sdiv(builder.add(n, I64(width - 1)), I64(width))
        index, entry, body, leave = open_loop(builder, vectors, "spread")
        source = builder.phi(I64)
        offset = builder.mul(index, step)
        if width > 1:
            inside = v.first(builder.sub(n, builder.mul(index, I64(width))))
            loaded = v.load(builder.add(x, offset), inside)
            found = builder.and_(builder.fcmp_unordered("!=", loaded, v.constant(0.0)), inside)
            expand = v.intrinsic("masked.expandload", [v.type.as_pointer(), v.mask_type, v.type], v.suffix)
            value = builder.call(expand, [v.pointer(source), found, v.constant(0.0)])
            v.store(value, builder.add(out, offset), inside)
            count = count_ones(v, found)
        else:
            found = builder.fcmp_unordered("!=", load_number(v, builder.add(x, offset)), v.scalar(0.0))
            value = builder.select(found, load_number(v, source), v.scalar(0.0))
            target = builder.inttoptr(builder.add(out, offset), v.scalar.as_pointer())
            builder.store(value, target).align = v.size
            count = builder.zext(found, I64)
        source.add_incoming(packed, entry)
        source.add_incoming(builder.add(source, builder.mul(count, I64(v.size))), body)
        close_loop(builder, index, builder.add(index, I64(1)), vectors, body, leave)
        return context.get_dummy_value()

    return types.void(like, *[types.int64] * 4), codegen
