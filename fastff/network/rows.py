"""The forward pass of a block of rows, compiled once for every architecture."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastff._jit import inline, invoke, unit
from fastff.gemm.product import PANEL_BYTES, product
from fastff.network.layers import (
    ACTIVATION,
    BIAS,
    HIDDEN,
    HIDDEN_ROW,
    INPUTS,
    LINE,
    LINEAR,
    WEIGHT,
    WEIGHT_PANEL,
    WEIGHT_ROW,
    WIDTH,
)
from fastff.ops.activate import activate
from fastff.ops.activations import IDENTITY, RELU, SOFTMAX
from fastff.ops.softmax import softmax
from fastff.simd.memory import get_int, put_int, size_of


@inline
def field(line: int, column: int) -> int:
    """One entry of a line of the layer table."""
    return get_int(line + 8 * column)


@unit("iiiiiii")
def forward_rows(like: Any, table: int, layers: int, begun: int, x: int, x_row: int, first: int, rows: int) -> int:
    """``h = activation(x @ weight + bias)`` layer by layer; the last layer's logits only.

    Parameters
    ----------
    table, layers : int
        Address of a layer table and its length.
    begun : int
        1 where the first layer's LINEAR (its ReLU included) is there already.
    x, x_row : int
        First row of the block, and bytes from row to row. *Read.*
    first, rows : int
        The block's place in the table's buffers: rows ``first`` to ``first + rows`` of HIDDEN and LINEAR are *written*, of the
        last layer only LINEAR.
    """
    size = size_of(like)
    for layer in range(layers):
        line = table + layer * LINE
        row = field(line, HIDDEN_ROW)
        activation = field(line, ACTIVATION)
        linear = field(line, LINEAR) + first * row
        hidden = field(line, HIDDEN) + first * row
        inner = layer < layers - 1
        floor = 0.0 if inner and activation == RELU else -np.inf
        if layer > 0 or begun == 0:
            invoke(
                product,
                like,
                (
                    rows,
                    field(line, WIDTH),
                    field(line, INPUTS),
                    x,
                    x_row,
                    size,
                    0,
                    field(line, WEIGHT),
                    field(line, WEIGHT_ROW),
                    field(line, WEIGHT_PANEL),
                    field(line, BIAS),
                    0,
                    linear,
                    row,
                    PANEL_BYTES,
                    0.0,
                    floor,
                ),
            )
        if inner and activation != IDENTITY and activation != RELU:
            invoke(activate, like, (activation, rows * row // size, linear, hidden))
        x, x_row = hidden, row
    return 0


@unit("iiiiiii")
def predict_rows(like: Any, table: int, layers: int, x: int, x_row: int, rows: int, out: int, block: int) -> int:
    """The network's output for `rows` rows, block by block, so that hidden activations stay in the cache.

    The last line's HIDDEN_ROW is that of `out`, which has no columns between its rows; its LINEAR is *written*, and the other
    layers' buffers hold one block.
    """
    size = size_of(like)
    last = table + (layers - 1) * LINE
    row = field(last, HIDDEN_ROW)
    activation = field(last, ACTIVATION)
    for first in range(0, rows, block):
        count = min(block, rows - first)
        here = out + first * row
        put_int(last + 8 * LINEAR, here)
        invoke(forward_rows, like, (table, layers, 0, x + first * x_row, x_row, 0, count))
        if activation == SOFTMAX:
            invoke(softmax, like, (count, field(last, WIDTH), here, row))
        elif activation != IDENTITY:
            invoke(activate, like, (activation, count * row // size, here, here))
    return 0
