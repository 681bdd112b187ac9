"""Vectors of one register as LLVM values: the small vocabulary that tiles and vector functions are written in."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types

from fastff._cpu import ROW, lanes

I1, I32, I64 = ir.IntType(1), ir.IntType(32), ir.IntType(64)


class Vectors:
    """Emits operations on vectors of one floating-point type into a builder.

    Parameters
    ----------
    builder : llvmlite.ir.IRBuilder
        Where instructions go.
    like : numba type
        float32 or float64.
    width : int, optional
        Numbers in a vector; this machine's register by default.
    """

    def __init__(self, builder: ir.IRBuilder, like: Any, width: int | None = None) -> None:
        self.builder = builder
        self.single = like == types.float32
        self.scalar = ir.FloatType() if self.single else ir.DoubleType()
        self.size = 4 if self.single else 8
        self.width = width or lanes(self.size)
        self.type = ir.VectorType(self.scalar, self.width)
        self.mask_type = ir.VectorType(I1, self.width)
        self.suffix = f"v{self.width}f{8 * self.size}"

    def number(self, address: ir.Value) -> ir.Value:
        """The single number at an address (int64), aligned to its size."""
        loaded = self.builder.load(self.builder.inttoptr(address, self.scalar.as_pointer()))
        loaded.align = self.size
        return loaded

    def splat(self, scalar: ir.Value) -> ir.Value:
        """The vector of one number repeated."""
        kind = ir.VectorType(scalar.type, self.width)
        one = self.builder.insert_element(ir.Constant(kind, ir.Undefined), scalar, I32(0))
        zeros = ir.Constant(ir.VectorType(I32, self.width), [0] * self.width)
        return self.builder.shuffle_vector(one, ir.Constant(kind, ir.Undefined), zeros)

    def constant(self, value: float) -> ir.Constant:
        """The vector of one constant repeated."""
        return ir.Constant(self.type, [value] * self.width)

    def pointer(self, address: ir.Value) -> ir.Value:
        """A vector pointer from an int64 address."""
        return self.builder.inttoptr(address, self.type.as_pointer())

    def load(self, address: ir.Value, mask: ir.Value | None = None) -> ir.Value:
        """The vector at an address (int64); lanes outside the mask are not touched and read as zero."""
        if mask is None:
            loaded = self.builder.load(self.pointer(address))
            loaded.align = self.size
            return loaded
        function = self.intrinsic(
            "masked.load", [self.type.as_pointer(), I32, self.mask_type, self.type], f"{self.suffix}.p0"
        )
        return self.builder.call(function, [self.pointer(address), I32(self.size), mask, self.constant(0.0)])

    def store(self, value: ir.Value, address: ir.Value, mask: ir.Value | None = None) -> None:
        """Write a vector to an address (int64); lanes outside the mask are not touched."""
        if mask is None:
            stored = self.builder.store(value, self.pointer(address))
            stored.align = self.size
            return
        function = self.intrinsic(
            "masked.store", [self.type, self.type.as_pointer(), I32, self.mask_type], f"{self.suffix}.p0", ir.VoidType()
        )
        self.builder.call(function, [value, self.pointer(address), I32(self.size), mask])

    def first(self, count: ir.Value) -> ir.Value:
        """Mask of the first `count` (int64) lanes: none where it is negative, all where it is large."""
        if self.single and self.width >= 8:
            # 32-bit comparisons make one instruction where 64-bit ones make two
            clamped = self.builder.select(self.builder.icmp_signed("<", count, I64(self.width)), count, I64(self.width))
            index = ir.Constant(ir.VectorType(I32, self.width), list(range(self.width)))
            return self.builder.icmp_signed("<", index, self.splat(self.builder.trunc(clamped, I32)))
        index = ir.Constant(ir.VectorType(I64, self.width), list(range(self.width)))
        return self.builder.icmp_signed("<", index, self.splat(count))

    def fma(self, a: ir.Value, b: ir.Value, c: ir.Value) -> ir.Value:
        """``a * b + c`` rounded once, where the machine has it."""
        if ROW.vector_bytes == 16 and ROW.name == "plain":
            return self.builder.fadd(self.builder.fmul(a, b), c)
        return self.builder.call(self.intrinsic("fma", [self.type] * 3, self.suffix), [a, b, c])

    def intrinsic(self, name: str, arguments: list[ir.Type], suffix: str, result: ir.Type | None = None) -> ir.Function:
        """An LLVM intrinsic, declared in the module once."""
        full = f"llvm.{name}.{suffix}"
        found = self.builder.module.globals.get(full)
        if found is None:
            found = ir.Function(self.builder.module, ir.FunctionType(result or self.type, arguments), full)
        return found
