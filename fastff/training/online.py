"""Steps of one row: "online" learning by plain descent, in one compiled loop.

A step of one row uses each weight once for each of its three products, so what counts is how often weights pass. Here
they pass twice:

- forward, rows of a weight whose input is not zero (`fastff.simd.listed`): behind ReLU about half of them;
- back and updated in one pass. The first layer's weight, which has no way back, takes the next step's row forward in
  the pass that updates it.

Rows left out are those of which the general loop adds nothing but zeros. That is the same as long as they and the
derivatives are finite. So all rows go forward in the first step of a call, and where the step before has written a
weight that is not finite: zero times it is NaN, and the loss tells. A derivative that is not finite goes to all rows.
What is left out shows in no bit then. (Only what would overflow in a row left out is not missed.)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastff._jit import inline, invoke, unit
from fastff.network.layers import (
    ACTIVATION,
    BIAS,
    DELTA,
    HIDDEN,
    INPUTS,
    LINE,
    LINEAR,
    WEIGHT,
    WEIGHT_ROW,
    WIDTH,
)
from fastff.network.memory import address_of, aligned
from fastff.network.plan import Plan
from fastff.ops.activate import activate, derivative
from fastff.ops.activations import IDENTITY, RELU
from fastff.ops.head import head
from fastff.ops.losses import CrossEntropy
from fastff.simd.listed import ENTRY, SPARE, list_rows, spread
from fastff.simd.listed_back import step_back
from fastff.simd.listed_forward import listed_product, step_bias, step_on
from fastff.simd.memory import get_double, get_int, get_ints, number, prefetch, put, put_double, put_int, size_of
from fastff.training.frame import (
    DONE,
    FIRST,
    LABELS,
    LAYERS,
    LEARNING_RATE,
    LOSS,
    LOSSES,
    MEAN,
    ONLINE,
    ORDER,
    ROW_LOSSES,
    ROWS,
    SCALE,
    STEPS,
    TABLE,
    X_ROW,
    Y_ROW,
    X,
    Y,
)

CROSS_ENTROPY = CrossEntropy.code

# What the unit is told beside the frame.
LISTS = 0  # address of each layer's list of rows, LIST_BYTES from layer to layer
LIST_BYTES = 1
SUMS = 2  # address of the numbers of listed rows
ALL_ROWS = 3  # address of a list of all rows of any layer
ZEROS = 4  # address of what sums start from where there are no biases; N_ZEROS numbers
N_ZEROS = 5
COUNTS = 6  # lengths of the lists


class OnlineRoom:
    """Lists and sums of a network's steps of one row."""

    def __init__(self, plan: Plan) -> None:
        size, layers = plan.dtype.itemsize, len(plan.sizes) - 1
        inputs, widest = max(plan.sizes[:-1]), max(plan.sizes[1:])
        list_bytes = -(-(inputs + SPARE) * ENTRY // 64) * 64
        self._buffer = aligned((layers + 1) * list_bytes + (inputs + widest) * size + 4 * 64)
        self._record = np.zeros(COUNTS + layers, np.int64)
        self.address = address_of(self._record)
        place = address_of(self._buffer)
        rows = layers * list_bytes
        self._buffer[rows : rows + inputs * ENTRY].view(np.int32)[:] = np.arange(inputs)
        sums = place + rows + list_bytes
        zeros = -(-(sums + inputs * size + 64) // 64) * 64
        self._record[:COUNTS] = place, list_bytes, sums, place + rows, zeros, 0 if plan.bias else widest


@inline
def floor_of(layer: int, layers: int, activation: int) -> float:
    """What a layer's sums are cut at: ReLU of hidden layers is a part of the product."""
    return 0.0 if layer < layers - 1 and activation == RELU else -np.inf


@unit("i", rare=True)
def run_online(like: Any, frame: int) -> int:
    """Make STEPS steps of one row by plain descent, as `fastff.training.loop.run` does of any, on one thread."""
    size = size_of(like)
    record, layers, table, data_rows, order, data, x_row, y, y_row, labels = get_ints(
        frame, (ONLINE, LAYERS, TABLE, ROWS, ORDER, X, X_ROW, Y, Y_ROW, LABELS)
    )
    place, steps, losses, loss_code, mean, row_losses = get_ints(frame, (FIRST, STEPS, LOSSES, LOSS, MEAN, ROW_LOSSES))
    lists, list_bytes, sums, all_rows, zeros, n_zeros = get_ints(
        record, (LISTS, LIST_BYTES, SUMS, ALL_ROWS, ZEROS, N_ZEROS)
    )
    nothing = number(0.0, like)
    for i in range(n_zeros):
        put(zeros + i * size, nothing)
    rate = number(-get_double(frame + 8 * LEARNING_RATE), like)
    last = table + (layers - 1) * LINE
    width, output, logits, slope = get_ints(last, (WIDTH, ACTIVATION, LINEAR, DELTA))
    divisor = 1.0
    if mean != 0 and loss_code != CROSS_ENTROPY:
        divisor = float(width)
    scale = get_double(frame + 8 * SCALE) / divisor
    row = place
    if order != 0:
        row = get_int(order + 8 * place)
    else:
        place %= data_rows
        row = place
    every, done = 1, 0
    while done < steps:
        here = data + row * x_row
        source, before = here, RELU
        for layer in range(layers):
            line, rows = table + layer * LINE, lists + layer * list_bytes
            inputs, columns, activation, weight, weight_row, bias, hidden, linear = get_ints(
                line, (INPUTS, WIDTH, ACTIVATION, WEIGHT, WEIGHT_ROW, BIAS, HIDDEN, LINEAR)
            )
            # the first layer's are there from the step before
            if layer > 0 or done == 0:
                # a zero of another activation has a derivative
                count = list_rows(like, inputs, source, source, 0 if before == RELU else 1, rows)
                put_int(record + 8 * (COUNTS + layer), count)
                if every != 0:
                    count, rows = inputs, all_rows
                start = bias if bias != 0 else zeros
                lowest = number(floor_of(layer, layers, activation), like)
                listed_product(count, rows, columns, source, weight, weight_row, start, linear, lowest)
            if layer < layers - 1 and activation != IDENTITY and activation != RELU:
                invoke(activate, like, (activation, columns, linear, hidden))
            source, before = hidden, activation
        target = y + row * y_row
        invoke(head, like, (output, loss_code, labels, 1, width, logits, 0, target, 0, scale, row_losses, slope, 0))
        loss = get_double(row_losses) * scale
        put_double(losses + 8 * done, loss)
        if not np.isfinite(loss):
            break
        done += 1
        # the row after the last one is the last one once more, and what comes of it is not used
        if done < steps:
            place += 1
            if order == 0:
                if place == data_rows:
                    place = 0
                row = place
            else:
                row = get_int(order + 8 * place)
                if done + 1 < steps:
                    ahead = get_int(order + 8 * place + 8)
                    prefetch(y + ahead * y_row)
                    for offset in range(0, x_row, 64):
                        prefetch(data + ahead * x_row + offset)
        mark = nothing
        for layer in range(layers - 1, -1, -1):
            line, rows = table + layer * LINE, lists + layer * list_bytes
            inputs, columns, activation, weight, weight_row, start, delta, linear = get_ints(
                line, (INPUTS, WIDTH, ACTIVATION, WEIGHT, WEIGHT_ROW, BIAS, DELTA, LINEAR)
            )
            speed = rate
            if start == 0:
                start, speed = zeros, nothing
            # zero times a derivative that is not finite is to be seen
            whole = 0 if step_bias(columns, delta, start, speed) == 0.0 else 1
            if layer == 0:
                coming = data + row * x_row
                count = list_rows(like, inputs, here, coming, whole, rows)
                lowest = number(floor_of(layer, layers, activation), like)
                step_on(count, rows, columns, here, delta, rate, weight, weight_row, coming, start, linear, lowest)
            else:
                activation, hidden, linear, below = get_ints(line - LINE, (ACTIVATION, HIDDEN, LINEAR, DELTA))
                count = get_int(record + 8 * (COUNTS + layer))
                if whole != 0:
                    count, rows = inputs, all_rows
                packed = below if count == inputs else sums
                mark += step_back(count, rows, columns, hidden, delta, rate, weight, weight_row, packed)
                if count < inputs:
                    spread(like, count, rows, inputs, hidden, sums, below)
                elif activation != IDENTITY:
                    invoke(derivative, like, (activation, inputs, hidden, linear, below))
        every = 0 if mark == 0.0 else 1
    put_int(frame + 8 * DONE, done)
    return 0
