"""The way forward and back where threads own columns of layers: their products for all rows of a chunk.

Where the rows of a batch are shared out, each thread needs the whole weight, and half of it was written by the others.
Where that is more than the layer's activations, a thread owns columns of it in all passes instead, and activations
change cores. They are complete when all threads have come to the barrier behind each layer.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastff._jit import inline, invoke, unit
from fastff.gemm.product import PANEL_BYTES, product
from fastff.network.layers import (
    ACTIVATION,
    BIAS,
    DELTA,
    HIDDEN,
    HIDDEN_ROW,
    INPUTS,
    LINEAR,
    TRANSPOSED,
    TRANSPOSED_PANEL,
    WEIGHT,
    WEIGHT_PANEL,
    WEIGHT_ROW,
    WIDTH,
)
from fastff.network.rows import PACKED_ROWS, packed_product, transposed_product
from fastff.ops.activate import activate, derivative
from fastff.ops.activations import IDENTITY, RELU
from fastff.simd.memory import field, size_of


@inline
def columns_of(line: int, first_panel: int, last_panel: int, size: int) -> tuple[int, int]:
    """First column and number of columns of some panels of a layer."""
    columns = PANEL_BYTES // size
    return first_panel * columns, min(field(line, WIDTH), last_panel * columns) - first_panel * columns


@unit("iiiiiiiii")
def forward_columns(
    like: Any,
    line: int,
    inner: int,
    x: int,
    x_row: int,
    rows: int,
    block: int,
    first_panel: int,
    last_panel: int,
    scratch: int,
) -> int:
    """``h = activation(x @ weight + bias)`` for all rows of a chunk and some panels of a layer's columns.

    Parameters
    ----------
    line : int
        Address of the layer's line. Its LINEAR and HIDDEN are *written*.
    inner : int
        0 where it is the last layer, whose logits only are wanted.
    x, x_row : int
        Its input. *Read.*
    rows, block : int
        Rows of the chunk, and how many of them pass a panel at a time.
    first_panel, last_panel : int
        The columns.
    scratch : int
        Room for `panels_together` panels. *Written.*
    """
    size = size_of(like)
    first, n = columns_of(line, first_panel, last_panel, size)
    if n <= 0:
        return 0
    activation = field(line, ACTIVATION)
    floor = 0.0 if inner != 0 and activation == RELU else -np.inf
    row, weight_row = field(line, HIDDEN_ROW), field(line, WEIGHT_ROW)
    linear = field(line, LINEAR) + first * size
    if weight_row > PANEL_BYTES and rows >= PACKED_ROWS:
        invoke(packed_product, like, (line, first, n, x, x_row, rows, linear, row, floor, scratch))
    else:
        bias = field(line, BIAS)
        if bias != 0:
            bias += first * size
        weight, weight_panel = field(line, WEIGHT), field(line, WEIGHT_PANEL)
        for i in range(0, rows, block):
            invoke(
                product,
                like,
                (
                    min(block, rows - i), n, field(line, INPUTS), x + i * x_row, x_row, size, 0,
                    weight + first_panel * weight_panel, weight_row, weight_panel,
                    bias, 0, linear + i * row, row, PANEL_BYTES, 0.0, floor,
                ),
            )  # fmt: skip
    if inner != 0 and activation != IDENTITY and activation != RELU:
        hidden = field(line, HIDDEN) + first * size
        for _ in range(rows):
            invoke(activate, like, (activation, n, linear, hidden))
            linear += row
            hidden += row
    return 0


@unit("iiiiiii")
def backward_columns(
    like: Any, line: int, below: int, rows: int, block: int, first_panel: int, last_panel: int, scratch: int
) -> int:
    """``delta = (delta_after @ weight.T) * activation'`` for all rows of a chunk and some panels of columns.

    Parameters
    ----------
    line, below : int
        Addresses of the lines of a layer, whose DELTA is *read*, and of the one before it, whose DELTA is *written*.
    rows, block : int
        Rows of the chunk, and how many of them pass a panel at a time.
    first_panel, last_panel : int
        The columns: those of `below`.
    scratch : int
        Room for `panels_together` panels. *Written.*
    """
    size = size_of(like)
    first, n = columns_of(below, first_panel, last_panel, size)
    if n <= 0:
        return 0
    row, below_row, k = field(line, HIDDEN_ROW), field(below, HIDDEN_ROW), field(line, WIDTH)
    after, delta = field(line, DELTA), field(below, DELTA) + first * size
    transposed, panel = field(line, TRANSPOSED), field(line, TRANSPOSED_PANEL)
    if transposed == 0:
        invoke(transposed_product, like, (line, first, n, after, row, rows, delta, below_row, scratch))
    else:
        for i in range(0, rows, block):
            invoke(
                product,
                like,
                (
                    min(block, rows - i), n, k, after + i * row, row, size, 0,
                    transposed + first_panel * panel, PANEL_BYTES, panel,
                    0, 0, delta + i * below_row, below_row, PANEL_BYTES, 0.0, -np.inf,
                ),
            )  # fmt: skip
    activation = field(below, ACTIVATION)
    if activation != IDENTITY:
        hidden, linear = field(below, HIDDEN) + first * size, field(below, LINEAR) + first * size
        for _ in range(rows):
            invoke(derivative, like, (activation, n, hidden, linear, delta))
            hidden += below_row
            linear += below_row
            delta += below_row
    return 0
