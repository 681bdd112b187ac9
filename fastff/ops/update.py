"""Update rules in compiled sweeps over the flat parameter vector.

With the gradient g, the learning rate r and ``f = 1 - r decay``:

====================  ====  ===================================================
rule                  code  equation
====================  ====  ===================================================
gradient descent      0     ``w = f w - r g``
momentum              1     ``m = b m + g``, ``w = f w - r m``
Nesterov's momentum   2     ``m = b m + g``, ``w = f w - r (g + b m)``
Adam                  3     ``m = b m + (1 - b) g``, ``v = b2 v + (1 - b2) g²``,
                            ``w = f w - (r √c2 / c1) m / (√v + e √c2)``
====================  ====  ===================================================

``c1 = 1 - b**t`` and ``c2 = 1 - b2**t`` make Adam's moments unbiased at update t (Kingma and Ba, 2015); the decay is
decoupled from the gradient (Loshchilov and Hutter, 2019). In this form Adam is one root and one division a number.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from fastff._jit import intrinsic, unit
from fastff.simd.arrays import Arrays
from fastff.simd.lanes import Vectors
from fastff.simd.memory import number, view
from fastff.simd.sweep import sweep, switch
from fastff.simd.vocabulary import Vocabulary
from fastff.simd.words import Lanes

ADAM = 3


def _descent(o: Vocabulary, s: dict[str, Any], w: Any, g: Any) -> list[Any]:
    return [o.fma(-s["rate"], g, w * s["keep"])]


def _momentum(o: Vocabulary, s: dict[str, Any], w: Any, g: Any, m: Any) -> list[Any]:
    m = o.fma(s["beta1"], m, g)
    return [o.fma(-s["rate"], m, w * s["keep"]), m]


def _nesterov(o: Vocabulary, s: dict[str, Any], w: Any, g: Any, m: Any) -> list[Any]:
    m = o.fma(s["beta1"], m, g)
    return [o.fma(-s["rate"], o.fma(s["beta1"], m, g), w * s["keep"]), m]


def _adam(o: Vocabulary, s: dict[str, Any], w: Any, g: Any, m: Any, v: Any) -> list[Any]:
    m = o.fma(s["beta1"], m, g * s["rest1"])
    v = o.fma(s["beta2"], v, g * g * s["rest2"])
    return [o.fma(-s["rate"], o.over_root(m, v, s["epsilon"]), w * s["keep"]), m, v]


_RULES: dict[int, Any] = {0: _descent, 1: _momentum, 2: _nesterov, ADAM: _adam}
_STATES = {0: 0, 1: 1, 2: 1, ADAM: 2}
_SCALARS = ("keep", "rate", "beta1", "rest1", "beta2", "rest2", "epsilon")


def _update_twin(code: int, n: int, w: int, g: int, m: int, v: int, *scalars: Any) -> None:
    like = scalars[0]
    arrays = [view(address, like, n) for address in (w, g, m, v)[: 2 + _STATES[code]]]
    with np.errstate(all="ignore"):
        results = _RULES[code](Arrays(arrays[0].dtype), dict(zip(_SCALARS, scalars)), *arrays)
    for array, result in zip(arrays[:1] + arrays[2:], results):
        array[:] = result


@intrinsic(_update_twin)
def _update(typing_context: Any, code: Any, n: Any, w: Any, g: Any, m: Any, v: Any, keep: Any, rate: Any, beta1: Any,
            rest1: Any, beta2: Any, rest2: Any, epsilon: Any) -> Any:  # fmt: skip
    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        vectors = Vectors(builder, keep)
        o = Lanes(vectors)
        scalars = {name: o.splat(value) for name, value in zip(_SCALARS, values[6:])}

        def emit(case: int) -> None:
            sources = list(values[2 : 4 + _STATES[case]])
            targets = sources[:1] + sources[2:]
            sweep(vectors, values[1], sources, targets, lambda o, x, *_: (_RULES[case](o, scalars, *x), []))

        switch(builder, values[0], _RULES, emit)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 6, *[keep] * 7), codegen


@unit("iiiiiiddddddd")
def update(
    like: Any,
    code: int,
    n: int,
    w: int,
    g: int,
    m: int,
    v: int,
    learning_rate: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    decay: float,
    correction1: float,
    correction2: float,
) -> int:
    """Make one update of n parameters.

    Parameters
    ----------
    code : int
        The rule, see the module's table.
    n : int
        How many parameters.
    w, g : int
        Addresses of parameters and gradient. *Updated*; *read.*
    m, v : int
        Addresses of the velocity or first moments, and of the second moments; not touched where the rule has none.
        *Updated.*
    learning_rate : float
        r of the equations.
    beta1, beta2 : float
        b: the momentum, or the decay rate of the first moments; decay rate of the second moments.
    epsilon : float
        e, added to the root of the unbiased second moment.
    decay : float
        Rate of weight decay.
    correction1, correction2 : float
        c1 and c2, of Adam only.
    """
    rate = learning_rate
    if code == ADAM:
        root = math.sqrt(correction2)
        rate = learning_rate * root / correction1
        epsilon = epsilon * root
    _update(
        code,
        n,
        w,
        g,
        m,
        v,
        number(1.0 - learning_rate * decay, like),
        number(rate, like),
        number(beta1, like),
        number(1.0 - beta1, like),
        number(beta2, like),
        number(1.0 - beta2, like),
        number(epsilon, like),
    )
    return 0
