"""The vocabulary of vector functions, with two interpreters: LLVM vectors, and NumPy arrays.

A formula takes an interpreter `o` and numbers `x`; it is written with Python's operators and the words below. `Lanes`
turns it into machine code, `Arrays` computes it at once: so a formula and its twin are the same text.

==============================  ===============================================================
word                            meaning
==============================  ===============================================================
``o.single``                    float32, not float64
``o.fma(a, b, c)``              a b + c, rounded once where the machine can
``o.select(mask, a, b)``        a where the mask holds, else b
``o.at_least(x, low)``          the larger of the two; x where it is NaN
``o.at_most(x, high)``          the smaller of the two; x where it is NaN
``o.absolute(x)``               magnitude
``o.copysign(size, sign)``      magnitude of one, sign of the other
``o.root(x)``                   square root
``o.residual(c, a, b)``         c - a b, exact but for one rounding, where c is a b rounded
``o.power(t)``                  2**k of ``t = k + o.anchor``, where k is an integer and 2**k a normal number
``o.ldexp(x, k)``               x 2**k, rounded once, for x not far from 1 and any integer k
``o.split(x)``                  m and k of ``x = m 2**k``, m between √½ and √2; x positive, not subnormal
==============================  ===============================================================

Comparisons with ``<``, ``>``, ``==`` give masks; a comparison with NaN does not hold.
"""

# ruff: noqa: D102 (the words are explained in the table above, once)

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from llvmlite import ir

from fastff._cpu import ROW
from fastff.simd.lanes import I32, Vectors

_MANTISSA = {True: 23, False: 52}  # bits
_ROOT_HALF = {True: 0x3F3504F3, False: 0x3FE6A09E667F3BCD}  # bits of the square root of 1/2
_ONE = {True: 0x3F800000, False: 0x3FF0000000000000}
_HALF_MANTISSA = {True: 12, False: 27}  # low bits to clear so that a product of two numbers is exact


def _anchor(single: bool) -> float:
    """Number whose last bit is worth 1: added to a small number, it rounds it to an integer in its own last bits."""
    return 1.5 * 2.0 ** _MANTISSA[single]


def _anchor_bits(single: bool) -> int:
    return int(np.float32(_anchor(True)).view(np.int32)) if single else int(np.float64(_anchor(False)).view(np.int64))


def _residual(c: Any, a: Any, a_top: Any, b: Any, b_top: Any) -> Any:
    """``c - a b`` by Dekker's product (1971) of numbers whose top halves are given."""
    a_rest, b_rest = a - a_top, b - b_top
    return ((c - a_top * b_top) - a_top * b_rest - a_rest * b_top) - a_rest * b_rest


def _ldexp(o: Vocabulary, x: Any, k: Any) -> Any:
    """``x 2**k`` by a power that stays normal and a second one, which rounds."""
    step, low, high = (64.0, -60.0, 60.0) if o.single else (128.0, -960.0, 960.0)
    shift = o.select(k < low, step, o.select(k > high, -step, 0.0))
    rest = o.select(k < low, 2.0**-step, o.select(k > high, 2.0**step, 1.0))
    return x * o.power(k + (shift + o.anchor)) * rest


class Vocabulary(Protocol):
    """What a formula may say."""

    single: bool
    anchor: float

    def fma(self, a: Any, b: Any, c: Any) -> Any: ...
    def select(self, mask: Any, a: Any, b: Any) -> Any: ...
    def at_least(self, x: Any, low: Any) -> Any: ...
    def at_most(self, x: Any, high: Any) -> Any: ...
    def absolute(self, x: Any) -> Any: ...
    def copysign(self, size: Any, sign: Any) -> Any: ...
    def root(self, x: Any) -> Any: ...
    def residual(self, c: Any, a: Any, b: Any) -> Any: ...
    def power(self, t: Any) -> Any: ...
    def ldexp(self, x: Any, k: Any) -> Any: ...
    def split(self, x: Any) -> tuple[Any, Any]: ...


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
        self.anchor = _anchor(self.single)
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

    def root(self, x: Number) -> Number:
        return self._call("sqrt", x.value)

    def residual(self, c: Any, a: Number, b: Number) -> Number:
        if ROW.name != "plain":
            return self.fma(-a, b, c)
        return _residual(c, a, self._top(a), b, self._top(b))

    def _top(self, x: Number) -> Number:
        return self._number(self.builder.and_(self._bits(x), self._integer(-1 << _HALF_MANTISSA[self.single])))

    def power(self, t: Number) -> Number:
        bits = self.builder.shl(self._bits(t), self._integer(_MANTISSA[self.single]))
        return self._number(self.builder.add(bits, self._integer(_ONE[self.single])))

    def ldexp(self, x: Number, k: Number) -> Number:
        v = self.vectors
        if ROW.name != "avx512" or v.width * v.size != 64:
            return _ldexp(self, x, k)
        mask = ir.IntType(v.width)
        kind = "ps" if self.single else "pd"
        name = f"llvm.x86.avx512.mask.scalef.{kind}.512"
        function = self.builder.module.globals.get(name) or ir.Function(
            self.builder.module, ir.FunctionType(v.type, [v.type, v.type, v.type, mask, I32]), name
        )
        return self.wrap(self.builder.call(function, [x.value, k.value, x.value, mask(-1), I32(4)]))

    def split(self, x: Number) -> tuple[Number, Number]:
        builder, single = self.builder, self.single
        shifted = builder.add(self._bits(x), self._integer(_ONE[single] - _ROOT_HALF[single]))
        exponent = builder.lshr(shifted, self._integer(_MANTISSA[single]))
        mantissa = builder.and_(shifted, self._integer((1 << _MANTISSA[single]) - 1))
        whole = self._number(builder.add(exponent, self._integer(_anchor_bits(single))))
        bias = _ONE[single] >> _MANTISSA[single]
        return self._number(builder.add(mantissa, self._integer(_ROOT_HALF[single]))), whole - (self.anchor + bias)

    def _integer(self, value: int) -> ir.Constant:
        return ir.Constant(ir.VectorType(self._word, self.vectors.width), [value] * self.vectors.width)

    def _bits(self, x: Number) -> ir.Value:
        return self.builder.bitcast(x.value, ir.VectorType(self._word, self.vectors.width))

    def _number(self, bits: ir.Value) -> Number:
        return Number(self, self.builder.bitcast(bits, self.vectors.type))


class Arrays:
    """The vocabulary on NumPy arrays of one dtype.

    Parameters
    ----------
    dtype : dtype
        float32 or float64.
    """

    def __init__(self, dtype: Any) -> None:
        self.dtype = np.dtype(dtype)
        self.single = self.dtype == np.float32
        self.anchor = _anchor(self.single)
        self._word: Any = np.int32 if self.single else np.int64

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        return a * b + c

    def select(self, mask: Any, a: Any, b: Any) -> np.ndarray:
        return np.where(mask, a, b).astype(self.dtype, copy=False)

    def at_least(self, x: np.ndarray, low: Any) -> np.ndarray:
        return self.select(np.greater(low, x), low, x)

    def at_most(self, x: np.ndarray, high: Any) -> np.ndarray:
        return self.select(np.less(high, x), high, x)

    def absolute(self, x: np.ndarray) -> np.ndarray:
        return np.abs(x)

    def copysign(self, size: np.ndarray, sign: np.ndarray) -> np.ndarray:
        return np.copysign(size, sign)

    def root(self, x: np.ndarray) -> np.ndarray:
        return np.sqrt(x)

    def residual(self, c: Any, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return _residual(c, a, self._top(a), b, self._top(b))

    def _top(self, x: np.ndarray) -> np.ndarray:
        return (self._bits(x) & self._word(-1 << _HALF_MANTISSA[self.single])).view(self.dtype)

    def power(self, t: np.ndarray) -> np.ndarray:
        return ((self._bits(t) << _MANTISSA[self.single]) + self._word(_ONE[self.single])).view(self.dtype)

    def ldexp(self, x: np.ndarray, k: np.ndarray) -> np.ndarray:
        return _ldexp(self, x, k)

    def split(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        shifted = self._bits(x) + self._word(_ONE[self.single] - _ROOT_HALF[self.single])
        mantissa = (shifted & self._word((1 << _MANTISSA[self.single]) - 1)) + self._word(_ROOT_HALF[self.single])
        exponent = (shifted >> _MANTISSA[self.single]) - (_ONE[self.single] >> _MANTISSA[self.single])
        return mantissa.view(self.dtype), exponent.astype(self.dtype)

    def _bits(self, x: np.ndarray) -> Any:
        return np.asarray(x, self.dtype).view(self._word)


def polynomial(o: Vocabulary, x: Any, coefficients: Sequence[float]) -> Any:
    """``c0 + c1 x + c2 x² + ...`` by Horner's rule."""
    total = o.fma(x, coefficients[-1], coefficients[-2])
    for coefficient in coefficients[-3::-1]:
        total = o.fma(total, x, coefficient)
    return total
