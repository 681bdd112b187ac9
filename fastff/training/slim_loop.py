"""The compiled loop of slim networks, see `fastff.training.slim`."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastff._jit import inline, invoke, unit
from fastff.gemm.pack import transpose_rows
from fastff.gemm.product import VECTOR_BYTES
from fastff.ops.activate import activate, derivative
from fastff.ops.activations import IDENTITY
from fastff.ops.losses import CrossEntropy
from fastff.ops.stacks import band_cost
from fastff.simd.bands import (
    PAIR_INPUTS,
    PAIR_OUTPUTS,
    TILE_UNITS,
    TILE_VECTORS,
    add_parts,
    fold_sums,
    pair_tile,
    unit_tile,
)
from fastff.simd.barrier import wait
from fastff.simd.memory import get, get_double, get_int, get_ints, number, put, put_double, put_int, size_of
from fastff.training.frame import (
    BARRIER,
    BATCH,
    CLOCK,
    DONE,
    FIRST,
    LABELS,
    LOSS,
    LOSSES,
    MEAN,
    ORDER,
    ROWS,
    SCALE,
    SLIM,
    STEPS,
    THREADS,
    X_ROW,
    Y_ROW,
    X,
    Y,
)
from fastff.training.slim import (
    ACTIVATION,
    BLOCK_VECTORS,
    COST,
    COUNT,
    DELTA,
    GRADIENT,
    HEAD,
    HIDDEN,
    INPUTS,
    KEPT,
    LAYERS,
    LINE,
    LINEAR,
    MOMENTS,
    MOST_SLICES,
    ONES,
    OUTPUTS_,
    PARAMETERS,
    SCRATCH,
    SCRATCH_BYTES,
    SLICE_BLOCKS,
    SLICE_BYTES,
    SLICE_LOSSES,
    SLICES,
    SQUARES,
    SUMS_BYTES,
    WEIGHT,
    WIDTH,
)
from fastff.training.weights import apply_rule, corrections

CROSS_ENTROPY = CrossEntropy.code


@unit("iiiiiiiii", rare=True)
def band_product(
    like: Any,
    columns: int,
    terms: int,
    vectors: int,
    x: int,
    w: int,
    w_column: int,
    w_term: int,
    bias: int,
    out: int,
) -> int:
    """``out = bias + x w`` for bands of so many vectors of rows; strides of w, in bytes, are free.

    Parameters
    ----------
    columns, terms : int
        Units of out and of x.
    vectors : int
        A multiple of TILE_VECTORS.
    x, w, bias : int
        Addresses; bias may be 0. *Read.*
    w_column, w_term : int
        Bytes from the weight of a unit of out, and of x, to the next.
    out : int
        Address. *Written.*
    """
    size = size_of(like)
    step = vectors * VECTOR_BYTES
    tiles = (columns + TILE_UNITS - 1) // TILE_UNITS
    least = columns // tiles
    larger = columns - least * tiles
    for r in range(0, step, TILE_VECTORS * VECTOR_BYTES):
        place, weight, start = out + r, w, bias
        for tile in range(tiles):
            count = least + 1 if tile < larger else least
            unit_tile(like, count, terms, step, x + r, weight, w_column, w_term, start, place)
            place += count * step
            weight += count * w_column
            if bias != 0:
                start += count * size
    return 0


@unit("iiiiiii", rare=True)
def band_gradient(like: Any, inputs: int, outputs: int, vectors: int, x: int, d: int, ones: int, sums: int) -> int:
    """Add to the sums of each weight, lane by lane, what bands of inputs and deltas say.

    Parameters
    ----------
    inputs, outputs, vectors : int
        Units of x and of d, and vectors of rows.
    x, d : int
        Addresses of the bands. *Read.*
    ones : int
        Address of vectors of ones, the input of the biases; 0 without.
    sums : int
        Address of a vector for each weight and then each bias. *Updated.*
    """
    step, row = vectors * VECTOR_BYTES, outputs * VECTOR_BYTES
    tiles_i = (inputs + PAIR_INPUTS - 1) // PAIR_INPUTS
    least_i = inputs // tiles_i
    larger_i = inputs - least_i * tiles_i
    tiles_j = (outputs + PAIR_OUTPUTS - 1) // PAIR_OUTPUTS
    least_j = outputs // tiles_j
    larger_j = outputs - least_j * tiles_j
    for i in range(tiles_i + 1):
        m = least_i + 1 if i < larger_i else least_i
        if i == tiles_i:
            if ones == 0:
                break
            m = 1
            x = ones
        delta, to = d, sums
        for j in range(tiles_j):
            n = least_j + 1 if j < larger_j else least_j
            pair_tile(like, m, n, vectors, step, x, delta, to, row)
            delta += n * step
            to += n * VECTOR_BYTES
        x += m * step
        sums += m * row
    return 0


@unit("iiiiiiid", rare=True)
def slim_block(
    like: Any, frame: int, scratch: int, x: int, y: int, rows: int, vectors: int, slice_loss: int, scale: float
) -> int:
    """A block of rows forward, to the loss, back, and into the sums of the gradients.

    Parameters
    ----------
    scratch : int
        The thread's. *Written.*
    x, y : int
        Addresses of the bands of inputs and targets. *Read.*
    rows, vectors : int
        How many rows, and vectors with and without rows.
    slice_loss : int
        Address of a float64 that the loss is added to. *Updated.*
    scale : float
        Factor of the loss.
    """
    record = get_int(frame + 8 * SLIM)
    layers, parameters, sums_bytes, inputs, outputs, cost, ones = get_ints(
        record, (LAYERS, PARAMETERS, SUMS_BYTES, INPUTS, OUTPUTS_, COST, ONES)
    )
    size = size_of(like)
    step = vectors * VECTOR_BYTES
    numbers = step // size
    block = scratch + sums_bytes
    table = record + 8 * HEAD
    source, terms = x, inputs
    for layer in range(layers):
        n, code, linear, hidden, weight = get_ints(
            table + 8 * LINE * layer, (WIDTH, ACTIVATION, LINEAR, HIDDEN, WEIGHT)
        )
        w = parameters + weight
        z, h = block + linear * step, block + hidden * step
        bias = 0
        if ones != 0:
            bias = w + terms * n * size
        invoke(band_product, like, (n, terms, vectors, source, w, size, n * size, bias, z))
        if code != IDENTITY:
            invoke(activate, like, (code, n * numbers, z, h))
        source, terms = h, n
    line = table + 8 * LINE * (layers - 1)
    delta = block + get_int(line + 8 * DELTA) * step
    factor = number(scale, like)
    loss = band_cost(like, cost, outputs, rows, vectors, source, y, factor, delta)
    put_double(slice_loss, get_double(slice_loss) + loss)
    for layer in range(layers - 1, -1, -1):
        line = table + 8 * LINE * layer
        n, code, linear, hidden, weight = get_ints(line, (WIDTH, ACTIVATION, LINEAR, HIDDEN, WEIGHT))
        if code != IDENTITY:
            invoke(derivative, like, (code, n * numbers, block + hidden * step, block + linear * step, delta))
        source, terms, below = x, inputs, 0
        if layer > 0:
            terms, hidden, below = get_ints(line - 8 * LINE, (WIDTH, HIDDEN, DELTA))
            source = block + hidden * step
        sums = scratch + weight // size * VECTOR_BYTES
        invoke(band_gradient, like, (terms, n, vectors, source, delta, ones, sums))
        if layer > 0:
            below = block + below * step
            invoke(band_product, like, (terms, n, vectors, delta, parameters + weight, n * size, size, 0, below))
            delta = below
    return 0


@unit("iiiiiiiii", rare=True)
def band_rows(
    like: Any,
    labels: int,
    columns: int,
    vectors: int,
    first: int,
    rows: int,
    order: int,
    data: int,
    data_row: int,
    target: int,
) -> int:
    """Write a band of rows of data, or of class labels, each the only 1 of a row of zeros.

    Parameters
    ----------
    labels : int
        1 where data are class labels (int64).
    columns, vectors : int
        Units of the band, and vectors of rows. Lanes beyond the last row repeat it.
    first, rows : int
        Number of the first row, and how many. Where there is an `order`, numbers are places in it.
    order : int
        Address of the rows' numbers (int64), or 0. *Read.*
    data, data_row : int
        Address of the data, and bytes from row to row. *Read.*
    target : int
        Address of the band. *Written.*
    """
    size = size_of(like)
    width, step = VECTOR_BYTES // size, vectors * VECTOR_BYTES
    if labels == 0 and order == 0:
        invoke(transpose_rows, like, (rows, columns, data + first * data_row, data_row, target, step))
    one = number(1.0, like)
    for i in range(rows):
        row = first + i
        if order != 0:
            row = get_int(order + 8 * row)
        place = data + row * data_row
        if labels != 0:
            for j in range(columns):
                put(target + j * step + i * size, number(0.0, like))
            put(target + get_int(place) * step + i * size, one)
        elif order != 0:
            for j in range(columns):
                put(target + j * step + i * size, get(place + j * size, like))
    for j in range(columns):
        last = get(target + j * step + (rows - 1) * size, like)
        for i in range(rows, vectors * width):
            put(target + j * step + i * size, last)
    return 0


@inline
def scale_of(frame: int, rows: int) -> float:
    """Factor of the sum of the losses of so many rows."""
    divisor = 1.0
    if get_int(frame + 8 * MEAN) != 0:
        divisor = float(rows)
        if get_int(frame + 8 * LOSS) != CROSS_ENTROPY:
            divisor *= get_int(get_int(frame + 8 * SLIM) + 8 * OUTPUTS_)
    return get_double(frame + 8 * SCALE) / divisor


@unit("iiiiii", rare=True)
def slim_slice(like: Any, frame: int, thread: int, part: int, slices: int, place: int, order: int) -> int:
    """One slice of a step: its blocks, and its own gradient.

    Parameters
    ----------
    part, slices : int
        Which slice, of how many.
    place : int
        Number of the step in its epoch.
    order : int
        Address of the epoch's order, or 0; -1 where the rows stand in bands already.
    """
    size = size_of(like)
    width = VECTOR_BYTES // size
    record, data_rows, batch, x, x_row, y, y_row, labels = get_ints(
        frame, (SLIM, ROWS, BATCH, X, X_ROW, Y, Y_ROW, LABELS)
    )
    count, gradients, slice_bytes, losses, scratch, scratch_bytes, inputs, outputs, kept, sums_bytes = get_ints(
        record, (COUNT, SLICES, SLICE_BYTES, SLICE_LOSSES, SCRATCH, SCRATCH_BYTES, INPUTS, OUTPUTS_, KEPT, SUMS_BYTES)
    )
    scratch += thread * scratch_bytes
    block_rows = BLOCK_VECTORS * width
    start = place * batch
    rows = min(batch, data_rows - start)
    blocks = (rows + block_rows - 1) // block_rows
    batch_blocks = (batch + block_rows - 1) // block_rows
    put_double(losses + 8 * part, 0.0)
    for block in range(blocks * part // slices, blocks * (part + 1) // slices):
        first = block * block_rows
        here = min(block_rows, rows - first)
        v = (here + TILE_VECTORS * width - 1) // (TILE_VECTORS * width) * TILE_VECTORS
        into = scratch + sums_bytes
        if kept != 0:
            into = kept + (place * batch_blocks + block) * BLOCK_VECTORS * VECTOR_BYTES * (inputs + outputs)
        targets = into + inputs * v * VECTOR_BYTES
        if order >= 0:
            invoke(band_rows, like, (0, inputs, v, start + first, here, order, x, x_row, into))
            invoke(band_rows, like, (labels, outputs, v, start + first, here, order, y, y_row, targets))
        invoke(slim_block, like, (frame, scratch, into, targets, here, v, losses + 8 * part, scale_of(frame, rows)))
    fold_sums(like, count, scratch, gradients + part * slice_bytes)
    return 0


@unit("ii", rare=True)
def run_slim(like: Any, frame: int, thread: int) -> int:
    """Make STEPS steps of a slim network, as `fastff.training.loop.run` does of others."""
    width = VECTOR_BYTES // size_of(like)
    record, rows, batch, order, first, steps, losses, clock, threads, barrier = get_ints(
        frame, (SLIM, ROWS, BATCH, ORDER, FIRST, STEPS, LOSSES, CLOCK, THREADS, BARRIER)
    )
    count, parameters, gradient, moments, squares, parts, part_bytes, part_losses, kept = get_ints(
        record, (COUNT, PARAMETERS, GRADIENT, MOMENTS, SQUARES, SLICES, SLICE_BYTES, SLICE_LOSSES, KEPT)
    )
    parameter_vectors = (count + width - 1) // width
    begin, end = parameter_vectors * thread // threads, parameter_vectors * (thread + 1) // threads
    at = begin * VECTOR_BYTES
    mine = min(count, end * width) - begin * width
    steps_per_epoch = (rows + batch - 1) // batch
    epoch = first // steps_per_epoch
    place = first - epoch * steps_per_epoch
    done = half = slices = 0
    loss = 0.0
    while done < steps and np.isfinite(loss):
        here = min(batch, rows - place * batch)
        if half == 0:
            blocks = (here + BLOCK_VECTORS * width - 1) // (BLOCK_VECTORS * width)
            # as many as most numbers of threads share out evenly
            slices = MOST_SLICES
            while slices > 1 and slices * SLICE_BLOCKS > blocks:
                slices = 2 if slices == 6 else slices // 2
            numbers = 0
            if order != 0:
                numbers = order + 8 * epoch * rows
            elif kept != 0 and done >= steps_per_epoch:
                numbers = -1
            for part in range(slices * thread // threads, slices * (thread + 1) // threads):
                invoke(slim_slice, like, (frame, thread, part, slices, place, numbers))
        else:
            loss = 0.0
            for part in range(slices):
                loss += get_double(part_losses + 8 * part)
            loss *= scale_of(frame, here)
            if thread == 0:
                put_double(losses + 8 * done, loss)
            if np.isfinite(loss):
                if mine > 0:
                    add_parts(like, mine, slices, part_bytes, parts + at, gradient + at)
                    correction1, correction2 = corrections(frame, clock + done)
                    apply_rule(
                        like,
                        frame,
                        correction1,
                        correction2,
                        1,
                        0,
                        mine,
                        parameters + at,
                        gradient + at,
                        0,
                        moments + at,
                        squares + at,
                    )
                done += 1
                place += 1
                if place == steps_per_epoch:
                    place = 0
                    epoch += 1
        half = 1 - half
        wait(barrier, threads)
    if thread == 0:
        put_int(frame + 8 * DONE, done)
    return 0


def prepare_slim(dtype: np.dtype) -> None:
    """Compile or load the units of slim networks: in Python, where Ctrl-C is heard."""
    for each in (band_product, band_gradient, band_rows, slim_block, slim_slice, run_slim):
        each[dtype]
