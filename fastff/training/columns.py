"""The way forward and back where threads own columns of layers: their products for all rows of a chunk.

Where the rows of a batch are shared out, each thread needs the whole weight, and half of it was written by the others.
Where that is more than the layer's activations, a thread owns columns of it in all passes instead, and activations
change cores. They are complete when all threads have come to the barrier behind each layer.
"""

from __future__ import annotations

from typing import Any

from fastff._jit import inline, invoke, unit
from fastff.gemm.product import PANEL_BYTES
from fastff.network.layers import LINE, STRIP, WIDTH
from fastff.network.rows import forward_layer
from fastff.simd.barrier import wait
from fastff.simd.memory import field, get_int, size_of
from fastff.training.backward import backward_layer
from fastff.training.frame import BARRIER, BLOCK, BY_COLUMNS, LAYERS, THREADS
from fastff.training.shares import chunk_inputs, own_panels, owns_strip, panels_of


@inline
def own_columns(line: int, thread: int, threads: int, size: int) -> tuple[int, int]:
    """First column and number of columns of a layer that are a thread's; a strip is behind the last thread's panels."""
    columns = PANEL_BYTES // size
    first_panel, last_panel = own_panels(panels_of(line, size), thread, threads)
    last = min(field(line, WIDTH) - field(line, STRIP), last_panel * columns)
    if owns_strip(line, 1, thread, threads):
        last = field(line, WIDTH)
    return first_panel * columns, last - first_panel * columns


@unit("iiiiii", rare=True)
def columns_there(like: Any, frame: int, table: int, thread: int, at: int, rows: int, scratch: int) -> int:
    """This thread's columns of the first BY_COLUMNS layers; then those of all threads are there."""
    size, threads = size_of(like), get_int(frame + 8 * THREADS)
    layers, block = get_int(frame + 8 * LAYERS), get_int(frame + 8 * BLOCK)
    for layer in range(get_int(frame + 8 * BY_COLUMNS)):
        line, inner = table + layer * LINE, 1 if layer < layers - 1 else 0
        x, x_row = chunk_inputs(frame, table, at, layer)
        first, n = own_columns(line, thread, threads, size)
        if n > 0:
            for i in range(0, rows, block):
                here = min(block, rows - i)
                invoke(forward_layer, like, (line, inner, x + i * x_row, x_row, i, here, first, n, scratch))
        wait(get_int(frame + 8 * BARRIER), threads)
    return 0


@unit("iiiii", rare=True)
def columns_back(like: Any, frame: int, table: int, thread: int, rows: int, scratch: int) -> int:
    """This thread's columns of the deltas of the first BY_COLUMNS layers but the last of them, which is there."""
    size, threads, block = size_of(like), get_int(frame + 8 * THREADS), get_int(frame + 8 * BLOCK)
    for layer in range(get_int(frame + 8 * BY_COLUMNS) - 1, 0, -1):
        line, below = table + layer * LINE, table + (layer - 1) * LINE
        first, n = own_columns(below, thread, threads, size)
        if n > 0:
            for i in range(0, rows, block):
                invoke(backward_layer, like, (line, below, 0, i, min(block, rows - i), first, n, scratch))
        wait(get_int(frame + 8 * BARRIER), threads)
    return 0
