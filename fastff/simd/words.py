"""The vocabulary of vector functions on LLVM vectors: formulas become machine code."""

# ruff: noqa: D102 (the words are explained in fastff.simd.vocabulary, once)

from __future__ import annotations

from typing import Any

from llvmlite import ir

from fastff._cpu import ROW
from fastff.simd.lanes import I32, Vectors
from fastff.simd.vocabulary import (
    HALF_MANTISSA,
    LARGEST,
    MANTISSA,
    ONE,
    ROOT_HALF,
    SMALLEST,
    anchor_bits,
    anchor_of,
    ldexp_by_products,
    residual_of_halves,
)


class Number:
    """An LLVM vector with Python's operators."""

    __slots__ = ("o", "value")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, o: Lanes, value: ir.Value) -> None:
        self.o = o
        self.value = value

    def __add__(self, other: Any) -> Number:
        return Number(self.o, self.o.builder.fadd(self.value, self.o.raw(other)))

    def __sub__(self, other: Any) -> Number:
        return Number(self.o, self.o.builder.fsub(self.value, self.o.raw(other)))

    def __mul__(self, other: Any) -> Number:
        return Number(self.o, self.o.builder.fmul(self.value, self.o.raw(other)))

    def __truediv__(self, other: Any) -> Number:
        return Number(self.o, self.o.builder.fdiv(self.value, self.o.raw(other)))

    def __radd__(self, other: Any) -> Number:
        return self + other

    def __rmul__(self, other: Any) -> Number:
        return self * other

    def __rsub__(self, other: Any) -> Number:
        return Number(self.o, self.o.builder.fsub(self.o.raw(other), self.value))

    def __rtruediv__(self, other: Any) -> Number:
        return Number(self.o, self.o.builder.fdiv(self.o.raw(other), self.value))

    def __neg__(self) -> Number:
        return Number(self.o, self.o.builder.fneg(self.value))

    def __lt__(self, other: Any) -> ir.Value:
        return self.o.builder.fcmp_ordered("<", self.value, self.o.raw(other))

    def __gt__(self, other: Any) -> ir.Value:
        return self.o.builder.fcmp_ordered(">", self.value, self.o.raw(other))

    def __eq__(self, other: Any) -> ir.Value:  # type: ignore[override]
        return self.o.builder.fcmp_ordered("==", self.value, self.o.raw(other))


class Lanes:
    """The vocabulary on LLVM vectors.

    Parameters
    ----------
    vectors : Vectors
        The kind of vector, and the builder that instructions go to.
    """

    def __init__(self, vectors: Vectors) -> None:
        self.vectors, self.builder, self.single = vectors, vectors.builder, vectors.single
        self.anchor = anchor_of(self.single)
        self._word = ir.IntType(32 if self.single else 64)

    def raw(self, x: Any) -> ir.Value:
        """The LLVM value of a number or of a Python constant."""
        return x.value if isinstance(x, Number) else self.vectors.constant(float(x))

    def wrap(self, value: ir.Value) -> Number:
        """An LLVM vector as a number of the vocabulary."""
        return Number(self, value)

    def splat(self, scalar: ir.Value) -> Number:
        """An LLVM scalar as a number of the vocabulary."""
        return Number(self, self.vectors.splat(scalar))

    def fma(self, a: Any, b: Any, c: Any) -> Number:
        return Number(self, self.vectors.fma(self.raw(a), self.raw(b), self.raw(c)))

    def select(self, mask: ir.Value, a: Any, b: Any) -> Number:
        return Number(self, self.builder.select(mask, self.raw(a), self.raw(b)))

    def at_least(self, x: Number, low: Any) -> Number:
        # compared this way round it is one instruction of x86 and hands a NaN of x on
        low = self.raw(low)
        return Number(self, self.builder.select(self.builder.fcmp_ordered(">", low, x.value), low, x.value))

    def at_most(self, x: Number, high: Any) -> Number:
        high = self.raw(high)
        return Number(self, self.builder.select(self.builder.fcmp_ordered("<", high, x.value), high, x.value))

    def _call(self, name: str, *values: ir.Value) -> Number:
        v = self.vectors
        return Number(self, self.builder.call(v.intrinsic(name, [v.type] * len(values), v.suffix), values))

    def absolute(self, x: Number) -> Number:
        return self._call("fabs", x.value)

    def copysign(self, size: Number, sign: Number) -> Number:
        return self._call("copysign", size.value, sign.value)

    def over_root(self, a: Number, x: Number, e: Number) -> Number:
        v = self.vectors
        if ROW.name != "avx512" or v.width * v.size != 64:
            return a / (self._call("sqrt", x.value) + e)
        # A root and a division keep their unit busy for 22 cycles in float32 and 35 in float64; Newton's steps from
        # guesses of 14 bits share the multiply-adds' units and take half as long. 0 and infinity would meet in them;
        # subnormal numbers, whose roots are below 1e-18, would make the instructions slow.
        x = self.at_most(x, LARGEST[self.single])
        guess = self._guess("rsqrt14", self.at_least(x, SMALLEST[self.single]))
        if not self.single:
            guess = self.fma(self.fma(-(x * guess), guess, 1.0), guess * 0.5, guess)
        root = x * guess
        divisor = self.fma(self.fma(-root, root, x), guess * 0.5, root) + e
        inverse = self._guess("rcp14", divisor)
        for _ in range(1 if self.single else 2):
            inverse = self.fma(self.fma(-divisor, inverse, 1.0), inverse, inverse)
        quotient = a * inverse
        return self.fma(self.fma(-divisor, quotient, a), inverse, quotient)

    def _guess(self, name: str, x: Number) -> Number:
        """An approximation by the AVX-512 instruction of that name."""
        v = self.vectors
        full = f"llvm.x86.avx512.{name}.{'ps' if self.single else 'pd'}.512"
        mask = ir.IntType(v.width)
        function = self.builder.module.globals.get(full) or ir.Function(
            self.builder.module, ir.FunctionType(v.type, [v.type, v.type, mask]), full
        )
        return self.wrap(self.builder.call(function, [x.value, v.constant(0.0), mask(-1)]))

    def residual(self, c: Any, a: Number, b: Number) -> Number:
        if ROW.name != "plain":
            return self.fma(-a, b, c)
        return residual_of_halves(c, a, self._top(a), b, self._top(b))

    def _top(self, x: Number) -> Number:
        return self._number(self.builder.and_(self._bits(x), self._integer(-1 << HALF_MANTISSA[self.single])))

    def power(self, t: Number) -> Number:
        bits = self.builder.shl(self._bits(t), self._integer(MANTISSA[self.single]))
        return self._number(self.builder.add(bits, self._integer(ONE[self.single])))

    def ldexp(self, x: Number, k: Number) -> Number:
        v = self.vectors
        if ROW.name != "avx512" or v.width * v.size != 64:
            return ldexp_by_products(self, x, k)
        mask = ir.IntType(v.width)
        kind = "ps" if self.single else "pd"
        name = f"llvm.x86.avx512.mask.scalef.{kind}.512"
        function = self.builder.module.globals.get(name) or ir.Function(
            self.builder.module, ir.FunctionType(v.type, [v.type, v.type, v.type, mask, I32]), name
        )
        return self.wrap(self.builder.call(function, [x.value, k.value, x.value, mask(-1), I32(4)]))

    def split(self, x: Number) -> tuple[Number, Number]:
        builder, single = self.builder, self.single
        shifted = builder.add(self._bits(x), self._integer(ONE[single] - ROOT_HALF[single]))
        exponent = builder.lshr(shifted, self._integer(MANTISSA[single]))
        mantissa = builder.and_(shifted, self._integer((1 << MANTISSA[single]) - 1))
        whole = self._number(builder.add(exponent, self._integer(anchor_bits(single))))
        bias = ONE[single] >> MANTISSA[single]
        return self._number(builder.add(mantissa, self._integer(ROOT_HALF[single]))), whole - (self.anchor + bias)

    def _integer(self, value: int) -> ir.Constant:
        return ir.Constant(ir.VectorType(self._word, self.vectors.width), [value] * self.vectors.width)

    def _bits(self, x: Number) -> ir.Value:
        return self.builder.bitcast(x.value, ir.VectorType(self._word, self.vectors.width))

    def _number(self, bits: ir.Value) -> Number:
        return Number(self, self.builder.bitcast(bits, self.vectors.type))
