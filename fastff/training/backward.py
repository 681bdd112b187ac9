"""The way back through the layers: the derivative of the loss by each layer's linear outputs, its delta."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastff._jit import invoke, unit
from fastff.gemm.one_row import rows_transposed
from fastff.gemm.product import PANEL_BYTES, product
from fastff.network.layers import (
    ACTIVATION,
    DELTA,
    HIDDEN,
    HIDDEN_ROW,
    LINE,
    LINEAR,
    TRANSPOSED,
    TRANSPOSED_PANEL,
    WEIGHT,
    WEIGHT_ROW,
    WIDTH,
)
from fastff.network.rows import packed_product
from fastff.ops.activate import derivative
from fastff.ops.activations import IDENTITY
from fastff.simd.memory import field, size_of


@unit("iiiiiiii")
def backward_layer(
    like: Any, line: int, below: int, few: int, at: int, rows: int, first: int, n: int, scratch: int
) -> int:
    """``delta = (delta_after @ weight.T) * activation'`` for some rows, and n columns from `first` on.

    Parameters
    ----------
    line, below : int
        Addresses of the lines of a layer, whose DELTA is *read*, and of the one before it, whose DELTA is *written*.
    few : int
        1 where a batch is so few rows that weights are not transposed; `first` is then 0.
    at, rows : int
        The rows.
    first, n : int
        The columns: those of `below`, `first` being that of a panel.
    scratch : int
        Room for `panels_together` panels. *Written* where no transposed weights are kept.
    """
    size = size_of(like)
    row, below_row, k = field(line, HIDDEN_ROW), field(below, HIDDEN_ROW), field(line, WIDTH)
    after, place = field(line, DELTA) + at * row, at * below_row + first * size
    delta, transposed, panel = field(below, DELTA) + place, field(line, TRANSPOSED), field(line, TRANSPOSED_PANEL)
    if few != 0:
        weight, weight_row = field(line, WEIGHT), field(line, WEIGHT_ROW)
        invoke(rows_transposed, like, (rows, n, k, after, row, weight, weight_row, delta, below_row))
    elif transposed != 0:
        invoke(
            product,
            like,
            (
                rows, n, k, after, row, size, 0,
                transposed + first * size // PANEL_BYTES * panel, PANEL_BYTES, panel,
                0, 0, delta, below_row, PANEL_BYTES, 0.0, -np.inf, 0,
            ),
        )  # fmt: skip
    else:
        invoke(packed_product, like, (line, 1, first, n, after, row, rows, delta, below_row, -np.inf, scratch))
    activation = field(below, ACTIVATION)
    if activation != IDENTITY:
        times, together = 1, rows * below_row // size
        if n < field(below, WIDTH):
            times, together = rows, n
        hidden, linear = field(below, HIDDEN) + place, field(below, LINEAR) + place
        for _ in range(times):
            invoke(derivative, like, (activation, together, hidden, linear, delta))
            hidden += below_row
            linear += below_row
            delta += below_row
    return 0


@unit("iiiiiii")
def backward_rows(like: Any, table: int, layers: int, begun: int, few: int, first: int, rows: int, scratch: int) -> int:
    """From the last layer's DELTA back to that of the one before `begun`, or of the first, for a block of rows.

    Each layer's DELTA but the last is *written*; `few` and *scratch* are those of `backward_layer`.
    """
    for layer in range(layers - 1, max(begun, 1) - 1, -1):
        line, below = table + layer * LINE, table + (layer - 1) * LINE
        invoke(backward_layer, like, (line, below, few, first, rows, 0, field(below, WIDTH), scratch))
    return 0
