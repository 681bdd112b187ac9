"""The network as compiled code knows it: a table of int64, one line a layer.

Every architecture is data to the same machine code. Addresses are those of buffers that the table's owner keeps alive;
strides are in bytes. Weights stand either as the user sees them, row-major (`WEIGHT_PANEL` is then one panel's width of
columns), or panel by panel (`WEIGHT_ROW` is then PANEL_BYTES), and behind the panels, as rows, the strip: a few columns
beyond them (`fastff.gemm.strip`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fastff.ops.activations import GELU, OUTPUTS, SILU

# Columns of the table.
INPUTS = 0  # in_features of the weight
WIDTH = 1  # out_features
ACTIVATION = 2  # code
WEIGHT = 3  # address
WEIGHT_ROW = 4
WEIGHT_PANEL = 5
BIAS = 6  # address, or 0
HIDDEN = 7  # address of the layer's outputs, row-major
HIDDEN_ROW = 8
LINEAR = 9  # address of x @ weight + bias where the derivative is written from it, otherwise HIDDEN
DELTA = 10  # address of the loss's derivative by LINEAR; rows as HIDDEN's
TRANSPOSED = 11  # address of the transposed weight in panels, for the way back; 0 in the first layer
TRANSPOSED_PANEL = 12
GRADIENT = 13  # address of the gradient of the weight, where it is kept, in the weight's layout
BIAS_GRADIENT = 14
MOMENT = 15  # address of the optimizer's first state, in the weight's layout
BIAS_MOMENT = 16
SQUARE = 17  # and of its second
BIAS_SQUARE = 18
WEIGHT_BLOCK = 19  # rows of the weight whose gradient is made at a time
GATHERED = 20  # first layer only: address of the batch's rows where they are gathered from the data
STRIP = 21  # columns beyond the weight's panels, whose weights stand as rows behind those; 0 where there are none
STRIP_ROW = 22  # bytes from row to row of them
FIELDS = 24  # three cache lines a layer
LINE = 8 * FIELDS

NEEDS_LINEAR = (GELU, SILU)


def layer_table(sizes: Sequence[int], activations: Sequence[str]) -> np.ndarray:
    """A table (layers, FIELDS) with widths and activations filled in."""
    table = np.zeros((len(sizes) - 1, FIELDS), np.int64)
    table[:, INPUTS] = sizes[:-1]
    table[:, WIDTH] = sizes[1:]
    table[:, ACTIVATION] = [OUTPUTS[name] for name in activations]
    return table
