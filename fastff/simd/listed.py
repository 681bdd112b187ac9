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


def is_not_zero(v: Vectors, x: ir.Value) -> ir.Value:
    """Mask of the lanes that are not zero; NaN is not."""
    return v.builder.fcmp_unordered("!=", x, v.constant(0.0))


def count_ones(v: Vectors, mask: ir.Value) -> ir.Value:
    """Number of lanes of a mask, as int64."""
    word = ir.IntType(v.width)
    name = f"llvm.ctpop.i{v.width}"
    ones = v.builder.module.globals.get(name) or ir.Function(v.builder.module, ir.FunctionType(word, [word]), name)
    return v.builder.zext(v.builder.call(ones, [v.builder.bitcast(mask, word)]), I64)


def _packed(v: Vectors, numbers: ir.Value, mask: ir.Value) -> ir.Value:
    """The numbers (32 bits each) of the lanes of a mask, one beside the other; what follows them is not used."""
    builder, kind = v.builder, numbers.type
    if ROW.name == "avx512":
        name = f"llvm.x86.avx512.mask.compress.v{v.width}i32"
        compress = builder.module.globals.get(name) or ir.Function(
            builder.module, ir.FunctionType(kind, [kind, kind, v.mask_type]), name
        )
        return builder.call(compress, [numbers, ir.Constant(kind, [0] * v.width), mask])
    # lanes of each mask, from a table
    name = f"fastff.packed.v{v.width}"
    table = builder.module.globals.get(name)
    if table is None:
        byte = ir.ArrayType(ir.IntType(8), v.width)
        lanes = [[i for i in range(v.width) if word >> i & 1] for word in range(1 << v.width)]
        lines = [ir.Constant(byte, (each + [0] * v.width)[: v.width]) for each in lanes]
        table = ir.GlobalVariable(builder.module, ir.ArrayType(byte, len(lines)), name)
        table.linkage, table.global_constant, table.initializer = "internal", True, ir.Constant(table.value_type, lines)
    word = builder.zext(builder.bitcast(mask, ir.IntType(v.width)), I64)
    line = builder.bitcast(builder.gep(table, [I64(0), word]), ir.VectorType(ir.IntType(8), v.width).as_pointer())
    loaded = builder.load(line)
    loaded.align = 1
    first = builder.extract_element(numbers, I32(0))
    every = builder.shuffle_vector(
        builder.insert_element(ir.Constant(kind, ir.Undefined), first, I32(0)),
        ir.Constant(kind, ir.Undefined),
        ir.Constant(kind, [0] * v.width),
    )
    return builder.add(every, builder.zext(loaded, kind))


@intrinsic(_list_rows_twin)
def list_rows(typing_context: Any, like: Any, n: Any, x: Any, other: Any, every: Any, rows: Any) -> Any:
    """List the rows i below n where x[i] or other[i] is not zero, or all of them if told so; gives their number.

    *rows* is written, and needs room for SPARE numbers more.
    """

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        v = Vectors(builder, like)
        _, n, x, other, every, rows = values
        kind = ir.VectorType(I32, v.width)
        wanted = v.splat(builder.icmp_signed("!=", every, I64(0)))
        vectors = builder.sdiv(builder.add(n, I64(v.width - 1)), I64(v.width))
        index, entry, body, leave = open_loop(builder, vectors, "list")
        count, numbers = builder.phi(I64), builder.phi(kind)
        inside = v.first(builder.sub(n, builder.mul(index, I64(v.width))))
        offset = builder.mul(index, I64(v.width * v.size))
        found = wanted
        for place in (x, other):
            found = builder.or_(found, is_not_zero(v, v.load(builder.add(place, offset), inside)))
        found = builder.and_(found, inside)
        target = builder.add(rows, builder.mul(count, I64(ENTRY)))
        builder.store(_packed(v, numbers, found), builder.inttoptr(target, kind.as_pointer())).align = ENTRY
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

    return types.int64(like, *[types.int64] * 5), codegen


def _spread_twin(like: Any, count: int, rows: int, n: int, x: int, packed: int, out: int) -> None:
    target = view(out, like, n)
    target[:] = 0
    target[listed(rows, count)] = view(packed, like, count)


@intrinsic(_spread_twin)
def spread(typing_context: Any, like: Any, count: Any, rows: Any, n: Any, x: Any, packed: Any, out: Any) -> Any:
    """Write the numbers of listed rows to their places, and zeros elsewhere. The rows are those where x is not zero.

    *packed* needs room for a vector more.
    """

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        v = Vectors(builder, like)
        _, count, rows, n, x, packed, out = values
        vectors = builder.sdiv(builder.add(n, I64(v.width - 1)), I64(v.width))
        index, entry, body, leave = open_loop(builder, vectors, "spread")
        source = builder.phi(I64)
        offset = builder.mul(index, I64(v.width * v.size))
        inside = v.first(builder.sub(n, builder.mul(index, I64(v.width))))
        value: ir.Value = v.constant(0.0)
        after: ir.Value = source
        if ROW.name == "avx512":
            found = builder.and_(is_not_zero(v, v.load(builder.add(x, offset), inside)), inside)
            expand = v.intrinsic("masked.expandload", [v.type.as_pointer(), v.mask_type, v.type], v.suffix)
            value = builder.call(expand, [v.pointer(source), found, value])
            after = builder.add(source, builder.mul(count_ones(v, found), I64(v.size)))
        source.add_incoming(packed, entry)
        source.add_incoming(after, body)
        v.store(value, builder.add(out, offset), inside)
        close_loop(builder, index, builder.add(index, I64(1)), vectors, body, leave)
        if ROW.name != "avx512":
            at, _, body, leave = open_loop(builder, count, "place")
            number = v.number(builder.add(packed, builder.mul(at, I64(v.size))))
            target = builder.add(out, builder.mul(row_number(builder, rows, at), I64(v.size)))
            builder.store(number, builder.inttoptr(target, v.scalar.as_pointer())).align = v.size
            close_loop(builder, at, builder.add(at, I64(1)), count, body, leave)
        return context.get_dummy_value()

    return types.void(like, *[types.int64] * 6), codegen
