"""What part of a step is a thread's own, and where a layer's input stands."""

from __future__ import annotations

from fastff._jit import inline
from fastff.gemm.product import PANEL_BYTES
from fastff.network.layers import GATHERED, HIDDEN, HIDDEN_ROW, INPUTS, LINE, STRIP, WIDTH
from fastff.simd.memory import field, get_int
from fastff.training.frame import ORDER, X_BATCH_ROW, X_ROW, X


@inline
def share(total: int, part: int, parts: int) -> int:
    """Where the share of one thread begins."""
    if parts == 1:
        return total * part
    return total * part // parts


@inline
def part(total: int, thread: int, threads: int) -> tuple[int, int]:
    """Where the share of a thread begins, and where it ends."""
    return share(total, thread, threads), share(total, thread + 1, threads)


@inline
def own_panels(panels: int, thread: int, threads: int) -> tuple[int, int]:
    """First and last panel of a thread that owns columns; shares become smaller, as a strip is the last thread's."""
    return panels - share(panels, threads - thread, threads), panels - share(panels, threads - thread - 1, threads)


@inline
def owned(line: int, by_columns: int, thread: int, threads: int, size: int) -> tuple[int, int, int, int]:
    """First and last row, and first and last panel, of a thread's part of a weight."""
    inputs, panels = field(line, INPUTS), panels_of(line, size)
    if by_columns != 0:
        first, last = own_panels(panels, thread, threads)
        return 0, inputs, first, last
    first, last = part(inputs, thread, threads)
    return first, last, 0, panels


@inline
def owns_strip(line: int, by_columns: int, thread: int, threads: int) -> bool:
    """Whether a weight has a strip, and a thread's rows of it (`owned`) are its own: of columns, the last thread's."""
    return field(line, STRIP) != 0 and (by_columns == 0 or thread == threads - 1)


@inline
def panels_of(line: int, size: int) -> int:
    """Number of panels of a layer's weight."""
    return ((field(line, WIDTH) - field(line, STRIP)) * size + PANEL_BYTES - 1) // PANEL_BYTES


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
