"""The weight gradient of a layer with the update in it: the second half of a step.

A thread owns rows of the weight, or panels of columns. Plain descent subtracts each tile of ``x.T @ delta`` while it is
in registers, and no gradient is ever written. Other rules take the gradient of a few rows from a buffer in the first
level of the cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastff._cpu import L2_BYTES
from fastff._jit import inline, invoke, unit
from fastff.gemm.one_row import outer_step
from fastff.gemm.pack import pack_panels, pack_tiles, transpose_rows
from fastff.gemm.product import PANEL_BYTES, TILE_BYTES, product
from fastff.network.layers import (
    BIAS,
    BIAS_GRADIENT,
    BIAS_MOMENT,
    BIAS_SQUARE,
    DELTA,
    GRADIENT,
    HIDDEN_ROW,
    MOMENT,
    SQUARE,
    STRIP,
    STRIP_ROW,
    TRANSPOSED,
    TRANSPOSED_PANEL,
    WEIGHT,
    WEIGHT_BLOCK,
    WEIGHT_PANEL,
    WEIGHT_ROW,
    WIDTH,
)
from fastff.network.rows import strip_at
from fastff.ops.update import update
from fastff.optim.codes import ADAM, PLAIN
from fastff.simd.blocks import copy_rows
from fastff.simd.memory import field, get_double, get_int, put_int, size_of
from fastff.simd.tile import MAX_ROWS, MAX_VECTORS
from fastff.training.frame import BETA1, BETA2, DECAY, EPSILON, FEW, GRADIENT_ONLY, LEARNING_RATE, ONE, RULE

#: Rows of a batch from which the operands of a weight's gradient are packed,
PACKED_DEPTH = 8
#: but for so few rows, or bytes of them, that their pages fit into the first level of the address cache, where they do
#: not fall on the same few sets of the first level of the cache, either: those are as near where they stand.
NEAR_ROWS, NEAR_BYTES, SETS_BYTES = 64, 256 << 10, 1024

#: Bytes of adjacent numbers from which they and their state are worth asking for before they are updated,
ASKED_BYTES = 8 << 10
#: and of the delta up to which its panels are near, and not worth it.
NEAR_DELTA_BYTES = L2_BYTES // 2
#: Bytes of the next step's rows up to which they are asked for.
COMING_BYTES = L2_BYTES // 4

# What becomes of a gradient: phases of a step whose batch comes in chunks.
ONLY = 0  # the batch is one chunk
FIRST_CHUNK = 1
MIDDLE_CHUNK = 2
LAST_CHUNK = 3


@inline
def corrections(frame: int, clock: int) -> tuple[float, float]:
    """What makes Adam's moments unbiased at the next update after so many; other rules do not look at it."""
    if get_int(frame + 8 * RULE) != ADAM:
        return 1.0, 1.0
    time = float(clock + 1)
    return 1.0 - get_double(frame + 8 * BETA1) ** time, 1.0 - get_double(frame + 8 * BETA2) ** time


@inline
def apply_rule(
    like: Any,
    frame: int,
    correction1: float,
    correction2: float,
    times: int,
    step: int,
    n: int,
    w: int,
    g: int,
    g_step: int,
    m: int,
    v: int,
) -> None:
    """Update n adjacent parameters by the frame's rule, some times, `step` bytes apart; gradients `g_step`."""
    rule = get_int(frame + 8 * RULE)
    beta1, beta2 = get_double(frame + 8 * BETA1), get_double(frame + 8 * BETA2)
    for i in range(times):
        offset = i * step
        invoke(
            update,
            like,
            (
                rule,
                n,
                w + offset,
                g + i * g_step,
                m + offset,
                v + offset,
                get_double(frame + 8 * LEARNING_RATE),
                beta1,
                beta2,
                get_double(frame + 8 * EPSILON),
                get_double(frame + 8 * DECAY),
                correction1,
                correction2,
            ),
        )


@inline
def list_wanted(wanted: int, rule: int, panels: int, n_bytes: int, step: int, w: int, moment: int, square: int) -> None:
    """Write what a rule reads of some panels, `step` bytes apart, as `product` takes what is wanted next.

    Plain descent reads one array: any.
    """
    arrays = 3 if rule == ADAM else 1 if rule == PLAIN else 2
    put_int(wanted, panels * arrays)
    put_int(wanted + 8, n_bytes)
    for i in range(panels):
        place = wanted + 16 + 8 * arrays * i
        put_int(place, w + i * step)
        if arrays > 1:
            put_int(place + 8, moment + i * step)
        if arrays > 2:
            put_int(place + 16, square + i * step)


@unit("iddiiiiiiiiiiiiiiiiii")
def gradient_rows(
    like: Any,
    frame: int,
    correction1: float,
    correction2: float,
    chunk: int,
    m: int,
    n: int,
    k: int,
    a: int,
    a_row: int,
    a_step: int,
    a_tile: int,
    b: int,
    b_step: int,
    b_panel: int,
    w: int,
    w_row: int,
    w_panel: int,
    gradient: int,
    moment: int,
    square: int,
    scratch: int,
) -> int:
    """Gradient of m rows and n columns, and what becomes of it."""
    size = size_of(like)
    columns = PANEL_BYTES // size
    rule = get_int(frame + 8 * RULE)
    # what stands beside the numbers of a panel, or of a padded copy for few rows, is this thread's, too; beside columns
    # of a row-major weight it is not
    times, together, step = 1, m * w_row // size, w_row
    scratch_panel, scratch_step, at_once = PANEL_BYTES, w_row, n
    in_panels = w_row == PANEL_BYTES
    if in_panels:
        times, step, at_once = (n + columns - 1) // columns, w_panel, columns
        scratch_panel = scratch_step = m * PANEL_BYTES
    elif w_row > n * size and get_int(frame + 8 * FEW) == 0:
        times, together = m, n
    if rule == PLAIN and chunk == ONLY and get_double(frame + 8 * DECAY) == 0.0:
        rate = get_double(frame + 8 * LEARNING_RATE)
        if k == 1 and b_panel == PANEL_BYTES and a_tile == 0:
            for j in range(0, n, at_once):
                place = w + j // columns * w_panel
                invoke(outer_step, like, (m, min(at_once, n - j), a, a_row, b + j * size, place, w_row, -rate))
            return 0
        invoke(
            product,
            like,
            (m, n, k, a, a_row, a_step, a_tile, b, b_step, b_panel, 0, 0, w, w_row, w_panel, -rate, -np.inf, 0),
        )
    elif rule == GRADIENT_ONLY and chunk == ONLY or chunk == FIRST_CHUNK:
        invoke(
            product,
            like,
            (m, n, k, a, a_row, a_step, a_tile, b, b_step, b_panel, 0, 0, gradient, w_row, w_panel, 0.0, -np.inf, 0),
        )
    elif chunk != ONLY:
        invoke(
            product,
            like,
            (m, n, k, a, a_row, a_step, a_tile, b, b_step, b_panel, 0, 0, gradient, w_row, w_panel, 1.0, -np.inf, 0),
        )
        if chunk == LAST_CHUNK and rule != GRADIENT_ONLY:
            apply_rule(like, frame, correction1, correction2, times, step, together, w, gradient, step, moment, square)
    else:
        wanted, whole = 0, in_panels or w_row == n * size
        if whole and m * w_row >= ASKED_BYTES and k * n * size <= NEAR_DELTA_BYTES:
            wanted = scratch + m * (TILE_BYTES if in_panels else w_row)  # behind the gradients
            list_wanted(wanted, rule, times, m * w_row, step, w, moment, square)
        invoke(
            product,
            like,
            (
                m, n, k, a, a_row, a_step, a_tile, b, b_step, b_panel,
                0, 0, scratch, w_row, scratch_panel, 0.0, -np.inf, wanted,
            ),
        )  # fmt: skip
        apply_rule(
            like, frame, correction1, correction2, times, step, together, w, scratch, scratch_step, moment, square
        )
    return 0


@inline
def update_bias(
    like: Any,
    frame: int,
    line: int,
    correction1: float,
    correction2: float,
    chunk: int,
    skipped: int,
    n: int,
    k: int,
    scratch: int,
) -> None:
    """Gradients and updates of n numbers of a layer's bias, if it has one, behind so many bytes of others."""
    if field(line, BIAS) != 0:
        invoke(
            gradient_rows,
            like,
            (
                frame, correction1, correction2, chunk, 1, n, k, get_int(frame + 8 * ONE), 0, 0, 0,
                field(line, DELTA) + skipped, field(line, HIDDEN_ROW), PANEL_BYTES,
                field(line, BIAS) + skipped, n * size_of(like), PANEL_BYTES, field(line, BIAS_GRADIENT) + skipped,
                field(line, BIAS_MOMENT) + skipped, field(line, BIAS_SQUARE) + skipped, scratch,
            ),
        )  # fmt: skip


@unit("iiiiiii", rare=True)
def pack_inputs(like: Any, line: int, first: int, last: int, x: int, x_row: int, k: int, tiles: int) -> int:
    """Pack k rows of a layer's inputs ``first`` to ``last`` as `update_layer` wants its `tiles`."""
    size = size_of(like)
    block = field(line, WEIGHT_BLOCK)
    i = first
    while i < last:
        m = min(block, last - i)
        invoke(pack_tiles, like, (m, k, x + i * size, x_row, tiles + (i - first) * k * size))
        i += m
    return 0


@unit("iiddiiiiiiiiiiii")
def update_layer(
    like: Any,
    frame: int,
    line: int,
    correction1: float,
    correction2: float,
    chunk: int,
    first: int,
    last: int,
    first_panel: int,
    last_panel: int,
    with_bias: int,
    x: int,
    x_row: int,
    k: int,
    tiles: int,
    coming: int,
    scratch: int,
) -> int:
    """Gradients and updates of a part of a layer's panels, and of their bias if told so.

    Parameters
    ----------
    correction1, correction2 : float
        Adam's, see `corrections`.
    chunk : int
        What becomes of the gradient.
    first, last, first_panel, last_panel : int
        The part: rows, and panels of columns.
    x, x_row, k : int
        The layer's input for the k rows of the chunk. *Read*, as is the layer's DELTA.
    tiles : int
        Address of the part's rows of it in tiles (`pack_inputs`), or 0. *Read.*
    coming : int
        Address of as many rows that the next step reads, or 0. Plain descent asks for them.
    scratch : int
        Room for a packed block of rows, the packed delta and a block of gradients. *Written.*
    """
    size = size_of(like)
    columns = PANEL_BYTES // size
    n = min(field(line, WIDTH) - field(line, STRIP), last_panel * columns) - first_panel * columns
    if n <= 0:
        return 0
    panels = last_panel - first_panel
    weight_row, weight_panel = field(line, WEIGHT_ROW), field(line, WEIGHT_PANEL)
    across, skipped = first_panel * PANEL_BYTES, first_panel * weight_panel
    delta, delta_row = field(line, DELTA) + across, field(line, HIDDEN_ROW)
    if with_bias:
        update_bias(like, frame, line, correction1, correction2, chunk, across, n, k, scratch)
    if k == 1:  # an outer product, which rounds otherwise: whether data are kept in tiles must not show
        tiles = 0
    b, b_step, b_panel = delta, delta_row, PANEL_BYTES
    # a packed operand pays for itself where several tiles read it, and where they have some depth
    near = (k <= NEAR_ROWS or k * x_row <= NEAR_BYTES) and x_row % SETS_BYTES != 0
    packs = panels > MAX_VECTORS and k >= PACKED_DEPTH and not near
    if packs and last - first > 2 * MAX_ROWS:
        b, b_step, b_panel = scratch, PANEL_BYTES, k * PANEL_BYTES
        invoke(pack_panels, like, (k, n, delta, delta_row, b, b_panel))
        scratch += panels * b_panel
    block = field(line, WEIGHT_BLOCK)
    gradients = scratch + (block + MAX_ROWS) * k * size + 2 * PANEL_BYTES
    plain = k > 1 and chunk == ONLY and get_int(frame + 8 * RULE) == PLAIN and get_double(frame + 8 * DECAY) == 0.0
    wanted = 0
    if plain and coming != 0 and not packs and tiles == 0 and k * x_row <= COMING_BYTES:
        wanted = scratch
        list_wanted(wanted, PLAIN, 1, k * x_row, 0, coming, 0, 0)
    i = first
    while i < last:
        m = min(block, last - i)
        a, a_row, a_step, a_tile = x + i * size, size, x_row, 0
        if tiles != 0 or packs:
            a = scratch
            if tiles != 0:
                a = tiles + (i - first) * k * size
            else:
                invoke(pack_tiles, like, (m, k, x + i * size, x_row, scratch))
            a_step, a_tile = MAX_ROWS * size, k * MAX_ROWS * size
        start = i * weight_row + skipped
        if plain:
            # all panels in one call, each tile subtracted as it is complete
            invoke(
                product,
                like,
                (
                    m, n, k, a, a_row, a_step, a_tile, b, b_step, b_panel, 0, 0, field(line, WEIGHT) + start,
                    weight_row, weight_panel, -get_double(frame + 8 * LEARNING_RATE), -np.inf, wanted,
                ),
            )  # fmt: skip
            wanted = 0
        elif weight_row != PANEL_BYTES:
            invoke(
                gradient_rows,
                like,
                (
                    frame,
                    correction1,
                    correction2,
                    chunk,
                    m,
                    n,
                    k,
                    a,
                    a_row,
                    a_step,
                    a_tile,
                    b,
                    b_step,
                    b_panel,
                    field(line, WEIGHT) + start,
                    weight_row,
                    weight_panel,
                    field(line, GRADIENT) + start,
                    field(line, MOMENT) + start,
                    field(line, SQUARE) + start,
                    gradients,
                ),
            )
        else:
            for panel in range(0, panels, MAX_VECTORS):
                place = start + panel * weight_panel
                invoke(
                    gradient_rows,
                    like,
                    (
                        frame,
                        correction1,
                        correction2,
                        chunk,
                        m,
                        min(MAX_VECTORS * columns, n - panel * columns),
                        k,
                        a,
                        a_row,
                        a_step,
                        a_tile,
                        b + panel * b_panel,
                        b_step,
                        b_panel,
                        field(line, WEIGHT) + place,
                        weight_row,
                        weight_panel,
                        field(line, GRADIENT) + place,
                        field(line, MOMENT) + place,
                        field(line, SQUARE) + place,
                        gradients,
                    ),
                )
        i += m
    return 0


@unit("iiddiiiiiiii", rare=True)
def update_strip(
    like: Any,
    frame: int,
    line: int,
    correction1: float,
    correction2: float,
    chunk: int,
    first: int,
    last: int,
    with_bias: int,
    x: int,
    x_row: int,
    k: int,
    scratch: int,
) -> int:
    """Gradients and updates of inputs ``first`` to ``last`` of a layer's strip, and of its bias if told so.

    Parameters are those of `update_layer`. The gradient is that of the transpose, ``delta.T @ x``.
    """
    size = size_of(like)
    n, row = field(line, STRIP), field(line, STRIP_ROW)
    skipped, at = (field(line, WIDTH) - n) * size, first * size
    delta, delta_row = field(line, DELTA) + skipped, field(line, HIDDEN_ROW)
    if with_bias:
        update_bias(like, frame, line, correction1, correction2, chunk, skipped, n, k, scratch)
    invoke(
        gradient_rows,
        like,
        (
            frame, correction1, correction2, chunk, n, last - first, k,
            delta, size, delta_row, 0, x + at, x_row, PANEL_BYTES,
            strip_at(line, WEIGHT, size) + at, row, PANEL_BYTES, strip_at(line, GRADIENT, size) + at,
            strip_at(line, MOMENT, size) + at, strip_at(line, SQUARE, size) + at, scratch,
        ),
    )  # fmt: skip
    return 0


@inline
def transposed_at(line: int, i: int, size: int) -> int:
    """Where the numbers of input i stand in a layer's TRANSPOSED, which has panels of inputs."""
    columns = PANEL_BYTES // size
    return field(line, TRANSPOSED) + i // columns * field(line, TRANSPOSED_PANEL) + i % columns * size


@unit("iii", rare=True)
def transpose_strip(like: Any, line: int, first: int, last: int) -> int:
    """Copy inputs ``first`` to ``last`` of a layer's strip into its TRANSPOSED, where they are the last terms."""
    size = size_of(like)
    columns = PANEL_BYTES // size
    n = field(line, STRIP)
    i = first
    while i < last:
        m = min(last, (i // columns + 1) * columns) - i
        out = transposed_at(line, i, size) + (field(line, WIDTH) - n) * PANEL_BYTES
        strip = strip_at(line, WEIGHT, size) + i * size
        copy_rows(like, m, 1, n, strip, field(line, STRIP_ROW), PANEL_BYTES, out, PANEL_BYTES, PANEL_BYTES)
        i += m
    return 0


@unit("iiiii")
def transpose_layer(like: Any, line: int, first: int, last: int, first_panel: int, last_panel: int) -> int:
    """Write rows ``first`` to ``last`` of some panels of a layer's weight into its TRANSPOSED, panel by panel, too."""
    size = size_of(like)
    columns = PANEL_BYTES // size
    n = min(field(line, WIDTH) - field(line, STRIP), last_panel * columns)
    i = first
    while i < last:
        m = min(last, (i // columns + 1) * columns) - i
        out = transposed_at(line, i, size)
        w = field(line, WEIGHT) + i * field(line, WEIGHT_ROW) + first_panel * field(line, WEIGHT_PANEL)
        for j in range(first_panel * columns, n, columns):
            invoke(
                transpose_rows,
                like,
                (m, min(columns, n - j), w, field(line, WEIGHT_ROW), out + j * PANEL_BYTES, PANEL_BYTES),
            )
            w += field(line, WEIGHT_PANEL)
        i += m
    return 0
