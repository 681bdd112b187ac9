"""Losses of single numbers as formulas: the cost, and its derivative by the prediction or the logit.

Written in the vocabulary of `fastff.simd.vocabulary`. Nothing is clipped: a prediction that a loss has no finite value
for shows as infinite or NaN. The closed form of sigmoid with binary cross entropy is finite for every finite logit.
"""

from __future__ import annotations

from typing import Any

from fastff.simd import functions as f
from fastff.simd.vocabulary import Vocabulary


def sigmoid_cost(o: Vocabulary, z: Any, y: Any) -> tuple[Any, Any]:
    """``y log(1 + exp(-z)) + (1 - y) log(1 + exp(z))``: binary cross entropy of sigmoid(z), and its derivative by z."""
    e = f.exp_negative(o, -o.absolute(z))
    rest = f.log1p_unit(o, e)
    other = 1.0 - y
    cost = _unless_zero(o, y, o.at_least(-z, 0.0) + rest) + _unless_zero(o, other, o.at_least(z, 0.0) + rest)
    up, down = f.sigmoid_pair(o, z)
    return cost, o.fma(other, up, -(y * down))


def squared_error(o: Vocabulary, p: Any, y: Any) -> tuple[Any, Any]:
    """``(p - y)²``, and its derivative by p."""
    d = p - y
    return d * d, d + d


def cross_entropy(o: Vocabulary, p: Any, y: Any) -> tuple[Any, Any]:
    """``-y log(p)``, and its derivative by p; both 0 where y is."""
    return -_unless_zero(o, y, f.log(o, p)), -_unless_zero(o, y, 1.0 / p)


def binary_cross_entropy(o: Vocabulary, p: Any, y: Any) -> tuple[Any, Any]:
    """``-y log(p) - (1 - y) log(1 - p)``, and its derivative by p; each term 0 where its factor is."""
    cost, slope = cross_entropy(o, p, y)
    other, other_slope = cross_entropy(o, 1.0 - p, 1.0 - y)
    return cost + other, slope - other_slope


def _unless_zero(o: Vocabulary, y: Any, x: Any) -> Any:
    """``y x``, and 0 where y is 0, whatever x."""
    return o.select(y == 0.0, 0.0, y * x)
