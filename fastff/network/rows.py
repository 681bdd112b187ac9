"""The forward pass of a block of rows, compiled once for every architecture."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastff._cpu import L2_BYTES
from fastff._jit import inline, invoke, unit
from fastff.gemm.pack import pack_panels, transpose_rows
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
from fastff.simd.memory import field, put_int, size_of
from fastff.simd.tile import MAX_ROWS


@inline
def panels_together(depth: int) -> int:
    """Number of panels of so many terms that half of the second level holds."""
    return max(1, _GROUP_BYTES // (max(depth, 1) * PANEL_BYTES))


@inline
def block_of(row_bytes: int) -> int:
    """Number of rows that stay in the second level beside a group of panels."""
    return max(1, _ROWS_BYTES // max(row_bytes, 1))


_GROUP_BYTES, _ROWS_BYTES = L2_BYTES // 2, L2_BYTES * 3 // 8

#: Rows of a block from which panels of a row-major weight are packed as they are used.
PACKED_ROWS = 2 * MAX_ROWS + 1


@unit("iiiiiiiidi")
def packed_product(
    like: Any,
    line: int,
    first: int,
    n: int,
    x: int,
    x_row: int,
    rows: int,
    out: int,
    out_row: int,
    floor: float,
    scratch: int,
) -> int:
    """``out = max(x @ weight + bias, floor)`` for n columns of a row-major weight, from `first` on.

    A group of panels is packed once, and rows pass it block by block. *scratch* is room for `panels_together` panels.
    """
    size = size_of(like)
    k, bias = field(line, INPUTS), field(line, BIAS)
    weight, weight_row = field(line, WEIGHT) + first * size, field(line, WEIGHT_ROW)
    together, block = PANEL_BYTES // size * panels_together(k), block_of(k * size)
    for j in range(0, n, together):
        width = min(together, n - j)
        invoke(pack_panels, like, (k, width, weight + j * size, weight_row, scratch, k * PANEL_BYTES))
        start = bias + (first + j) * size if bias != 0 else 0
        for i in range(0, rows, block):
            invoke(
                product,
                like,
                (
                    min(block, rows - i), width, k, x + i * x_row, x_row, size, 0,
                    scratch, PANEL_BYTES, k * PANEL_BYTES, start, 0,
                    out + i * out_row + j * size, out_row, PANEL_BYTES, 0.0, floor,
                ),
            )  # fmt: skip
    return 0


@unit("iiiiiiiii")
def transposed_product(
    like: Any,
    line: int,
    first: int,
    n: int,
    after: int,
    after_row: int,
    rows: int,
    out: int,
    out_row: int,
    scratch: int,
) -> int:
    """``out = after @ weight.T`` for n rows of a row-major weight, from `first` on, group by group of panels."""
    size = size_of(like)
    columns = PANEL_BYTES // size
    k, weight_row = field(line, WIDTH), field(line, WEIGHT_ROW)
    weight = field(line, WEIGHT) + first * weight_row
    together, block = columns * panels_together(k), block_of(k * size)
    for j in range(0, n, together):
        width = min(together, n - j)
        panel = scratch
        for i in range(j, j + width, columns):
            across = min(columns, j + width - i)
            invoke(transpose_rows, like, (across, k, weight + i * weight_row, weight_row, panel, PANEL_BYTES))
            panel += k * PANEL_BYTES
        for i in range(0, rows, block):
            invoke(
                product,
                like,
                (
                    min(block, rows - i), width, k, after + i * after_row, after_row, size, 0,
                    scratch, PANEL_BYTES, k * PANEL_BYTES, 0, 0,
                    out + i * out_row + j * size, out_row, PANEL_BYTES, 0.0, -np.inf,
                ),
            )  # fmt: skip
    return 0


@unit("iiiiiiii")
def forward_rows(
    like: Any, table: int, layers: int, begun: int, x: int, x_row: int, first: int, rows: int, scratch: int
) -> int:
    """``h = activation(x @ weight + bias)`` layer by layer; the last layer's logits only.

    Parameters
    ----------
    table, layers : int
        Address of a layer table and its length.
    begun : int
        Number of the layer to begin with.
    x, x_row : int
        First row of that layer's input, and bytes from row to row. *Read.*
    first, rows : int
        The block's place in the table's buffers: rows ``first`` to ``first + rows`` of HIDDEN and LINEAR are *written*,
        of the last layer only LINEAR.
    scratch : int
        Room for `panels_together` panels, or 0 where there is none: large row-major weights are then not packed.
        *Written.*
    """
    size = size_of(like)
    for layer in range(begun, layers):
        line = table + layer * LINE
        row = field(line, HIDDEN_ROW)
        activation = field(line, ACTIVATION)
        linear = field(line, LINEAR) + first * row
        hidden = field(line, HIDDEN) + first * row
        inner = layer < layers - 1
        floor = 0.0 if inner and activation == RELU else -np.inf
        n, k, bias = field(line, WIDTH), field(line, INPUTS), field(line, BIAS)
        weight, weight_row = field(line, WEIGHT), field(line, WEIGHT_ROW)
        if weight_row <= PANEL_BYTES or rows < PACKED_ROWS or scratch == 0:
            invoke(
                product,
                like,
                (
                    rows, n, k, x, x_row, size, 0, weight, weight_row, field(line, WEIGHT_PANEL),
                    bias, 0, linear, row, PANEL_BYTES, 0.0, floor,
                ),
            )  # fmt: skip
        else:
            invoke(packed_product, like, (line, 0, n, x, x_row, rows, linear, row, floor, scratch))
        if inner and activation != IDENTITY and activation != RELU:
            invoke(activate, like, (activation, rows * row // size, linear, hidden))
        x, x_row = hidden, row
    return 0


@unit("iiiiiii")
def predict_rows(like: Any, table: int, layers: int, x: int, x_row: int, rows: int, out: int, block: int) -> int:
    """The network's output for `rows` rows, block by block, so that hidden activations stay in the cache.

    The last line's HIDDEN_ROW is that of `out`, which has no columns between its rows; its LINEAR is *written*, and the
    other layers' buffers hold one block.
    """
    size = size_of(like)
    last = table + (layers - 1) * LINE
    row = field(last, HIDDEN_ROW)
    activation = field(last, ACTIVATION)
    for first in range(0, rows, block):
        count = min(block, rows - first)
        here = out + first * row
        put_int(last + 8 * LINEAR, here)
        invoke(forward_rows, like, (table, layers, 0, x + first * x_row, x_row, 0, count, 0))
        if activation == SOFTMAX:
            invoke(softmax, like, (count, field(last, WIDTH), here, row))
        elif activation != IDENTITY:
            invoke(activate, like, (activation, count * row // size, here, here))
    return 0
