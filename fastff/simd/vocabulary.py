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
``o.over_root(a, x, e)``         a / (√x + e), within 2 units in the last place for a normal x; x not negative
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

MANTISSA = {True: 23, False: 52}  # bits
ROOT_HALF = {True: 0x3F3504F3, False: 0x3FE6A09E667F3BCD}  # bits of the square root of 1/2
ONE = {True: 0x3F800000, False: 0x3FF0000000000000}
LARGEST = {True: float(np.finfo(np.float32).max), False: float(np.finfo(np.float64).max)}
SMALLEST = {True: float(np.finfo(np.float32).tiny), False: float(np.finfo(np.float64).tiny)}  # normal numbers
HALF_MANTISSA = {True: 12, False: 27}  # low bits to clear so that a product of two numbers is exact


def anchor_of(single: bool) -> float:
    """Number whose last bit is worth 1: added to a small number, it rounds it to an integer in its own last bits."""
    return 1.5 * 2.0 ** MANTISSA[single]


def anchor_bits(single: bool) -> int:
    """The anchor's bits."""
    return (
        int(np.float32(anchor_of(True)).view(np.int32)) if single else int(np.float64(anchor_of(False)).view(np.int64))
    )


def residual_of_halves(c: Any, a: Any, a_top: Any, b: Any, b_top: Any) -> Any:
    """``c - a b`` by Dekker's product (1971) of numbers whose top halves are given."""
    a_rest, b_rest = a - a_top, b - b_top
    return ((c - a_top * b_top) - a_top * b_rest - a_rest * b_top) - a_rest * b_rest


def ldexp_by_products(o: Vocabulary, x: Any, k: Any) -> Any:
    """``x 2**k`` by a power that stays normal and a second one, which rounds."""
    step, low, high = (64.0, -60.0, 60.0) if o.single else (128.0, -960.0, 960.0)
    shift = o.select(k < low, step, o.select(k > high, -step, 0.0))
    rest = o.select(k < low, 2.0**-step, o.select(k > high, 2.0**step, 1.0))
    return x * o.power(k + (shift + o.anchor)) * rest


def polynomial_by_halves(o: Vocabulary, x: Any, square: Any, coefficients: Sequence[float]) -> Any:
    """The same polynomial as two of the square, side by side: half the time to wait, where nothing else is to do."""
    even, odd = (polynomial(o, square, coefficients[i::2]) for i in range(2))
    return o.fma(x, odd, even)


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
    def over_root(self, a: Any, x: Any, e: Any) -> Any: ...
    def residual(self, c: Any, a: Any, b: Any) -> Any: ...
    def power(self, t: Any) -> Any: ...
    def ldexp(self, x: Any, k: Any) -> Any: ...
    def split(self, x: Any) -> tuple[Any, Any]: ...


def polynomial(o: Vocabulary, x: Any, coefficients: Sequence[float]) -> Any:
    """``c0 + c1 x + c2 x² + ...`` by Horner's rule."""
    total = o.fma(x, coefficients[-1], coefficients[-2])
    for coefficient in coefficients[-3::-1]:
        total = o.fma(total, x, coefficient)
    return total
