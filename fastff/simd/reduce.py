"""Sums and maxima over the lanes of a vector, in an order that depends on nothing but its width."""

from __future__ import annotations

from collections.abc import Callable

from llvmlite import ir

from fastff.simd.lanes import I32, Vectors
from fastff.simd.words import Number

DOUBLE = ir.DoubleType()


def fold(builder: ir.IRBuilder, vector: ir.Value, combine: Callable[[ir.Value, ir.Value], ir.Value]) -> ir.Value:
    """Combine halves of a vector (of a power of two lanes) until one number is left."""
    width = vector.type.count
    while width > 1:
        width //= 2
        low, high = (
            builder.shuffle_vector(
                vector, vector, ir.Constant(ir.VectorType(I32, width), list(range(start, start + width)))
            )
            for start in (0, width)
        )
        vector = combine(low, high)
    return builder.extract_element(vector, I32(0))


def maximum(v: Vectors, vector: ir.Value) -> ir.Value:
    """The largest lane. A NaN may be passed over."""
    builder = v.builder
    return fold(builder, vector, lambda a, b: builder.select(builder.fcmp_ordered(">", a, b), a, b))


def wide(v: Vectors, x: Number) -> ir.Value:
    """A vector in float64."""
    return v.builder.fpext(x.value, wide_zero(v).type) if v.single else x.value


def wide_zero(v: Vectors) -> ir.Constant:
    """A vector of zeros in float64, with as many lanes as `v` has: what sums start from."""
    return ir.Constant(ir.VectorType(DOUBLE, v.width), [0.0] * v.width)


def compensated_add(v: Vectors, total: ir.Value, lost: ir.Value, x: ir.Value) -> list[ir.Value]:
    """``total + x``, and `lost` with what that rounds off, for positive terms (Kahan, 1965; float32 can do without)."""
    builder = v.builder
    after = builder.fadd(total, x)
    if v.single:
        return [after, lost]
    return [after, builder.fadd(lost, builder.fsub(x, builder.fsub(after, total)))]


def total(v: Vectors, vector: ir.Value) -> ir.Value:
    """Sum of the lanes."""
    return fold(v.builder, vector, v.builder.fadd)


def narrow(v: Vectors, number: ir.Value) -> ir.Value:
    """A float64 in the dtype of the vectors."""
    return v.builder.fptrunc(number, v.scalar) if v.single else number
