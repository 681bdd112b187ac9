"""The compiled training loop: every thread of a team runs it, and they meet twice a step.

In the first half of a step a thread takes its own rows forward, to their losses, and back to the first layer's delta; rows know
nothing of each other, so it needs nobody. In the second it owns rows of the weights: their gradient sums over all rows of the
batch, in their order. So neither half splits a sum, and the bits do not depend on the number of threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastff._jit import inline, invoke, unit
from fastff.gemm.product import PANEL_BYTES
from fastff.network.layers import (
    ACTIVATION,
    DELTA,
    HIDDEN,
    HIDDEN_ROW,
    INPUTS,
    LINE,
    LINEAR,
    TRANSPOSED,
    TRANSPOSED_PANEL,
    WIDTH,
)
from fastff.network.rows import field
from fastff.ops.activations import IDENTITY
from fastff.ops.losses import CrossEntropy
from fastff.simd.barrier import wait
from fastff.simd.memory import get_double, get_int, put_double, put_int, size_of
from fastff.training import gather as _gather  # noqa: F401  units are called by name, and must be known
from fastff.training.frame import (
    BARRIER,
    BATCH,
    BLOCK,
    CHUNK,
    CLOCK,
    DONE,
    FIRST,
    LABELS,
    LAYERS,
    LOSS,
    LOSS_ONLY,
    LOSSES,
    MEAN,
    ORDER,
    ROW_LOSSES,
    ROWS,
    RULE,
    SCALE,
    SCRATCH,
    SCRATCH_BYTES,
    STEPS,
    TABLE,
    THREADS,
    TRANSPOSE,
    X,
    X_BATCH,
    X_BATCH_ROW,
    X_ROW,
    Y,
    Y_BATCH,
    Y_ROW,
)
from fastff.training.weights import FIRST_CHUNK, LAST_CHUNK, MIDDLE_CHUNK, ONLY

CROSS_ENTROPY = CrossEntropy.code


@inline
def share(total: int, part: int, parts: int) -> int:
    """Where the share of one thread begins."""
    return total * part // parts


@unit("iii")
def backward_rows(like: Any, frame: int, first: int, rows: int) -> int:
    """From the last layer's DELTA back to the first layer's, for a block of rows of the workspace.

    ``delta = (delta_after @ weight.T) * activation'``; each layer's DELTA but the last is *written*.
    """
    size = size_of(like)
    table = get_int(frame + 8 * TABLE)
    for layer in range(get_int(frame + 8 * LAYERS) - 1, 0, -1):
        line, below = table + layer * LINE, table + (layer - 1) * LINE
        row, below_row = field(line, HIDDEN_ROW), field(below, HIDDEN_ROW)
        delta = field(below, DELTA) + first * below_row
        invoke("product", like, (
            rows, field(line, INPUTS), field(line, WIDTH), field(line, DELTA) + first * row, row, size, 0,
            field(line, TRANSPOSED), PANEL_BYTES, field(line, TRANSPOSED_PANEL),
            0, 0, delta, below_row, PANEL_BYTES, 0.0, -np.inf,
        ))
        activation = field(below, ACTIVATION)
        if activation != IDENTITY:
            offset = first * below_row
            invoke("derivative", like, (
                activation, rows * below_row // size, field(below, HIDDEN) + offset, field(below, LINEAR) + offset, delta,
            ))
    return 0


@inline
def chunk_inputs(frame: int, at: int, layer: int) -> tuple[int, int]:
    """Address and stride of a layer's input for the chunk of the batch whose first row is row `at` of the data (or of the order)."""
    if layer > 0:
        line = get_int(frame + 8 * TABLE) + (layer - 1) * LINE
        return field(line, HIDDEN), field(line, HIDDEN_ROW)
    if get_int(frame + 8 * ORDER) != 0:
        return get_int(frame + 8 * X_BATCH), get_int(frame + 8 * X_BATCH_ROW)
    row = get_int(frame + 8 * X_ROW)
    return get_int(frame + 8 * X) + at * row, row


@unit("iiiiidi")
def rows_there_and_back(like: Any, frame: int, order: int, at: int, first: int, last: int, scale: float, row_losses: int) -> int:
    """The first half of a step for rows ``first`` to ``last`` of a chunk.

    Parameters
    ----------
    order : int
        Address of the chunk's row numbers, or 0 where the chunk is the rows from `at` of the data.
    scale : float
        Factor of the derivative.
    row_losses : int
        Address of the chunk's losses, one float64 a row. *Written.*
    """
    size = size_of(like)
    table, layers = get_int(frame + 8 * TABLE), get_int(frame + 8 * LAYERS)
    tail = table + (layers - 1) * LINE
    block = get_int(frame + 8 * BLOCK)
    y_row = get_int(frame + 8 * Y_ROW)
    inputs = field(table, INPUTS)
    x, x_row = chunk_inputs(frame, at, 0)
    y = get_int(frame + 8 * Y) + at * y_row
    if order != 0:
        y = get_int(frame + 8 * Y_BATCH)
        invoke("gather", like, (order + 8 * first, last - first, y_row, get_int(frame + 8 * Y), y_row, y + first * y_row, y_row))
    width = field(tail, WIDTH)
    row = field(tail, HIDDEN_ROW)
    for i in range(first, last, block):
        rows = min(block, last - i)
        if order != 0:
            invoke("gather", like, (order + 8 * i, rows, inputs * size, get_int(frame + 8 * X), get_int(frame + 8 * X_ROW), x + i * x_row, x_row))
        invoke("forward_rows", like, (table, layers, x + i * x_row, x_row, i, rows))
        delta = field(tail, DELTA)
        if get_int(frame + 8 * RULE) == LOSS_ONLY:
            delta = 0
        else:
            delta += i * row
        invoke("head", like, (
            field(tail, ACTIVATION), get_int(frame + 8 * LOSS), get_int(frame + 8 * LABELS), rows, width,
            field(tail, LINEAR) + i * row, row, y + i * y_row, y_row, scale, row_losses + 8 * i, delta, row,
        ))
        if delta != 0:
            invoke("backward_rows", like, (frame, i, rows))
    return 0


@unit("iiiiii")
def update_share(like: Any, frame: int, thread: int, chunk: int, at: int, rows: int, ready: int) -> int:
    """The second half of a step: this thread's rows of every layer's weight, and their transposition for the next step."""
    threads = get_int(frame + 8 * THREADS)
    table, layers = get_int(frame + 8 * TABLE), get_int(frame + 8 * LAYERS)
    scratch = get_int(frame + 8 * SCRATCH) + thread * get_int(frame + 8 * SCRATCH_BYTES)
    for layer in range(layers):
        line = table + layer * LINE
        x, x_row = chunk_inputs(frame, at, layer)
        inputs = field(line, INPUTS)
        first, last = share(inputs, thread, threads), share(inputs, thread + 1, threads)
        # the threads that begin take the biases of the last layers, and so on
        mine = 1 if layer % threads == thread else 0
        if ready:
            invoke("update_layer", like, (frame, line, chunk, first, last, mine, x, x_row, rows, scratch))
        if layer > 0 and get_int(frame + 8 * RULE) >= 0 or not ready:
            if layer > 0 and chunk in (ONLY, LAST_CHUNK):
                invoke("transpose_layer", like, (line, first, last))
    return 0


@inline
def sum_of(losses: int, rows: int) -> float:
    """Sum of float64 in a fixed order, in four chains."""
    a = b = c = d = 0.0
    i = 0
    while i + 4 <= rows:
        a += get_double(losses + 8 * i)
        b += get_double(losses + 8 * i + 8)
        c += get_double(losses + 8 * i + 16)
        d += get_double(losses + 8 * i + 24)
        i += 4
    while i < rows:
        a += get_double(losses + 8 * i)
        i += 1
    return (a + b) + (c + d)


@unit("ii")
def run(like: Any, frame: int, thread: int) -> int:
    """Make STEPS steps; each thread of the team calls it with its number.

    Writes LOSSES, and DONE at the end: fewer than STEPS where a loss was not finite, whose step is then not made.
    """
    threads, barrier = get_int(frame + 8 * THREADS), get_int(frame + 8 * BARRIER)
    data_rows, batch, chunk_rows = get_int(frame + 8 * ROWS), get_int(frame + 8 * BATCH), get_int(frame + 8 * CHUNK)
    first_step, steps = get_int(frame + 8 * FIRST), get_int(frame + 8 * STEPS)
    order, row_losses = get_int(frame + 8 * ORDER), get_int(frame + 8 * ROW_LOSSES)
    rule, clock = get_int(frame + 8 * RULE), get_int(frame + 8 * CLOCK)
    tail = get_int(frame + 8 * TABLE) + (get_int(frame + 8 * LAYERS) - 1) * LINE
    steps_per_epoch = (data_rows + batch - 1) // batch
    if rule != LOSS_ONLY and get_int(frame + 8 * TRANSPOSE) != 0:
        invoke("update_share", like, (frame, thread, ONLY, 0, 0, 0))
        wait(barrier, threads)
    done = 0
    epoch = first_step // steps_per_epoch
    place = first_step - epoch * steps_per_epoch
    while done < steps:
        start = place * batch
        rows = min(batch, data_rows - start)
        divisor = 1.0
        if get_int(frame + 8 * MEAN) != 0:
            divisor = float(rows)
            if get_int(frame + 8 * LOSS) != CROSS_ENTROPY:
                divisor *= field(tail, WIDTH)
        scale = get_double(frame + 8 * SCALE) / divisor
        finite = True
        loss = 0.0
        for at in range(0, rows, chunk_rows):
            here = min(chunk_rows, rows - at)
            numbers = 0
            if order != 0:
                numbers = order + 8 * (epoch * data_rows + start + at)
            first, last = share(here, thread, threads), share(here, thread + 1, threads)
            invoke("rows_there_and_back", like, (frame, numbers, start + at, first, last, scale, row_losses + 8 * at))
            wait(barrier, threads)
            kind = MIDDLE_CHUNK
            if at + here == rows:
                kind = LAST_CHUNK if at > 0 else ONLY
                loss = sum_of(row_losses, rows) * scale
                finite = np.isfinite(loss)
            elif at == 0:
                kind = FIRST_CHUNK
            if finite and rule != LOSS_ONLY:
                invoke("update_share", like, (frame, thread, kind, start + at, here, 1))
            if kind == ONLY or kind == LAST_CHUNK:
                if thread == 0:
                    put_double(get_int(frame + 8 * LOSSES) + 8 * done, loss)
                    # the clock is read in the update, before the barrier
            if finite:
                wait(barrier, threads)
        if not finite:
            break
        done += 1
        if thread == 0:
            put_int(frame + 8 * CLOCK, clock + done)
        place += 1
        if place == steps_per_epoch:
            place = 0
            epoch += 1
    if thread == 0:
        put_int(frame + 8 * DONE, done)
    return 0


