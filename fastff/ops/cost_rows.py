"""Loss of a row and its gradient, as intrinsics: what `fastff.ops.head` is made of."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from fastff._jit import intrinsic
from fastff.ops.costs import binary_cross_entropy, cross_entropy, sigmoid_cost, squared_error
from fastff.ops.losses import BinaryCrossEntropy, CrossEntropy, SquaredError
from fastff.ops.softmax import rows_value
from fastff.ops.softmax_row import Targets, emit_row
from fastff.simd.arrays import Arrays
from fastff.simd.lanes import I32, I64, Vectors
from fastff.simd.memory import view
from fastff.simd.reduce import DOUBLE, narrow, total, wide, wide_zero
from fastff.simd.sweep import sweep, switch
from fastff.simd.words import Lanes, Number

# beside the codes of losses, closed forms of the logits
SIGMOID_COST, SOFTMAX_COST = 3, 4
_COSTS = {
    SquaredError.code: squared_error,
    CrossEntropy.code: cross_entropy,
    BinaryCrossEntropy.code: binary_cross_entropy,
    SIGMOID_COST: sigmoid_cost,
}


def _targets_twin(like: Any, columns: int, y: int, label: int) -> np.ndarray:
    return view(y, like, columns) if label < 0 else (np.arange(columns) == label).astype(type(like))


class _Targets:
    """Targets of a row: a label from 0, or the numbers that were loaded where the label is negative."""

    def __init__(self, o: Lanes, label: ir.Value) -> None:
        v, builder = o.vectors, o.builder
        self.o, self.label = o, label
        self.lanes = ir.Constant(ir.VectorType(I32, v.width), list(range(v.width)))
        self.given = v.splat(builder.icmp_signed("<", label, I64(0)))

    def __call__(self, loaded: Number, index: ir.Value) -> Number:
        o, builder = self.o, self.o.builder
        place = o.vectors.splat(builder.trunc(builder.sub(self.label, index), I32))
        one = builder.icmp_signed("==", self.lanes, place)
        return o.select(one, 1.0, o.select(self.given, loaded, 0.0))


def _cost_row_twin(
    like: Any, code: int, columns: int, p: int, y: int, label: int, scale: Any, out: int, costs: int
) -> float:
    with np.errstate(all="ignore"):
        x = view(p, like, columns)
        cost, slope = _COSTS[code](Arrays(x.dtype), x, _targets_twin(like, columns, y, label))
        view(costs, like, columns)[:] = cost
        view(out, like, columns)[:] = slope * scale
    return float(cost.sum(dtype=np.float64))


@intrinsic(_cost_row_twin)
def cost_row(typing_context: Any, like: Any, code: Any, columns: Any, p: Any, y: Any, label: Any, scale: Any, out: Any,
             costs: Any) -> Any:  # fmt: skip
    """Sum of the costs of a row; they are written to `costs`, and `scale` times their derivatives then to `out`."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        _, code, columns, p, y, label, scale, out, costs = values
        v = Vectors(builder, like)
        o = Lanes(v)
        targets, factor = _Targets(o, label), o.splat(scale)
        with builder.goto_entry_block():
            result = builder.alloca(DOUBLE)

        def emit(case: int) -> None:
            def body(o: Lanes, x: list, carry: list, mask: ir.Value, index: ir.Value) -> tuple[list, list]:
                cost, slope = _COSTS[case](o, x[0], targets(x[1], index))
                return [cost, slope * factor], [builder.fadd(carry[0], wide(v, o.select(mask, cost, 0.0)))]

            (sums,) = sweep(v, columns, [p, y], [costs, out], body, [wide_zero(v)])
            builder.store(total(v, sums), result)

        switch(builder, code, _COSTS, emit)
        return builder.load(result)

    i = types.int64
    return types.float64(like, i, i, i, i, i, scale, i, i), codegen


def _softmax_cost_row_twin(like: Any, columns: int, z: int, y: int, label: int, scale: Any, out: int) -> float:
    x, targets = view(z, like, columns), _targets_twin(like, columns, y, label)
    with np.errstate(all="ignore"):
        d = x - x.max()
        cost = targets.sum(dtype=np.float64) * np.log(np.exp(d).sum(dtype=np.float64))
        cost -= np.where(targets == 0, 0, targets * d).sum(dtype=np.float64)
        view(out, like, columns)[:] = (rows_value(x) * targets.sum() - targets) * scale
    return float(cost)


@intrinsic(_softmax_cost_row_twin)
def softmax_cost_row(typing_context: Any, like: Any, columns: Any, z: Any, y: Any, label: Any, scale: Any,
                     out: Any) -> Any:  # fmt: skip
    """Cross entropy of the softmax of a row; `out` gets ``scale`` times its gradient."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        _, columns, z, y, label, scale, out = values
        v = Vectors(builder, like)
        o = Lanes(v)
        return emit_row(v, columns, z, out, Targets(y, _Targets(o, label), o.splat(scale)))

    i = types.int64
    return types.float64(like, i, i, i, i, scale, i), codegen


def _through_softmax_twin(like: Any, columns: int, p: int, g: int) -> None:
    x, slope = view(p, like, columns), view(g, like, columns)
    with np.errstate(all="ignore"):
        slope[:] = x * (slope - (slope * x).sum(dtype=np.float64).astype(x.dtype))


@intrinsic(_through_softmax_twin)
def through_softmax(typing_context: Any, like: Any, columns: Any, p: Any, g: Any) -> Any:
    """From the gradient by a softmax' outputs to that by its logits, ``g = p (g - sum(g p))``."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        _, columns, p, g = values
        v = Vectors(builder, like)

        def dot(o: Lanes, x: list, carry: list, mask: ir.Value, index: ir.Value) -> tuple[list, list]:
            return [], [builder.fadd(carry[0], wide(v, x[0] * x[1]))]

        (sums,) = sweep(v, columns, [p, g], [], dot, [wide_zero(v)])
        mean = Lanes(v).splat(narrow(v, total(v, sums)))
        sweep(v, columns, [p, g], [g], lambda o, x, *_: ([x[0] * (x[1] - mean)], []))
        return context.get_dummy_value()

    return types.void(like, *[types.int64] * 3), codegen
