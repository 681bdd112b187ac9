"""The compiled training loop: every thread of a team runs it, and they meet at barriers, two or more a step.

In the first half of a step a thread takes its own rows forward, to their losses, and back to the first layer's delta;
rows know nothing of each other, so it needs nobody. In the second it owns rows of the weights: their gradient sums over
all rows of the batch, in their order. So neither half splits a sum, and the bits do not depend on the number of
threads.

Large weights would change cores each step. Of the first layers, as far as that costs more than their activations do, a
thread owns columns in both halves instead (`fastff.training.columns`), and all threads meet behind each.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastff._jit import inline, invoke, unit
from fastff.network.layers import (
    ACTIVATION,
    DELTA,
    GATHERED,
    HIDDEN_ROW,
    INPUTS,
    LINE,
    LINEAR,
    TRANSPOSED,
    WIDTH,
)
from fastff.network.rows import forward_rows
from fastff.ops.head import head
from fastff.ops.losses import CrossEntropy
from fastff.simd.barrier import wait
from fastff.simd.memory import field, get_double, get_int, put_double, put_int, size_of
from fastff.simd.tile import MAX_ROWS
from fastff.training.backward import backward_rows
from fastff.training.columns import columns_back, columns_there
from fastff.training.frame import (
    BARRIER,
    BATCH,
    BLOCK,
    BY_COLUMNS,
    CHUNK,
    CLOCK,
    DONE,
    FEW,
    FIRST,
    GRADIENT_ONLY,
    LABELS,
    LAYERS,
    LOSS,
    LOSS_ONLY,
    LOSSES,
    MEAN,
    ODD_TABLE,
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
    TILES,
    X_BATCH_ROW,
    X_ROW,
    Y_BATCH,
    Y_ROW,
    X,
    Y,
)
from fastff.training.gather import gather
from fastff.training.shares import chunk_inputs, owned, owns_strip, part
from fastff.training.weights import (
    FIRST_CHUNK,
    LAST_CHUNK,
    MIDDLE_CHUNK,
    ONLY,
    corrections,
    pack_inputs,
    transpose_layer,
    transpose_strip,
    update_layer,
    update_strip,
)

CROSS_ENTROPY = CrossEntropy.code


@unit("iiiii")
def gather_inputs(like: Any, frame: int, table: int, order: int, first: int, last: int) -> int:
    """Gather rows ``first`` to ``last`` of a chunk, whose row numbers are at `order`."""
    row = get_int(frame + 8 * X_BATCH_ROW)
    invoke(
        gather,
        like,
        (
            order + 8 * first,
            last - first,
            field(table, INPUTS) * size_of(like),
            get_int(frame + 8 * X),
            get_int(frame + 8 * X_ROW),
            field(table, GATHERED) + first * row,
            row,
        ),
    )
    return 0


@inline
def tiles_of(frame: int, table: int, thread: int, first: int, at: int, rows: int, size: int) -> int:
    """Address of tiles of the chunk that begins at row `at` of the data; 0 where they are not kept.

    They are those of the inputs from `first` on, for this thread; its last tile may be higher than its share.
    """
    tiles = get_int(frame + 8 * TILES)
    if tiles == 0:
        return 0
    height = field(table, INPUTS) + MAX_ROWS * (get_int(frame + 8 * THREADS) + 1)
    return tiles + (at * height + (first + thread * MAX_ROWS) * rows) * size


@unit("iii", rare=True)
def keep_tiles(like: Any, frame: int, table: int, thread: int) -> int:
    """Pack this thread's part of the data in tiles, for all epochs: rows come in the same order in each."""
    size, threads = size_of(like), get_int(frame + 8 * THREADS)
    data_rows, batch, chunk_rows = get_int(frame + 8 * ROWS), get_int(frame + 8 * BATCH), get_int(frame + 8 * CHUNK)
    inputs = field(table, INPUTS)
    first, last = part(inputs, thread, threads)
    owner = thread
    start = at = chunk = 0
    while start < data_rows:
        rows = min(chunk_rows, min(batch - at, data_rows - start))
        if get_int(frame + 8 * BY_COLUMNS) != 0:
            # all threads read all inputs, and pack a chunk each
            first, last, owner = 0, inputs if chunk % threads == thread else 0, 0
        x, x_row = chunk_inputs(frame, table, start, 0)
        tiles = tiles_of(frame, table, owner, first, start, rows, size)
        invoke(pack_inputs, like, (table, first, last, x, x_row, rows, tiles))
        start += rows
        at += rows
        if at == batch:
            at = 0
        chunk += 1
    return 0


@unit("iiiiiidiii")
def rows_there_and_back(
    like: Any,
    frame: int,
    table: int,
    order: int,
    at: int,
    first: int,
    last: int,
    scale: float,
    row_losses: int,
    begun: int,
    scratch: int,
) -> int:
    """The first half of a step for rows ``first`` to ``last`` of a chunk.

    Parameters
    ----------
    order : int
        Address of the chunk's row numbers, or 0 where the chunk is the rows from `at` of the data.
    scale : float
        Factor of the derivative.
    row_losses : int
        Address of the chunk's losses, one float64 a row. *Written.*
    begun : int
        Number of layers whose outputs are there already, and rows gathered for; on the way back they are left out.
    scratch : int
        This thread's. *Written.*
    """
    layers = get_int(frame + 8 * LAYERS)
    tail = table + (layers - 1) * LINE
    block = get_int(frame + 8 * BLOCK)
    y_row = get_int(frame + 8 * Y_ROW)
    x, x_row = chunk_inputs(frame, table, at, begun)
    y = get_int(frame + 8 * Y) + at * y_row
    if order != 0:
        y = get_int(frame + 8 * Y_BATCH)
        invoke(
            gather,
            like,
            (order + 8 * first, last - first, y_row, get_int(frame + 8 * Y), y_row, y + first * y_row, y_row),
        )
    width = field(tail, WIDTH)
    row = field(tail, HIDDEN_ROW)
    i = first
    while i < last:  # a range with a step costs a division, which tiny networks feel
        rows = min(block, last - i)
        if order != 0 and begun == 0:
            invoke(gather_inputs, like, (frame, table, order, i, i + rows))
        invoke(forward_rows, like, (table, layers, begun, x + i * x_row, x_row, i, rows, scratch))
        delta = 0
        if get_int(frame + 8 * RULE) != LOSS_ONLY:
            delta = field(tail, DELTA) + i * row
        invoke(
            head,
            like,
            (
                field(tail, ACTIVATION),
                get_int(frame + 8 * LOSS),
                get_int(frame + 8 * LABELS),
                rows,
                width,
                field(tail, LINEAR) + i * row,
                row,
                y + i * y_row,
                y_row,
                scale,
                row_losses + 8 * i,
                delta,
                row,
            ),
        )
        if delta != 0:
            invoke(backward_rows, like, (table, layers, begun, get_int(frame + 8 * FEW), i, rows, scratch))
        i += rows
    return 0


@unit("iii")
def transpose_share(like: Any, frame: int, table: int, thread: int) -> int:
    """Transpose this thread's part of every weight that the way back multiplies with: what it has updated."""
    size, threads = size_of(like), get_int(frame + 8 * THREADS)
    by_columns = get_int(frame + 8 * BY_COLUMNS)
    for layer in range(1, get_int(frame + 8 * LAYERS)):
        line = table + layer * LINE
        if field(line, TRANSPOSED) != 0:
            own = 1 if layer < by_columns else 0
            first, last, first_panel, last_panel = owned(line, own, thread, threads, size)
            invoke(transpose_layer, like, (line, first, last, first_panel, last_panel))
            if owns_strip(line, own, thread, threads):
                invoke(transpose_strip, like, (line, first, last))
    return 0


@unit("iiiiiii")
def update_share(like: Any, frame: int, table: int, thread: int, clock: int, chunk: int, at: int, rows: int) -> int:
    """The second half of a step: this thread's part of every weight, and its transposition for the next step."""
    size = size_of(like)
    threads = get_int(frame + 8 * THREADS)
    layers = get_int(frame + 8 * LAYERS)
    scratch = get_int(frame + 8 * SCRATCH) + thread * get_int(frame + 8 * SCRATCH_BYTES)
    by_columns = get_int(frame + 8 * BY_COLUMNS)
    correction1, correction2 = corrections(frame, clock)
    for layer in range(layers):
        line = table + layer * LINE
        x, x_row = chunk_inputs(frame, table, at, layer)
        # whose tiles of the data, and whether the bias is this thread's, too
        owner, mine, own = 0, 1, 1
        if layer >= by_columns:
            owner, mine, own = thread, 1 if layer % threads == thread else 0, 0
        first, last, first_panel, last_panel = owned(line, own, thread, threads, size)
        tiles = tiles_of(frame, table, owner, first, at, rows, size) if layer == 0 else 0
        coming = x + rows * x_row if layer == 0 and get_int(frame + 8 * ORDER) == 0 else 0
        invoke(
            update_layer,
            like,
            (
                frame, line, correction1, correction2, chunk, first, last, first_panel, last_panel, mine,
                x, x_row, rows, tiles, coming, scratch,
            ),
        )  # fmt: skip
        if owns_strip(line, own, thread, threads):
            invoke(
                update_strip,
                like,
                (frame, line, correction1, correction2, chunk, first, last, mine, x, x_row, rows, scratch),
            )
    if get_int(frame + 8 * RULE) >= 0 and (chunk == ONLY or chunk == LAST_CHUNK):
        invoke(transpose_share, like, (frame, table, thread))
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
    table, other = get_int(frame + 8 * TABLE), get_int(frame + 8 * ODD_TABLE)
    by_columns = get_int(frame + 8 * BY_COLUMNS)
    scratch = get_int(frame + 8 * SCRATCH) + thread * get_int(frame + 8 * SCRATCH_BYTES)
    tail = table + (get_int(frame + 8 * LAYERS) - 1) * LINE
    width = field(tail, WIDTH)
    steps_per_epoch = (data_rows + batch - 1) // batch
    epoch = first_step // steps_per_epoch
    place = first_step - epoch * steps_per_epoch
    if rule != LOSS_ONLY:
        invoke(transpose_share, like, (frame, table, thread))
    if get_int(frame + 8 * TILES) != 0:
        invoke(keep_tiles, like, (frame, table, thread))
    if by_columns != 0 and order != 0:
        rows = min(chunk_rows, min(batch, data_rows - place * batch))
        numbers = order + 8 * (epoch * data_rows + place * batch)
        first, last = part(rows, thread, threads)
        invoke(gather_inputs, like, (frame, table, numbers, first, last))
    wait(barrier, threads)
    done = 0
    while done < steps:
        start = place * batch
        rows = min(batch, data_rows - start)
        following = place + 1
        following_epoch = epoch
        if following == steps_per_epoch:
            following = 0
            following_epoch += 1
        divisor = 1.0
        if get_int(frame + 8 * MEAN) != 0:
            divisor = float(rows)
            if get_int(frame + 8 * LOSS) != CROSS_ENTROPY:
                divisor *= width
        scale = get_double(frame + 8 * SCALE) / divisor
        finite = True
        at = 0
        while at < rows:
            here = min(chunk_rows, rows - at)
            numbers = 0
            if order != 0:
                numbers = order + 8 * (epoch * data_rows + start + at)
            if by_columns != 0:
                invoke(columns_there, like, (frame, table, thread, start + at, here, scratch))
            first, last = part(here, thread, threads)
            invoke(
                rows_there_and_back,
                like,
                (
                    frame,
                    table,
                    numbers,
                    start + at,
                    first,
                    last,
                    scale,
                    row_losses + 8 * at,
                    by_columns,
                    scratch,
                ),
            )
            if by_columns != 0 and order != 0:
                # the next chunk's rows, while nobody waits for them
                if at + here < rows:
                    coming = min(chunk_rows, rows - at - here)
                    numbers = order + 8 * (epoch * data_rows + start + at + here)
                else:
                    coming = min(chunk_rows, min(batch, data_rows - following * batch))
                    numbers = order + 8 * (following_epoch * data_rows + following * batch)
                    if done + 1 == steps:
                        coming = 0
                first, last = part(coming, thread, threads)
                invoke(gather_inputs, like, (frame, other, numbers, first, last))
            wait(barrier, threads)
            kind = MIDDLE_CHUNK
            if at + here == rows:
                kind = LAST_CHUNK if at > 0 else ONLY
                loss = sum_of(row_losses, rows) * scale
                finite = np.isfinite(loss)
                if thread == 0:
                    put_double(get_int(frame + 8 * LOSSES) + 8 * done, loss)
            elif at == 0:
                kind = FIRST_CHUNK
            if rule == GRADIENT_ONLY or finite and rule != LOSS_ONLY:
                if by_columns > 1:
                    invoke(columns_back, like, (frame, table, thread, here, scratch))
                invoke(update_share, like, (frame, table, thread, clock + done, kind, start + at, here))
            if by_columns != 0:
                # a thread goes on to its columns at once: what the others still read is the other table's
                table, other = other, table
            else:
                wait(barrier, threads)
            at += here
        if not finite:
            break
        done += 1
        place = following
        epoch = following_epoch
    if thread == 0:
        put_int(frame + 8 * DONE, done)
    return 0
