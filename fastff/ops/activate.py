"""Activations and their derivatives, in compiled sweeps over adjacent numbers.

`activate` is the activation of every number; `derivative` multiplies a gradient by its slope, which is a function of
the output h, or for gelu and silu of the input z. Softmax works on rows, see `fastff.ops.softmax`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from fastff._jit import intrinsic, unit
from fastff.ops.activations import ELU, GELU, IDENTITY, LEAKY_RELU, LEAKY_SLOPE, RELU, SIGMOID, SILU, SOFTPLUS, TANH
from fastff.simd import functions as f
from fastff.simd.arrays import Arrays
from fastff.simd.lanes import Vectors
from fastff.simd.memory import view
from fastff.simd.sweep import sweep, switch

FORMULAS = {
    RELU: f.relu,
    LEAKY_RELU: f.leaky_relu,
    SIGMOID: f.sigmoid,
    TANH: f.tanh,
    ELU: f.elu,
    GELU: f.gelu,
    SILU: f.silu,
    SOFTPLUS: f.softplus,
}
_FROM_INPUT = {GELU: f.gelu_slope, SILU: f.silu_slope}
SLOPES = {
    # h * 0 is 0, or the NaN that h is
    RELU: lambda o, h: o.select(h > 0.0, 1.0, h * 0.0),
    LEAKY_RELU: lambda o, h: o.select(h > 0.0, 1.0, o.select(h == h, LEAKY_SLOPE, h)),
    SIGMOID: lambda o, h: h * (1.0 - h),
    TANH: lambda o, h: o.fma(-h, h, 1.0),
    ELU: lambda o, h: o.select(h > 0.0, 1.0, h + 1.0),
    SOFTPLUS: lambda o, h: -f.expm1_negative(o, -h),
    **_FROM_INPUT,
}


def value(code: int, x: np.ndarray) -> np.ndarray:
    """Activation of an array by NumPy, by the formulas that are compiled (softmax excepted)."""
    with np.errstate(all="ignore"):
        return x if code == IDENTITY else FORMULAS[code](Arrays(x.dtype), x)


def slope(code: int, x: np.ndarray) -> np.ndarray:
    """Derivative by NumPy, from the output, or for gelu and silu from the input."""
    with np.errstate(all="ignore"):
        return np.ones_like(x) if code == IDENTITY else SLOPES[code](Arrays(x.dtype), x)


def _activate_twin(like: Any, code: int, n: int, z: int, h: int) -> None:
    view(h, like, n)[:] = value(code, view(z, like, n))


@intrinsic(_activate_twin)
def _activate(typing_context: Any, like: Any, code: Any, n: Any, z: Any, h: Any) -> Any:
    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        _, code, n, z, h = values
        v = Vectors(builder, like)

        def emit(case: int) -> None:
            formula = FORMULAS.get(case, lambda o, x: x)
            sweep(v, n, [z], [h], lambda o, x, carry, mask, index: ([formula(o, x[0])], []))

        switch(builder, code, [IDENTITY, *FORMULAS], emit)
        return context.get_dummy_value()

    return types.void(like, *[types.int64] * 4), codegen


def _derivative_twin(like: Any, code: int, n: int, h: int, z: int, g: int) -> None:
    if code != IDENTITY:
        with np.errstate(all="ignore"):
            view(g, like, n)[:] *= slope(code, view(z if code in _FROM_INPUT else h, like, n))


@intrinsic(_derivative_twin)
def _derivative(typing_context: Any, like: Any, code: Any, n: Any, h: Any, z: Any, g: Any) -> Any:
    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        _, code, n, h, z, g = values
        v = Vectors(builder, like)

        def emit(case: int) -> None:
            source = z if case in _FROM_INPUT else h
            sweep(v, n, [source, g], [g], lambda o, x, carry, mask, index: ([x[1] * SLOPES[case](o, x[0])], []))

        switch(builder, code, SLOPES, emit)
        return context.get_dummy_value()

    return types.void(like, *[types.int64] * 5), codegen


@unit("iiii")
def activate(like: Any, code: int, n: int, z: int, h: int) -> int:
    """``h[:n] = activation(z[:n])``, flat.

    Parameters
    ----------
    code : int
        A hidden activation's code, see `fastff.ops.activations`.
    n : int
        How many numbers.
    z : int
        Address of the inputs. *Read.*
    h : int
        Address of the outputs. *Written*; may be `z`.
    """
    if code != IDENTITY or z != h:
        _activate(like, code, n, z, h)
    return 0


@unit("iiiii")
def derivative(like: Any, code: int, n: int, h: int, z: int, g: int) -> int:
    """``g[:n] *= activation'``, flat, from the outputs h (gelu and silu: from the inputs z, and h is not touched).

    A NaN of h shows in g.

    Parameters
    ----------
    code : int
        A hidden activation's code.
    n : int
        How many numbers.
    h, z : int
        Addresses of outputs and inputs. *Read*: z for gelu and silu, h for the others.
    g : int
        Address of the gradient. *Updated.*
    """
    _derivative(like, code, n, h, z, g)
    return 0
