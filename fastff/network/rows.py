"""The forward pass of a block of rows, compiled once for every architecture."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastff._cpu import L2_BYTES
from fastff._jit import inline, invoke, unit
from fastff.gemm.pack import pack_panels
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
        1 where the first layer's LINEAR (its ReLU included) is there already.
    x, x_row : int
        First row of the block, and bytes from row to row. *Read.*
    first, rows : int
        The block's place in the table's buffers: rows ``first`` to ``first + rows`` of HIDDEN and LINEAR are *written*,
        of the last layer only LINEAR.
    scratch : int
        Room for `panels_together` panels, or 0 where there is none: large row-major weights are then not packed.
        *Written.*
    """
    size = size_of(like)
    columns = PANEL_BYTES // size
    for layer in range(layers):
        line = table + layer * LINE
        row = field(line, HIDDEN_ROW)
        activation = field(line, ACTIVATION)
        linear = field(line, LINEAR) + first * row
        hidden = field(line, HIDDEN) + first * row
        inner = layer < layers - 1
        floor = 0.0 if inner and activation == RELU else -np.inf
        n, k, bias = field(line, WIDTH), field(line, INPUTS), field(line, BIAS)
        weight, weight_row = field(line, WEIGHT), field(line, WEIGHT_ROW)
        if layer == 0 and begun != 0:
            pass
        elif weight_row <= PANEL_BYTES or rows < PACKED_ROWS or scratch == 0:
            invoke(
                product,
                like,
                (
                    rows, n, k, x, x_row, size, 0, weight, weight_row, field(line, WEIGHT_PANEL),
                    bias, 0, linear, row, PANEL_BYTES, 0.0, floor,
                ),
            )  # fmt: skip
        else:
            # a group of panels is packed once, and rows pass it block by block
            together, block = columns * panels_together(k), block_of(k * size)
            for j in range(0, n, together):
                width = min(together, n - j)
                invoke(pack_panels, like, (k, width, weight + j * size, weight_row, scratch, k * PANEL_BYTES))
                start = bias + j * size if bias != 0 else 0
                for i in range(0, rows, block):
                    invoke(
                        product,
                        like,
                        (
                            min(block, rows - i), width, k, x + i * x_row, x_row, size, 0,
                            scratch, PANEL_BYTES, k * PANEL_BYTES, start, 0,
                            linear + i * row + j * size, row, PANEL_BYTES, 0.0, floor,
                        ),
                    )  # fmt: skip
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
