"""The compiled training loop: every thread of a team runs it, and they meet twice a step.

In the first half of a step a thread takes its own rows forward, to their losses, and back to the first layer's delta;
rows know nothing of each other, so it needs nobody. In the second it owns rows of the weights: their gradient sums over
all rows of the batch, in their order. So neither half splits a sum, and the bits do not depend on the number of
threads.

The first layer's weight is mostly the largest, and would change cores each step. Where it has panels enough, a thread
owns columns of it instead, in both halves, and the layer's outputs change cores: a fraction of the bytes for small
batches.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastff._jit import inline, invoke, unit
from fastff.gemm.one_row import rows_transposed
from fastff.gemm.pack import transpose_rows
from fastff.gemm.product import PANEL_BYTES, product
from fastff.network.layers import (
    ACTIVATION,
    BIAS,
    DELTA,
    GATHERED,
    HIDDEN,
    HIDDEN_ROW,
    INPUTS,
    LINE,
    LINEAR,
    TRANSPOSED,
    TRANSPOSED_PANEL,
    WEIGHT,
    WEIGHT_PANEL,
    WEIGHT_ROW,
    WIDTH,
)
from fastff.network.rows import block_of, forward_rows, panels_together
from fastff.ops.activate import derivative
from fastff.ops.activations import IDENTITY, RELU
from fastff.ops.head import head
from fastff.ops.losses import CrossEntropy
from fastff.simd.barrier import wait
from fastff.simd.memory import field, get_double, get_int, put_double, put_int, size_of
from fastff.simd.tile import MAX_ROWS
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
from fastff.training.weights import (
    FIRST_CHUNK,
    LAST_CHUNK,
    MIDDLE_CHUNK,
    ONLY,
    pack_inputs,
    transpose_layer,
    update_layer,
)

CROSS_ENTROPY = CrossEntropy.code


@inline
def share(total: int, part: int, parts: int) -> int:
    """Where the share of one thread begins."""
    if parts == 1:
        return total * part
    return total * part // parts


@unit("iiiii")
def backward_rows(like: Any, frame: int, table: int, first: int, rows: int, scratch: int) -> int:
    """From the last layer's DELTA back to the first layer's, for a block of rows of the workspace.

    ``delta = (delta_after @ weight.T) * activation'``; each layer's DELTA but the last is *written*, and so is
    *scratch* where no transposed weights are kept.
    """
    size = size_of(like)
    columns = PANEL_BYTES // size
    for layer in range(get_int(frame + 8 * LAYERS) - 1, 0, -1):
        line, below = table + layer * LINE, table + (layer - 1) * LINE
        row, below_row = field(line, HIDDEN_ROW), field(below, HIDDEN_ROW)
        n, k = field(line, INPUTS), field(line, WIDTH)
        weight, weight_row, transposed = field(line, WEIGHT), field(line, WEIGHT_ROW), field(line, TRANSPOSED)
        after, delta = field(line, DELTA) + first * row, field(below, DELTA) + first * below_row
        if get_int(frame + 8 * FEW) != 0:
            invoke(rows_transposed, like, (rows, n, k, after, row, weight, weight_row, delta, below_row))
        elif transposed != 0:
            invoke(
                product,
                like,
                (
                    rows, n, k, after, row, size, 0, transposed, PANEL_BYTES, field(line, TRANSPOSED_PANEL),
                    0, 0, delta, below_row, PANEL_BYTES, 0.0, -np.inf,
                ),
            )  # fmt: skip
        else:
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
                            min(block, rows - i), width, k, after + i * row, row, size, 0,
                            scratch, PANEL_BYTES, k * PANEL_BYTES, 0, 0,
                            delta + i * below_row + j * size, below_row, PANEL_BYTES, 0.0, -np.inf,
                        ),
                    )  # fmt: skip
        activation = field(below, ACTIVATION)
        if activation != IDENTITY:
            offset = first * below_row
            invoke(
                derivative,
                like,
                (
                    activation,
                    rows * below_row // size,
                    field(below, HIDDEN) + offset,
                    field(below, LINEAR) + offset,
                    delta,
                ),
            )
    return 0


@inline
def chunk_inputs(frame: int, table: int, at: int, layer: int) -> tuple[int, int]:
    """Address and stride of a layer's input for the chunk that begins at row `at` of the data (or of the order)."""
    if layer > 0:
        line = table + (layer - 1) * LINE
        return field(line, HIDDEN), field(line, HIDDEN_ROW)
    if get_int(frame + 8 * ORDER) != 0:
        return field(table, GATHERED), get_int(frame + 8 * X_BATCH_ROW)
    row = get_int(frame + 8 * X_ROW)
    return get_int(frame + 8 * X) + at * row, row


@inline
def panels_of(line: int, size: int) -> int:
    """Number of panels of a layer's weight."""
    return (field(line, WIDTH) * size + PANEL_BYTES - 1) // PANEL_BYTES


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


@unit("iii")
def keep_tiles(like: Any, frame: int, table: int, thread: int) -> int:
    """Pack this thread's part of the data in tiles, for all epochs: rows come in the same order in each."""
    size, threads = size_of(like), get_int(frame + 8 * THREADS)
    data_rows, batch, chunk_rows = get_int(frame + 8 * ROWS), get_int(frame + 8 * BATCH), get_int(frame + 8 * CHUNK)
    inputs = field(table, INPUTS)
    first, last, owner = share(inputs, thread, threads), share(inputs, thread + 1, threads), thread
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


@unit("iiiiii")
def first_columns(like: Any, frame: int, table: int, at: int, rows: int, first_panel: int, last_panel: int) -> int:
    """The first layer's LINEAR for all rows of a chunk and this thread's panels of columns."""
    size = size_of(like)
    columns = PANEL_BYTES // size
    n = min(field(table, WIDTH), last_panel * columns) - first_panel * columns
    x, x_row = chunk_inputs(frame, table, at, 0)
    across = first_panel * PANEL_BYTES
    bias = field(table, BIAS)
    if bias != 0:
        bias += across
    inner = get_int(frame + 8 * LAYERS) > 1
    floor = 0.0 if inner and field(table, ACTIVATION) == RELU else -np.inf
    row, block = field(table, HIDDEN_ROW), get_int(frame + 8 * BLOCK)
    for i in range(0, rows, block):
        invoke(
            product,
            like,
            (
                min(block, rows - i),
                n,
                field(table, INPUTS),
                x + i * x_row,
                x_row,
                size,
                0,
                field(table, WEIGHT) + first_panel * field(table, WEIGHT_PANEL),
                field(table, WEIGHT_ROW),
                field(table, WEIGHT_PANEL),
                bias,
                0,
                field(table, LINEAR) + i * row + across,
                row,
                PANEL_BYTES,
                0.0,
                floor,
            ),
        )
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
        1 where rows are gathered and the first layer's LINEAR is there already.
    scratch : int
        This thread's. *Written.*
    """
    layers = get_int(frame + 8 * LAYERS)
    tail = table + (layers - 1) * LINE
    block = get_int(frame + 8 * BLOCK)
    y_row = get_int(frame + 8 * Y_ROW)
    x, x_row = chunk_inputs(frame, table, at, 0)
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
            invoke(backward_rows, like, (frame, table, i, rows, scratch))
        i += rows
    return 0


@unit("iii")
def transpose_share(like: Any, frame: int, table: int, thread: int) -> int:
    """Transpose this thread's rows of every weight that the way back multiplies with."""
    threads = get_int(frame + 8 * THREADS)
    for layer in range(1, get_int(frame + 8 * LAYERS)):
        line = table + layer * LINE
        inputs = field(line, INPUTS)
        if field(line, TRANSPOSED) != 0:
            invoke(transpose_layer, like, (line, share(inputs, thread, threads), share(inputs, thread + 1, threads)))
    return 0


@unit("iiiiiii")
def update_share(like: Any, frame: int, table: int, thread: int, clock: int, chunk: int, at: int, rows: int) -> int:
    """The second half of a step: this thread's part of every weight, and its transposition for the next step."""
    size = size_of(like)
    threads = get_int(frame + 8 * THREADS)
    layers = get_int(frame + 8 * LAYERS)
    scratch = get_int(frame + 8 * SCRATCH) + thread * get_int(frame + 8 * SCRATCH_BYTES)
    for layer in range(layers):
        line = table + layer * LINE
        x, x_row = chunk_inputs(frame, table, at, layer)
        inputs, panels = field(line, INPUTS), panels_of(line, size)
        if layer == 0 and get_int(frame + 8 * BY_COLUMNS) != 0:
            invoke(
                update_layer,
                like,
                (
                    frame,
                    line,
                    clock,
                    chunk,
                    0,
                    inputs,
                    share(panels, thread, threads),
                    share(panels, thread + 1, threads),
                    1,
                    x,
                    x_row,
                    rows,
                    tiles_of(frame, table, 0, 0, at, rows, size),
                    scratch,
                ),
            )
        else:
            mine = 1 if layer % threads == thread else 0
            first, last = share(inputs, thread, threads), share(inputs, thread + 1, threads)
            invoke(
                update_layer,
                like,
                (
                    frame,
                    line,
                    clock,
                    chunk,
                    first,
                    last,
                    0,
                    panels,
                    mine,
                    x,
                    x_row,
                    rows,
                    tiles_of(frame, table, thread, first, at, rows, size) if layer == 0 else 0,
                    scratch,
                ),
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
    panels = panels_of(table, size_of(like))
    first_panel, last_panel = share(panels, thread, threads), share(panels, thread + 1, threads)
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
        invoke(
            gather_inputs, like, (frame, table, numbers, share(rows, thread, threads), share(rows, thread + 1, threads))
        )
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
                invoke(first_columns, like, (frame, table, start + at, here, first_panel, last_panel))
                wait(barrier, threads)
            invoke(
                rows_there_and_back,
                like,
                (
                    frame,
                    table,
                    numbers,
                    start + at,
                    share(here, thread, threads),
                    share(here, thread + 1, threads),
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
                invoke(
                    gather_inputs,
                    like,
                    (
                        frame,
                        other,
                        numbers,
                        share(coming, thread, threads),
                        share(coming, thread + 1, threads),
                    ),
                )
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
            if finite and rule != LOSS_ONLY:
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
