"""Steps of tiny networks: a few rows through layers of a few units, in one compiled call that calls nothing.

What a step of five rows of 3-4-1 costs in the general loop is calls, loop starts and nearly empty vectors, not
arithmetic. Here rows are lanes (`fastff.simd.across`), so that a vector is one unit's number in each row of a batch; a
batch of more rows than lanes takes several blocks. The network is a program of operations on the stacks of a block::

    zeros | x, ones | layer 1, ones | ... | last layer | targets | deltas of layer 1 | ...

with ones where there are biases, which are then weights like others. Weights stand as in the flat vector, and the
gradient of each is the sum over lanes and blocks of the product of two vectors: one loop over all parameters, whatever
layer they are of.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastff._cpu import lanes
from fastff.gemm.product import VECTOR_BYTES
from fastff.network.layers import NEEDS_LINEAR
from fastff.network.memory import address_of, aligned
from fastff.network.plan import Plan
from fastff.ops.activations import IDENTITY, OUTPUTS, SIGMOID, SOFTMAX
from fastff.ops.cost_rows import SIGMOID_COST, SOFTMAX_COST
from fastff.ops.losses import BinaryCrossEntropy, CrossEntropy, SquaredError
from fastff.ops.stacks import (
    ACTIVATE,
    COST,
    DERIVE,
    PRODUCT,
    SWEPT,
    SWEPT_BACK,
    USUAL,
)
from fastff.training.workspace import Layout

#: Parameters of a tiny network: so many, and more for each row of a step, if its rows are no more than lanes.
PARAMETERS_OF_NO_ROW, PARAMETERS_A_ROW = 100, 16
#: Otherwise so many parameters, rows, and parameters times rows.
MOST_PARAMETERS, MOST_ROWS, MOST_TERMS = 128, 64, 4096

# What the unit is told: addresses and sizes by column, then the lines of the program.
STACKS = 0  # address of the first block
BLOCK = 1  # bytes of a block
COUNT = 2  # of parameters
PARAMETERS = 3  # address of the flat vector
WEIGHTS = 4  # address of a copy in whole vectors
GRADIENT = 5  # address of as many sums
MOMENTS = 6  # addresses of the optimizer's state, in the order of the flat vector
SQUARES = 7
PAIRS = 8  # address of two offsets in a block for each parameter
INPUTS = 9  # columns of x and of y, and their offsets in a block
INPUTS_AT = 10
TARGETS = 11
TARGETS_AT = 12
PROGRAM_BYTES = 13
HEAD = 16


def cost_code(activation: int, loss: Any) -> int:
    """The code of a loss that stacks have, or -1."""
    if loss.code == SquaredError.code and activation != SOFTMAX:
        return SquaredError.code
    if loss.code == CrossEntropy.code and activation == SOFTMAX:
        return SOFTMAX_COST
    if loss.code == BinaryCrossEntropy.code and activation == SIGMOID:
        return SIGMOID_COST
    return -1


def is_tiny(plan: Plan, loss: Any, rows: int) -> bool:
    """Whether steps of so many rows are made here: where it was measured to be faster, and the loss has a code."""
    n = plan.n_parameters
    if rows <= lanes(plan.dtype.itemsize):
        small = n <= PARAMETERS_OF_NO_ROW + PARAMETERS_A_ROW * rows
    else:
        small = n <= MOST_PARAMETERS and rows <= MOST_ROWS and n * rows <= MOST_TERMS
    return small and cost_code(OUTPUTS[plan.activations[-1]], loss) >= 0


def flat_layout(plan: Plan) -> Layout:
    """Weights and state in the order of the flat vector, without room between them."""
    size = plan.dtype.itemsize
    weights = tuple(inputs * width * size for inputs, width in zip(plan.sizes, plan.sizes[1:]))
    return Layout(
        False, (0,) * len(weights), weights, tuple(width * size if plan.bias else 0 for width in plan.sizes[1:])
    )


class TinyRoom:
    """Buffers and program of a tiny network's steps of at most `rows` rows, and the record that leads to them.

    Attributes
    ----------
    rows : int
        As given.
    address : int
        Of the record.
    """

    def __init__(self, plan: Plan, loss: Any, rows: int) -> None:
        self.rows, self._plan, self._cost = rows, plan, cost_code(OUTPUTS[plan.activations[-1]], loss)
        self._codes = [OUTPUTS[name] for name in plan.activations]
        if self._cost != SquaredError.code:
            self._codes[-1] = IDENTITY  # what is left is in the closed form
        size = plan.dtype.itemsize
        width = lanes(size)
        whole = -(-plan.n_parameters // width) * width
        ones = self._place_stacks()
        program = np.array(self._program(), np.int64)
        self._pairs = np.zeros((whole, 2), np.int64)
        self._pair_up()
        blocks, block = -(-rows // width), self._vectors * VECTOR_BYTES
        self._stacks = aligned(blocks * block)
        stacks = self._stacks[: blocks * block].view(plan.dtype).reshape(blocks, -1, width)
        stacks[...] = 0
        stacks[:, ones] = 1
        self._numbers = aligned(2 * whole * size)
        self._numbers[...] = 0
        self._record = record = np.concatenate([np.zeros(HEAD, np.int64), program.ravel()])
        record[STACKS], record[BLOCK], record[COUNT] = address_of(self._stacks), block, plan.n_parameters
        record[WEIGHTS], record[PAIRS] = address_of(self._numbers), address_of(self._pairs)
        record[GRADIENT] = record[WEIGHTS] + whole * size
        record[INPUTS], record[INPUTS_AT] = plan.n_inputs, self._layers[0] * VECTOR_BYTES
        record[TARGETS], record[TARGETS_AT] = plan.n_outputs, self._targets * VECTOR_BYTES
        record[PROGRAM_BYTES] = program.nbytes
        self.address = address_of(record)

    def bind(self, parameters: int, state: int) -> None:
        """Point the record to a flat vector of parameters and to an optimizer's state."""
        n_bytes = self._plan.n_parameters * self._plan.dtype.itemsize
        self._record[PARAMETERS], self._record[MOMENTS], self._record[SQUARES] = parameters, state, state + n_bytes

    def _place_stacks(self) -> list[int]:
        """Lay a block out, in vectors; gives the places of ones."""
        sizes, bias = self._plan.sizes, self._plan.bias
        # the first vector is zeros
        self._layers = [1 + sum(sizes[:i]) + bias * i for i in range(len(sizes))]
        ones = [after - 1 for after in self._layers[1:]] if bias else []
        self._targets = place = self._layers[-1] + sizes[-1]
        place += sizes[-1]
        self._deltas, self._linear = [], []
        for width, layer, code in zip(sizes[1:], self._layers[1:], self._codes):
            self._deltas.append(place)
            place += width
            self._linear.append(layer)
            if code in NEEDS_LINEAR:
                self._linear[-1] = place
                place += width
        self._vectors = place
        return ones

    def _program(self) -> list[tuple[int, ...]]:
        """The lines of a step: to the loss, and back to the first layer's delta."""
        sizes, bias, size = self._plan.sizes, self._plan.bias, self._plan.dtype.itemsize
        at = [VECTOR_BYTES * place for place in self._layers]
        linear, deltas = ([VECTOR_BYTES * place for place in places] for places in (self._linear, self._deltas))
        weights = [0]
        for inputs, width in zip(sizes, sizes[1:]):
            weights.append(weights[-1] + (inputs + bias) * width * size)
        there: list[tuple[int, ...]] = []
        back: list[tuple[int, ...]] = []
        for i, (inputs, n, code) in enumerate(zip(sizes, sizes[1:], self._codes)):
            z, h, delta = linear[i], at[i + 1], deltas[i]
            there.append((PRODUCT, n, at[i], z, weights[i], inputs + bias, size, n * size))
            if i > 0:
                back.append((PRODUCT, inputs, delta, deltas[i - 1], weights[i], n, n * size, size))
            if code in USUAL:
                there.append((ACTIVATE + code, n, z, h, 0, 0, 0, 0))
                back.append((DERIVE + code, n, h, delta, 0, 0, 0, 0))
            elif code != IDENTITY:
                there.append((SWEPT + code, n, z, h, 0, 0, 0, 0))
                back.append((SWEPT_BACK + code, n, h, delta, z, 0, 0, 0))
        target = VECTOR_BYTES * self._targets
        cost = (COST + self._cost, sizes[-1], at[-1], deltas[-1], target, 0, 0, 0)
        return [*there, cost, *reversed(back)]

    def _pair_up(self) -> None:
        """The two vectors of each weight's gradient: its input, and its output's delta. Beyond the last: zeros."""
        sizes, first = self._plan.sizes, 0
        for inputs, n, layer, delta in zip(sizes, sizes[1:], self._layers, self._deltas):
            terms = inputs + self._plan.bias
            pairs = self._pairs[first : first + terms * n].reshape(terms, n, 2)
            pairs[..., 0] = VECTOR_BYTES * (layer + np.arange(terms)[:, None])
            pairs[..., 1] = VECTOR_BYTES * (delta + np.arange(n))
            first += terms * n
