"""The head of a network: from the last layer's logits and the targets to the loss of each row and its gradient.

Softmax with cross entropy and sigmoid with binary cross entropy are closed forms of the logits; any other pair is
activation, loss of the outputs, and the way back through the activation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from fastff._jit import inline, intrinsic, invoke, unit
from fastff.ops.activate import activate, derivative
from fastff.ops.activations import GELU, IDENTITY, SIGMOID, SILU, SOFTMAX
from fastff.ops.costs import binary_cross_entropy, cross_entropy, sigmoid_cost, squared_error
from fastff.ops.losses import BinaryCrossEntropy, CrossEntropy, SquaredError
from fastff.ops.softmax import Targets, emit_row, rows_value, softmax
from fastff.simd.lanes import I32, I64, Vectors
from fastff.simd.memory import get_int, number, put_double, view
from fastff.simd.reduce import DOUBLE, narrow, total, wide, wide_zero
from fastff.simd.sweep import sweep, switch
from fastff.simd.vocabulary import Arrays, Lanes, Number

CROSS_ENTROPY = CrossEntropy.code
BINARY_CROSS_ENTROPY = BinaryCrossEntropy.code
SIGMOID_COST = 3
_COSTS = {
    SquaredError.code: squared_error,
    CROSS_ENTROPY: cross_entropy,
    BINARY_CROSS_ENTROPY: binary_cross_entropy,
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


def _cost_row_twin(like: Any, code: int, columns: int, p: int, y: int, label: int, scale: Any, out: int) -> float:
    with np.errstate(all="ignore"):
        x = view(p, like, columns)
        cost, slope = _COSTS[code](Arrays(x.dtype), x, _targets_twin(like, columns, y, label))
        view(out, like, columns)[:] = slope * scale
    return float(cost.sum(dtype=np.float64))


@intrinsic(_cost_row_twin)
def _cost_row(typing_context: Any, like: Any, code: Any, columns: Any, p: Any, y: Any, label: Any, scale: Any,
              out: Any) -> Any:  # fmt: skip
    """Sum of the costs of a row; `out` gets ``scale`` times their derivatives."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        _, code, columns, p, y, label, scale, out = values
        v = Vectors(builder, like)
        o = Lanes(v)
        targets, factor = _Targets(o, label), o.splat(scale)
        with builder.goto_entry_block():
            result = builder.alloca(DOUBLE)

        def emit(case: int) -> None:
            def body(o: Lanes, x: list, carry: list, mask: ir.Value, index: ir.Value) -> tuple[list, list]:
                cost, slope = _COSTS[case](o, x[0], targets(x[1], index))
                return [slope * factor], [builder.fadd(carry[0], wide(v, o.select(mask, cost, 0.0)))]

            (sums,) = sweep(v, columns, [p, y], [out], body, [wide_zero(v)])
            builder.store(total(v, sums), result)

        switch(builder, code, _COSTS, emit)
        return builder.load(result)

    i = types.int64
    return types.float64(like, i, i, i, i, i, scale, i), codegen


def _softmax_cost_row_twin(like: Any, columns: int, z: int, y: int, label: int, scale: Any, out: int) -> float:
    x, targets = view(z, like, columns), _targets_twin(like, columns, y, label)
    with np.errstate(all="ignore"):
        d = x - x.max()
        cost = targets.sum(dtype=np.float64) * np.log(np.exp(d).sum(dtype=np.float64))
        cost -= np.where(targets == 0, 0, targets * d).sum(dtype=np.float64)
        view(out, like, columns)[:] = (rows_value(x) * targets.sum() - targets) * scale
    return float(cost)


@intrinsic(_softmax_cost_row_twin)
def _softmax_cost_row(typing_context: Any, like: Any, columns: Any, z: Any, y: Any, label: Any, scale: Any,
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
def _through_softmax(typing_context: Any, like: Any, columns: Any, p: Any, g: Any) -> Any:
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


@inline
def _activate_rows(like: Any, code: int, rows: int, columns: int, z: int, z_row: int, p: int, p_row: int) -> None:
    if code == SOFTMAX:
        invoke(softmax, like, (rows, columns, z, z_row))
    elif code != IDENTITY:
        for i in range(rows):
            invoke(activate, like, (code, columns, z + i * z_row, p + i * p_row))


@unit("iiiiiiiiidiii")
def head(like, activation, loss, labels, rows, columns, z, z_row, y, y_row, scale, row_losses, delta, delta_row):
    """Loss of every row, and its gradient by the logits.

    ``row_losses[i] = sum over j of loss(p[i, j], y[i, j])`` with ``p = activation(z)``, and
    ``delta[i] = scale * d row_losses[i] / d z[i]``.

    Parameters
    ----------
    activation, loss : int
        Codes, see `fastff.ops.activations` and `fastff.ops.losses`.
    labels : int
        Whether the targets are class labels (int64, from 0), each the only 1 of a row of zeros.
    rows, columns : int
        Shape.
    z, z_row : int
        Address of the logits, and bytes from row to row. *Overwritten.*
    y, y_row : int
        Address of the targets, and bytes from row to row. *Read.*
    scale : float
        Factor of the gradient.
    row_losses : int
        Address of the losses, float64. *Written.*
    delta, delta_row : int
        Address of the gradient, and bytes from row to row; it must not overlap the logits. 0: no gradient. *Written.*
    """
    wanted = delta != 0
    if not wanted:
        delta, delta_row = z, z_row
    whole = activation == SOFTMAX and loss == CROSS_ENTROPY
    cost, p, p_row = loss, z, z_row
    if activation == SIGMOID and loss == BINARY_CROSS_ENTROPY:
        cost = SIGMOID_COST
    elif not whole:
        # their slopes need the logits, so their outputs go where the gradient will be
        if activation in (GELU, SILU):
            p, p_row = delta, delta_row
        _activate_rows(like, activation, rows, columns, z, z_row, p, p_row)
    factor = number(scale, like)
    for i in range(rows):
        label, targets = -1, y + i * y_row
        if labels != 0:
            # what is loaded in place of targets is not used
            label, targets = min(get_int(targets), columns), p + i * p_row
            if label < 0:
                label = columns
        if whole:
            value = _softmax_cost_row(like, columns, z + i * z_row, targets, label, factor, delta + i * delta_row)
        else:
            value = _cost_row(like, cost, columns, p + i * p_row, targets, label, factor, delta + i * delta_row)
        put_double(row_losses + 8 * i, value)
    if wanted and not whole and cost != SIGMOID_COST:
        for i in range(rows):
            if activation == SOFTMAX:
                _through_softmax(like, columns, p + i * p_row, delta + i * delta_row)
            else:
                invoke(derivative, like, (activation, columns, p + i * p_row, z + i * z_row, delta + i * delta_row))
    return 0
