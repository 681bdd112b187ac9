"""Steps of slim networks: many rows through narrow layers, block by block of rows through the whole network.

A register tile of the general loop is 14 rows by 2 vectors of columns, of which a layer of 4 or 16 columns uses a
quarter or half; and between products whole layers pass through the caches. Here rows are lanes (`fastff.simd.bands`): a
block of some vectors of rows goes forward, to the loss and back, while all its numbers are in the first two levels, and
its part of every weight's gradient is added up lane by lane.

The blocks of a step are shared out in *slices*, whose number depends on the rows only. Each slice has a gradient of its
own, and slices are added up in their order: so the bits do not depend on the number of threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastff import _threads
from fastff._cpu import lanes
from fastff.gemm.product import VECTOR_BYTES
from fastff.network.layers import NEEDS_LINEAR
from fastff.network.memory import address_of, aligned
from fastff.network.plan import Plan
from fastff.ops.activations import IDENTITY, OUTPUTS
from fastff.ops.losses import SquaredError
from fastff.training.tiny import cost_code

#: The widest layer.
MOST_UNITS = 64
#: Parameters up to which steps of so many rows are made here, and up to which those of more are.
FEW_PARAMETERS, FEWEST_ROWS = 1000, 64
MOST_PARAMETERS, MORE_ROWS = 3500, 128
#: Vectors of rows of a block: a multiple of a tile's.
BLOCK_VECTORS = 8
#: The most slices of a step, and the fewest blocks of one.
MOST_SLICES, SLICE_BLOCKS = 48, 2
#: Bytes of inputs and targets up to which they are kept in bands during a call, where each epoch is like the other.
KEPT_BYTES = 32 << 20

# What the unit is told, by column; then a line for each layer.
LAYERS = 0
COUNT = 1  # of parameters
PARAMETERS = 2  # address of the flat vector
GRADIENT = 3  # address of the gradient of the whole step
MOMENTS = 4  # addresses of the optimizer's state, in the order of the flat vector
SQUARES = 5
SLICES = 6  # address of each slice's gradient
SLICE_BYTES = 7
SLICE_LOSSES = 8  # address of each slice's loss, float64
SCRATCH = 9  # address; SCRATCH_BYTES for each thread: sums of the gradients, then a block
SCRATCH_BYTES = 10
SUMS_BYTES = 11
INPUTS = 12  # columns of x and of y
OUTPUTS_ = 13
COST = 14  # code
ONES = 15  # address of a block's vectors of ones, or 0 without biases
KEPT = 16  # address of the inputs and targets of all steps of an epoch, or 0
HEAD = 20

# A layer's line. Places in a block are counted in units.
WIDTH = 0
ACTIVATION = 1
LINEAR = 2  # place of the units before the activation
HIDDEN = 3  # and behind it
DELTA = 4
WEIGHT = 5  # bytes from the start of the parameters
LINE = 6


def is_slim(plan: Plan, loss: Any, rows: int) -> bool:
    """Whether steps of so many rows are made here: where it was measured to be faster, and the loss has a code."""
    if max(plan.sizes) > MOST_UNITS or cost_code(OUTPUTS[plan.activations[-1]], loss) < 0:
        return False
    most = MOST_PARAMETERS if rows >= MORE_ROWS else FEW_PARAMETERS
    return rows >= FEWEST_ROWS and plan.n_parameters <= most


class SlimRoom:
    """Buffers of a slim network's steps, and the record that leads to them.

    Attributes
    ----------
    threads : int
        How many threads there is room for.
    address : int
        Of the record.
    """

    def __init__(self, plan: Plan, loss: Any) -> None:
        self._plan, self.threads = plan, _threads.get_num_threads()
        output = OUTPUTS[plan.activations[-1]]
        cost = cost_code(output, loss)
        codes = [OUTPUTS[name] for name in plan.activations]
        if cost != SquaredError.code:
            codes[-1] = IDENTITY  # what is left is in the closed form
        size = plan.dtype.itemsize
        width, sizes = lanes(size), plan.sizes
        lines = np.zeros((len(codes), LINE), np.int64)
        # inputs and targets come first where they are not kept
        place, weight = sizes[0] + sizes[-1], 0
        for line, inputs, units, code in zip(lines, sizes, sizes[1:], codes):
            line[WIDTH], line[ACTIVATION], line[WEIGHT] = units, code, weight
            weight += (inputs + plan.bias) * units * size
            for column in (LINEAR, HIDDEN, DELTA) if code in NEEDS_LINEAR else (HIDDEN, DELTA):
                line[column] = place
                place += units
            if code not in NEEDS_LINEAR:
                line[LINEAR] = line[HIDDEN]
        whole = -(-plan.n_parameters // width) * width
        sums = whole * VECTOR_BYTES
        scratch = -(-(sums + place * BLOCK_VECTORS * VECTOR_BYTES) // 4096) * 4096 + 256
        self._slices = aligned((MOST_SLICES + 1) * whole * size)
        self._slice_losses = np.zeros(MOST_SLICES)
        self._scratch = aligned(self.threads * scratch)
        for thread in range(self.threads):
            self._scratch[thread * scratch : thread * scratch + sums] = 0
        self._ones = aligned(BLOCK_VECTORS * VECTOR_BYTES)
        self._ones[: BLOCK_VECTORS * VECTOR_BYTES].view(plan.dtype)[...] = 1
        self._kept: np.ndarray | None = None
        self._record = record = np.concatenate([np.zeros(HEAD, np.int64), lines.ravel()])
        record[LAYERS], record[COUNT], record[COST] = len(codes), plan.n_parameters, cost
        record[SLICES], record[SLICE_BYTES] = address_of(self._slices), whole * size
        record[GRADIENT] = record[SLICES] + MOST_SLICES * whole * size
        record[SLICE_LOSSES] = address_of(self._slice_losses)
        record[SCRATCH], record[SCRATCH_BYTES], record[SUMS_BYTES] = address_of(self._scratch), scratch, sums
        record[INPUTS], record[OUTPUTS_] = sizes[0], sizes[-1]
        record[ONES] = address_of(self._ones) if plan.bias else 0
        self.address = address_of(record)

    def bind(self, parameters: int, state: int) -> None:
        """Point the record to a flat vector of parameters and to an optimizer's state."""
        n_bytes = self._plan.n_parameters * self._plan.dtype.itemsize
        self._record[PARAMETERS], self._record[MOMENTS], self._record[SQUARES] = parameters, state, state + n_bytes

    def plan_steps(self, rows: int, batch: int, kept: bool) -> None:
        """Choose whether to keep the bands of all rows of the data, for steps of `batch` rows."""
        plan, size = self._plan, self._plan.dtype.itemsize
        block = BLOCK_VECTORS * lanes(size)
        n_bytes = -(-rows // batch) * -(-batch // block) * block * (plan.n_inputs + plan.n_outputs) * size
        kept = kept and n_bytes <= KEPT_BYTES
        if kept and (self._kept is None or len(self._kept) < n_bytes):
            self._kept = aligned(n_bytes)
        self._record[KEPT] = address_of(self._kept) if kept and self._kept is not None else 0
