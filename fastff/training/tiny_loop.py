"""The compiled loop of tiny networks, see `fastff.training.tiny`."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastff._jit import invoke, unit
from fastff.gemm.product import VECTOR_BYTES
from fastff.ops.activate import activate, derivative
from fastff.ops.losses import CrossEntropy
from fastff.ops.stacks import COLUMNS, LINE, OTHER, SOURCE, SWEPT, SWEPT_BACK, TARGET, operate
from fastff.optim.codes import PLAIN
from fastff.simd.across import pair_sums, stack_rows
from fastff.simd.memory import copy_bytes, get_double, get_int, get_ints, number, put_double, put_int, size_of
from fastff.training.frame import (
    BATCH,
    CLOCK,
    DECAY,
    DONE,
    FIRST,
    LABELS,
    LEARNING_RATE,
    LOSS,
    LOSSES,
    MEAN,
    ORDER,
    ROWS,
    RULE,
    SCALE,
    STEPS,
    TINY,
    X_ROW,
    Y_ROW,
    X,
    Y,
)
from fastff.training.tiny import (
    BLOCK,
    COUNT,
    GRADIENT,
    HEAD,
    INPUTS,
    INPUTS_AT,
    MOMENTS,
    PAIRS,
    PARAMETERS,
    PROGRAM_BYTES,
    SQUARES,
    STACKS,
    TARGETS,
    TARGETS_AT,
    WEIGHTS,
)
from fastff.training.weights import apply_rule, corrections

CROSS_ENTROPY = CrossEntropy.code


@unit("iiiiiii", rare=True)
def update_tiny(like: Any, frame: int, clock: int, n: int, w: int, g: int, m: int, v: int) -> int:
    """Update by the frame's rule: for rules that are not plain descent."""
    correction1, correction2 = corrections(frame, clock)
    apply_rule(like, frame, correction1, correction2, 1, 0, n, w, g, 0, m, v)
    return 0


@unit("i", rare=True)
def run_tiny(like: Any, frame: int) -> int:
    """Make STEPS steps of a tiny network, as `fastff.training.loop.run` does of others, on one thread."""
    size = size_of(like)
    width = VECTOR_BYTES // size
    record, data_rows, batch, order, x, x_row, y, y_row, labels = get_ints(
        frame, (TINY, ROWS, BATCH, ORDER, X, X_ROW, Y, Y_ROW, LABELS)
    )
    first_step, steps, losses, loss_code, mean, rule, clock = get_ints(
        frame, (FIRST, STEPS, LOSSES, LOSS, MEAN, RULE, CLOCK)
    )
    stacks, block_bytes, count, parameters, weights, gradient, moments, squares, pairs, program_bytes = get_ints(
        record, (STACKS, BLOCK, COUNT, PARAMETERS, WEIGHTS, GRADIENT, MOMENTS, SQUARES, PAIRS, PROGRAM_BYTES)
    )
    inputs, inputs_at, outputs, targets_at = get_ints(record, (INPUTS, INPUTS_AT, TARGETS, TARGETS_AT))
    program = record + 8 * HEAD
    rate = get_double(frame + 8 * LEARNING_RATE)
    keep = number(1.0 - rate * get_double(frame + 8 * DECAY), like)
    speed = number(rate, like)
    if rule == PLAIN:
        gradient = 0
    steps_per_epoch = (data_rows + batch - 1) // batch
    epoch = first_step // steps_per_epoch
    place = first_step - epoch * steps_per_epoch
    copy_bytes(weights, parameters, count * size)
    done = 0
    while done < steps:
        first = place * batch
        left = min(batch, data_rows - first)
        end = stacks + (left + width - 1) // width * block_bytes
        divisor = 1.0
        if mean != 0:
            divisor = float(left)
            if loss_code != CROSS_ENTROPY:
                divisor *= outputs
        scale = get_double(frame + 8 * SCALE) / divisor
        factor = number(scale, like)
        numbers = 0
        if order != 0:
            numbers = order + 8 * epoch * data_rows
        loss = 0.0
        block = stacks
        while block < end:
            # one and the same batch is there already
            if done == 0 or steps_per_epoch > 1 or order != 0:
                stack_rows(like, 0, inputs, first, left, numbers, x, x_row, block + inputs_at)
                stack_rows(like, labels, outputs, first, left, numbers, y, y_row, block + targets_at)
            line = program
            while line < program + program_bytes:
                operation = get_int(line)
                if operation < SWEPT:
                    loss += operate(like, line, block, weights, left, factor)
                else:
                    columns, source, target, other = get_ints(line, (COLUMNS, SOURCE, TARGET, OTHER))
                    if operation < SWEPT_BACK:
                        invoke(activate, like, (operation - SWEPT, width * columns, block + source, block + target))
                    else:
                        invoke(
                            derivative,
                            like,
                            (operation - SWEPT_BACK, width * columns, block + source, block + other, block + target),
                        )
                line += 8 * LINE
            first += width
            left -= width
            block += block_bytes
        loss *= scale
        put_double(losses + 8 * done, loss)
        if not np.isfinite(loss):
            break
        pair_sums(count, pairs, end, block_bytes, stacks, weights, gradient, speed, keep)
        if gradient != 0:
            invoke(update_tiny, like, (frame, clock + done, count, weights, gradient, moments, squares))
        done += 1
        place += 1
        if place == steps_per_epoch:
            place = 0
            epoch += 1
    copy_bytes(parameters, weights, count * size)
    put_int(frame + 8 * DONE, done)
    return 0


def prepare_tiny(dtype: np.dtype, rule: int) -> None:
    """Compile or load the units of tiny networks: in Python, where Ctrl-C is heard."""
    run_tiny[dtype]
    if rule != PLAIN:
        update_tiny[dtype]
