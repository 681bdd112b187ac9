"""The head of a network: from the last layer's logits and the targets to the loss of each row and its gradient.

Softmax with cross entropy and sigmoid with binary cross entropy are closed forms of the logits; any other pair is
activation, loss of the outputs, and the way back through the activation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from fastff._jit import intrinsic, invoke, unit
from fastff.ops.activate import activate, derivative
from fastff.ops.activations import GELU, IDENTITY, SIGMOID, SILU, SOFTMAX
from fastff.ops.cost_rows import SIGMOID_COST, SOFTMAX_COST, cost_row, softmax_cost_row, through_softmax
from fastff.ops.losses import BinaryCrossEntropy, CrossEntropy
from fastff.ops.softmax import softmax
from fastff.simd.lanes import Vectors
from fastff.simd.memory import get, get_int, number, put, put_double, size_of
from fastff.simd.sweep import stack_room

CROSS_ENTROPY = CrossEntropy.code
BINARY_CROSS_ENTROPY = BinaryCrossEntropy.code
COLUMN = 64  # rows of a network with one output that are treated at once
_ROOM = np.empty(3 * COLUMN)  # the stack of the twins


def _room_twin(like: Any) -> int:
    return _ROOM.ctypes.data


@intrinsic(_room_twin)
def _room(typing_context: Any, like: Any) -> Any:
    """Address of room on the stack for three columns of `COLUMN` numbers."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        v = Vectors(builder, like)
        return stack_room(v, 3 * COLUMN // v.width)

    return types.int64(like), codegen


@unit("iiiiiiiiidiii")
def head(
    like: Any,
    activation: int,
    loss: int,
    labels: int,
    rows: int,
    columns: int,
    z: int,
    z_row: int,
    y: int,
    y_row: int,
    scale: float,
    row_losses: int,
    delta: int,
    delta_row: int,
) -> int:
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
    size = size_of(like)
    factor = number(scale, like)
    # one column is brought together in blocks, and is then a single row of them
    gathered = columns == 1 and labels == 0 and activation != SOFTMAX
    room = _room(like)
    block = COLUMN if gathered else max(rows, 1)
    for first in range(0, rows, block):
        m, n, x, x_row, targets, targets_row = rows, columns, z, z_row, y, y_row
        losses, g, g_row = row_losses, delta, delta_row
        if gathered:
            m, n, x, targets, g = 1, min(block, rows - first), room, room + block * size, room + 2 * block * size
            losses = row_losses + 8 * first
            for i in range(n):
                put(x + i * size, get(z + (first + i) * z_row, like))
                put(targets + i * size, get(y + (first + i) * y_row, like))
        elif delta == 0:
            g, g_row = z, z_row
        cost, p, p_row = loss, x, x_row
        if activation == SIGMOID and loss == BINARY_CROSS_ENTROPY:
            cost = SIGMOID_COST
        elif activation == SOFTMAX and loss == CROSS_ENTROPY:
            cost = SOFTMAX_COST
        elif activation == SOFTMAX:
            invoke(softmax, like, (m, n, x, x_row))
        elif activation != IDENTITY:
            # the slopes of these two need the logits, so their outputs go where the gradient will be
            if activation in (GELU, SILU):
                p, p_row = g, g_row
            for i in range(m):
                invoke(activate, like, (activation, n, x + i * x_row, p + i * p_row))
        for i in range(m):
            label, wanted = -1, targets + i * targets_row
            if labels != 0:
                # what is loaded in place of targets is not used
                label, wanted = min(get_int(wanted), n), p + i * p_row
                if label < 0:
                    label = n
            out = g + i * g_row
            if cost == SOFTMAX_COST:
                value = softmax_cost_row(like, n, p + i * p_row, wanted, label, factor, out)
            else:
                # a gathered column needs the losses of its numbers, which take the place of the targets
                value = cost_row(like, cost, n, p + i * p_row, wanted, label, factor, out, wanted if gathered else out)
            put_double(losses + 8 * i, value)
        if delta != 0 and cost < SIGMOID_COST and activation != IDENTITY:
            for i in range(m):
                if activation == SOFTMAX:
                    through_softmax(like, n, p + i * p_row, g + i * g_row)
                else:
                    invoke(derivative, like, (activation, n, p + i * p_row, x + i * x_row, g + i * g_row))
        if gathered:
            for i in range(n):
                put_double(losses + 8 * i, float(get(targets + i * size, like)))
                if delta != 0:
                    put(delta + (first + i) * delta_row, get(g + i * size, like))
    return 0
