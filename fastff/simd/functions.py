"""The exponential family as formulas: at most 4 units in the last place, exact limits, NaN kept.

Each formula is written once in the vocabulary of `fastff.simd.vocabulary`. What they share:

* ``exp(x) = 2**k (1 + u)`` with ``u = expm1(r)`` and ``r = x - k ln 2`` between -ln 2 / 2 and ln 2 / 2; ln 2 is split
  in two so that the first product is exact with and without fused multiply-add (Cody and Waite, 1980).
* Arguments of the exponential are never positive, so nothing overflows; ``2**k`` is multiplied last, so that a result
  below the normal range is rounded once.
* ``log1p`` and ``log`` are ``2 artanh(s)``, ``s = e / (2 + e)``.
* The normal tail is ``Phi(-a) = exp(-a²/2) P(q) / (a + K)`` with ``q = (a - K) / (a + K)``, and a² in two parts.

Polynomials and bounds are in `fastff.simd.coefficients`.

Examples
--------
>>> import numpy as np
>>> from fastff.simd.arrays import Arrays
>>> softplus(Arrays(np.float64), np.array([-1.0, 0.0, 100.0]))
array([  0.31326169,   0.69314718, 100.        ])
"""

from __future__ import annotations

import math
from typing import Any

from fastff.simd.coefficients import DOUBLE, SINGLE, Coefficients
from fastff.simd.vocabulary import Vocabulary, polynomial, polynomial_by_halves

LEAKY_SLOPE = 0.01


def _constants(o: Vocabulary) -> Coefficients:
    return SINGLE if o.single else DOUBLE


def _reduced(o: Vocabulary, x: Any, low: Any = None) -> tuple[Any, Any, Any]:
    """Give u, k and t of ``exp(x + low) = (1 + u) 2**k``, ``t = k + o.anchor``."""
    c = _constants(o)
    t = o.fma(x, 1 / math.log(2), o.anchor)
    k = t - o.anchor
    r = o.fma(k, -c.ln2_low, o.fma(k, -c.ln2_high, x))
    if low is not None:
        r = r + low
    square = r * r
    return o.fma(square, polynomial_by_halves(o, r, square, c.exp), r), k, t


def exp(o: Vocabulary, x: Any) -> Any:
    """``exp(x)``."""
    c = _constants(o)
    u, k, _ = _reduced(o, o.at_most(o.at_least(x, c.lowest), -c.lowest))
    return o.ldexp(u + 1.0, k)


def exp_negative(o: Vocabulary, x: Any) -> Any:
    """``exp(x)`` where x is not positive."""
    u, k, _ = _reduced(o, x)
    return o.select(x < _constants(o).lowest, 0.0, o.ldexp(u + 1.0, k))


def exp_difference(o: Vocabulary, x: Any, top: Any) -> Any:
    """``exp(x - top)`` where x is not above top, with what the difference loses by rounding (Knuth's sum, 1969)."""
    d = x - top
    back = d - x
    u, k, _ = _reduced(o, d, (x - (d - back)) - (top + back))
    return o.select(d < _constants(o).lowest, 0.0, o.ldexp(u + 1.0, k))


def expm1_negative(o: Vocabulary, x: Any) -> Any:
    """``exp(x) - 1`` where x is not positive."""
    u, _, t = _reduced(o, o.at_least(x, _constants(o).vanish))
    power = o.power(t)
    return o.fma(power, u, power - 1.0)


def log1p_unit(o: Vocabulary, e: Any) -> Any:
    """``log(1 + e)`` for e from 0 to 1."""
    twice = (e + e) / (e + 2.0)
    w = 0.25 * twice * twice
    return o.fma(twice * w, polynomial(o, w, _constants(o).artanh), twice)


def log(o: Vocabulary, x: Any) -> Any:
    """``log(x)`` of any x: -inf at 0, NaN below."""
    c = _constants(o)
    small = x < c.tiny
    m, k = o.split(o.select(small, x * 2.0**64, x))
    k = k - o.select(small, 64.0, 0.0)
    f = m - 1.0
    s = f / (f + 2.0)
    w = s * s
    twice = s + s
    rest = o.fma(twice * w, polynomial(o, w, c.artanh), k * c.ln2_low)
    value = o.fma(k, c.ln2_high, twice + rest)
    value = o.select(x < math.inf, value, x)
    return o.select(x > 0.0, value, o.select(x == 0.0, -math.inf, o.select(x < 0.0, math.nan, x)))


def relu(o: Vocabulary, x: Any) -> Any:
    """``max(x, 0)``, NaN kept."""
    return o.at_least(x, 0.0)


def leaky_relu(o: Vocabulary, x: Any) -> Any:
    """The value is x above 0, else 0.01 x."""
    return o.select(x > 0.0, x, x * LEAKY_SLOPE)


def sigmoid(o: Vocabulary, x: Any) -> Any:
    """``1 / (1 + exp(-x))``."""
    e = exp_negative(o, -o.absolute(x))
    return o.select(x < 0.0, e, 1.0) / (e + 1.0)


def tanh(o: Vocabulary, x: Any) -> Any:
    """``(1 - exp(-2|x|)) / (1 + exp(-2|x|))`` with the sign of x."""
    e = expm1_negative(o, o.absolute(x) * -2.0)
    return o.copysign(e / (e + 2.0), x)


def elu(o: Vocabulary, x: Any) -> Any:
    """The value is x above 0, else ``exp(x) - 1``."""
    return o.select(x > 0.0, x, expm1_negative(o, o.at_most(x, 0.0)))


def silu(o: Vocabulary, x: Any) -> Any:
    """``x / (1 + exp(-x))``."""
    size, lowest = -o.absolute(x), _constants(o).lowest
    u, k, _ = _reduced(o, size)
    m = u + 1.0
    e = o.select(size < lowest, 0.0, o.ldexp(m, k))
    below = x < 0.0
    value = x * o.select(below, m, 1.0) / (e + 1.0)
    return o.select(x < lowest, 0.0, o.ldexp(value, o.select(below, k, 0.0)))


def softplus(o: Vocabulary, x: Any) -> Any:
    """``max(x, 0) + log(1 + exp(-|x|))``."""
    return o.at_least(x, 0.0) + log1p_unit(o, exp_negative(o, -o.absolute(x)))


def _normal_tail(o: Vocabulary, x: Any) -> tuple[Any, Any, Any, Any]:
    """Give a, m, k, R: ``a = min(|x|, far)``, ``exp(-a²/2) = m 2**k``, ``Phi(-a) = m 2**k R``."""
    c = _constants(o)
    a = o.at_most(o.absolute(x), c.far)
    square = a * a
    u, k, _ = _reduced(o, square * -0.5, o.residual(square, a, a) * 0.5)
    bottom = a + c.middle
    t = 1.0 / bottom
    # what t lacks of the reciprocal: at small a the polynomial would make three units of one
    lack = o.fma(bottom - c.middle - a, t, o.residual(1.0, t, bottom))
    q = o.fma(t * lack, -2.0 * c.middle, o.fma(t, -2.0 * c.middle, 1.0))
    return a, u + 1.0, k, polynomial(o, q, c.tail) * o.fma(t, lack, t)


def gelu(o: Vocabulary, x: Any) -> Any:
    """``x Phi(x)``, Phi the normal distribution function: for ``x > 0``, ``x - x Phi(-x)``."""
    a, m, k, ratio = _normal_tail(o, x)
    tail = o.select(x < -_constants(o).far, 0.0, o.ldexp(a * (m * ratio), k))
    # the tail of a large x does not show
    return o.at_least(x, 0.0) - o.select(x > 9.0, 0.0, tail)


def sigmoid_pair(o: Vocabulary, x: Any) -> tuple[Any, Any]:
    """``sigmoid(x)`` and ``sigmoid(-x)``, both accurate."""
    e = exp_negative(o, -o.absolute(x))
    near = 1.0 / (e + 1.0)
    far = e * near
    below = x < 0.0
    return o.select(below, far, near), o.select(below, near, far)


def silu_slope(o: Vocabulary, x: Any) -> Any:
    """Derivative of `silu` at x."""
    c = _constants(o)
    up, down = sigmoid_pair(o, x)
    return up * o.fma(o.at_most(o.at_least(x, c.lowest), -c.lowest), down, 1.0)


def gelu_slope(o: Vocabulary, x: Any) -> Any:
    """Derivative of `gelu` at x, ``Phi(x) + x exp(-x²/2) / √(2 pi)``."""
    a, m, k, ratio = _normal_tail(o, x)
    e = o.ldexp(m, k)
    tail = e * ratio
    return o.fma(o.copysign(a, x) * (2 * math.pi) ** -0.5, e, o.select(x < 0.0, tail, 1.0 - tail))
