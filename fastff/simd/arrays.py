"""The vocabulary of vector functions on NumPy arrays: formulas are computed at once."""

# ruff: noqa: D102 (the words are explained in fastff.simd.vocabulary, once)

from __future__ import annotations

from typing import Any

import numpy as np

from fastff.simd.vocabulary import (
    HALF_MANTISSA,
    MANTISSA,
    ONE,
    ROOT_HALF,
    anchor_of,
    ldexp_by_products,
    residual_of_halves,
)


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
        self.anchor = anchor_of(self.single)
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

    def over_root(self, a: np.ndarray, x: np.ndarray, e: Any) -> np.ndarray:
        return a / (np.sqrt(x) + e)

    def residual(self, c: Any, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return residual_of_halves(c, a, self._top(a), b, self._top(b))

    def _top(self, x: np.ndarray) -> np.ndarray:
        return (self._bits(x) & self._word(-1 << HALF_MANTISSA[self.single])).view(self.dtype)

    def power(self, t: np.ndarray) -> np.ndarray:
        return ((self._bits(t) << MANTISSA[self.single]) + self._word(ONE[self.single])).view(self.dtype)

    def ldexp(self, x: np.ndarray, k: np.ndarray) -> np.ndarray:
        return ldexp_by_products(self, x, k)

    def split(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        shifted = self._bits(x) + self._word(ONE[self.single] - ROOT_HALF[self.single])
        mantissa = (shifted & self._word((1 << MANTISSA[self.single]) - 1)) + self._word(ROOT_HALF[self.single])
        exponent = (shifted >> MANTISSA[self.single]) - (ONE[self.single] >> MANTISSA[self.single])
        return mantissa.view(self.dtype), exponent.astype(self.dtype)

    def _bits(self, x: np.ndarray) -> Any:
        return np.asarray(x, self.dtype).view(self._word)
