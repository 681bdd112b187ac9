"""The forward pass of a block of rows, compiled once for every architecture."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastff._cpu import L2_BYTES
from fastff._jit import inline, invoke, unit
from fastff.gemm.pack import pack_panels, transpose_panels
from fastff.gemm.product import PANEL_BYTES, TILE_BYTES, product
from fastff.gemm.strip import strip_product
from fastff.network.layers import (
    ACTIVATION,
    BIAS,
    HIDDEN,
    HIDDEN_ROW,
    INPUTS,
    LINE,
    LINEAR,
    STRIP,
    STRIP_ROW,
    WEIGHT,
    WEIGHT_PANEL,
    WEIGHT_ROW,
    WIDTH,
)
from fastff.ops.activate import activate
from fastff.ops.activations import IDENTITY, RELU, SOFTMAX
from fastff.ops.softmax import softmax
from fastff.simd.memory import field, put_int, size_of
from fastff.simd.tile import MAX_ROWS, MAX_VECTORS


@inline
def panels_together(depth: int) -> int:
    """Number of panels of so many terms, in pairs, that half of the second level holds."""
    return MAX_VECTORS * max(1, _GROUP_BYTES // (max(depth, 1) * TILE_BYTES))


@inline
def block_of(row_bytes: int) -> int:
    """Number of rows that stay in the second level beside a group of panels."""
    return max(1, _ROWS_BYTES // max(row_bytes, 1))


@inline
def strip_at(line: int, column: int, size: int) -> int:
    """Address of the strip of a layer's weight, or of its gradient or state, which begins where `column` says."""
    return field(line, column) + (field(line, WIDTH) - field(line, STRIP)) * size // PANEL_BYTES * field(
        line, WEIGHT_PANEL
    )


_GROUP_BYTES, _ROWS_BYTES = L2_BYTES // 2, L2_BYTES * 3 // 8

#: Rows of a block from which panels of a row-major weight are packed as they are used.
PACKED_ROWS = 2 * MAX_ROWS + 1


@unit("iiiiiiiiidi", rare=True)
def packed_product(
    like: Any,
    line: int,
    back: int,
    first: int,
    n: int,
    a: int,
    a_row: int,
    rows: int,
    out: int,
    out_row: int,
    floor: float,
    scratch: int,
) -> int:
    """``out = max(a @ weight + bias, floor)`` for n columns of a row-major weight, from `first` on.

    Where `back` is 1 it is ``max(a @ weight.T, floor)`` for n of its rows. A group of panels is packed (transposed)
    once, and rows of `a` pass it block by block. *scratch* is room for `panels_together` panels.
    """
    size = size_of(like)
    weight, weight_row = field(line, WEIGHT), field(line, WEIGHT_ROW)
    k, bias = field(line, INPUTS), field(line, BIAS)
    if back != 0:
        k, bias = field(line, WIDTH), 0
    together, block = PANEL_BYTES // size * panels_together(k), block_of(k * size)
    for j in range(0, n, together):
        width, start = min(together, n - j), 0
        if back != 0:
            invoke(transpose_panels, like, (width, k, weight + (first + j) * weight_row, weight_row, scratch))
        else:
            invoke(pack_panels, like, (k, width, weight + (first + j) * size, weight_row, scratch, k * PANEL_BYTES))
        if bias != 0:
            start = bias + (first + j) * size
        for i in range(0, rows, block):
            invoke(
                product,
                like,
                (
                    min(block, rows - i), width, k, a + i * a_row, a_row, size, 0,
                    scratch, PANEL_BYTES, k * PANEL_BYTES, start, 0,
                    out + i * out_row + j * size, out_row, PANEL_BYTES, 0.0, floor, 0,
                ),
            )  # fmt: skip
    return 0


@unit("iiiiiiiii")
def forward_layer(
    like: Any, line: int, inner: int, x: int, x_row: int, at: int, rows: int, first: int, n: int, scratch: int
) -> int:
    """``h = activation(x @ weight + bias)`` for some rows, and n columns of a layer from `first` on.

    Parameters
    ----------
    line : int
        Address of the layer's line.
    inner : int
        0 where it is the last layer, whose logits only are wanted.
    x, x_row : int
        First row of its input, and bytes from row to row. *Read.*
    at, rows : int
        Rows ``at`` to ``at + rows`` of HIDDEN and LINEAR are *written*, of the last layer only LINEAR.
    first, n : int
        The columns, `first` being that of a panel; a strip belongs to them whole or not at all.
    scratch : int
        Room for `panels_together` panels, or 0 where there is none: large row-major weights are then not packed.
        *Written.*
    """
    size = size_of(like)
    row, activation = field(line, HIDDEN_ROW), field(line, ACTIVATION)
    linear, hidden = field(line, LINEAR) + at * row + first * size, field(line, HIDDEN) + at * row + first * size
    floor = 0.0 if inner != 0 and activation == RELU else -np.inf
    weight_row, weight_panel, bias = field(line, WEIGHT_ROW), field(line, WEIGHT_PANEL), field(line, BIAS)
    in_panels = field(line, WIDTH) - field(line, STRIP) - first
    if weight_row <= TILE_BYTES or rows < PACKED_ROWS or scratch == 0:
        start = bias + first * size if bias != 0 else 0
        invoke(
            product,
            like,
            (
                rows, min(n, in_panels), field(line, INPUTS), x, x_row, size, 0,
                field(line, WEIGHT) + first * size // PANEL_BYTES * weight_panel, weight_row, weight_panel,
                start, 0, linear, row, PANEL_BYTES, 0.0, floor, 0,
            ),
        )  # fmt: skip
    else:
        invoke(packed_product, like, (line, 0, first, n, x, x_row, rows, linear, row, floor, scratch))
    if n > in_panels:
        start = bias + (first + in_panels) * size if bias != 0 else 0
        invoke(
            strip_product,
            like,
            (
                rows, field(line, STRIP), field(line, INPUTS), x, x_row, strip_at(line, WEIGHT, size),
                field(line, STRIP_ROW), start, linear + in_panels * size, row, floor,
            ),
        )  # fmt: skip
    if inner != 0 and activation != IDENTITY and activation != RELU:
        times, together = 1, rows * row // size
        if n < field(line, WIDTH):
            times, together = rows, n
        for _ in range(times):
            invoke(activate, like, (activation, together, linear, hidden))
            linear += row
            hidden += row
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
        See `forward_layer`. *Written.*
    """
    for layer in range(begun, layers):
        line = table + layer * LINE
        inner = 1 if layer < layers - 1 else 0
        invoke(forward_layer, like, (line, inner, x, x_row, first, rows, 0, field(line, WIDTH), scratch))
        x_row = field(line, HIDDEN_ROW)
        x = field(line, HIDDEN) + first * x_row
    return 0


@unit("iiiiiii", rare=True)
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
