"""The product of two matrices as loops around the register tile.

Columns come in panels of one vector, and a tile takes two of them. Blocking for the caches is the caller's: activations
come in blocks of rows, weight gradients in blocks of rows of the weight (`fastff.training`), so the loops here are two:
over pairs of panels, and in a pair over tiles of rows, whose operand `b` then stays in the first level of the cache.
"""

from __future__ import annotations

from typing import Any

from fastff._cpu import L2_BYTES, ROW
from fastff._jit import unit
from fastff.simd.memory import field, number, size_of
from fastff.simd.tile import MAX_ROWS, MAX_VECTORS, ROW_VECTORS, row_tile, tile

VECTOR_BYTES = ROW.vector_bytes
#: Bytes of a row of a panel.
PANEL_BYTES = VECTOR_BYTES
#: Bytes of a row of the widest tile.
TILE_BYTES = PANEL_BYTES * MAX_VECTORS
#: Bytes of a panel of which two do not stay in the second level of the cache; how far ahead they are then asked for.
FAR_BYTES, FORESIGHT = L2_BYTES // 2, 2048


@unit("iiiiiiiiiiiiiiiddi")
def product(
    like: Any,
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
    start: int,
    start_row: int,
    c: int,
    c_row: int,
    c_panel: int,
    alpha: float,
    floor: float,
    wanted: int,
) -> int:
    """``c = max(start + a b, floor)``, or ``c += alpha (start + a b)`` where alpha is not 0.

    Parameters
    ----------
    m, n, k : int
        Rows and columns of `c`, and the number of terms.
    a, a_row, a_step, a_tile : int
        Operand of m rows: address, bytes from row to row and from term to term. Where `a_tile` is not 0 the operand is
        packed (`pack_tiles`): bytes from tile to tile, and `a_row`, `a_step` are those inside a tile. *Read.*
    b, b_step, b_panel : int
        Operand of n columns: address, bytes from term to term and from panel to panel. *Read.*
    start, start_row : int
        What the sums start from, in rows of n numbers; address 0 for zero, stride 0 for a bias. *Read.*
    c, c_row, c_panel : int
        The result: address, bytes from row to row and from panel to panel. *Written* or *updated*.
    alpha, floor : float
        See the equation; -inf is no floor.
    wanted : int
        Address of what is wanted next: how many areas, the bytes of each, and their addresses, which need not be valid.
        Tiles ask for it, each for a part of an area, at most a line a term, where there are enough of them. 0: they ask
        for panels of `b`. *Read.*

    Notes
    -----
    Terms are added in their order, so every split of the rows and columns over calls gives the same bits. 2 m n k
    floating-point operations. `c` must not overlap the operands.
    """
    size = size_of(like)
    lanes = VECTOR_BYTES // size
    tiles = (m + MAX_ROWS - 1) // MAX_ROWS
    if tiles == 0:
        return 0
    height, taller = m, 0
    if tiles > 1:  # a division costs as much as the product of a tiny layer
        height, taller = m // tiles, m % tiles
    scale, lowest = number(alpha, like), number(floor, like)
    panel = 0
    if m == 1:
        for j in range(0, n, lanes * ROW_VECTORS):
            columns = min(lanes * ROW_VECTORS, n - j)
            from_start = start + j * size if start != 0 else 0
            row_tile(
                (columns + lanes - 1) // lanes,
                columns,
                k,
                a,
                a_step,
                b + panel * b_panel,
                b_step,
                b_panel,
                from_start,
                c + panel * c_panel,
                c_panel,
                scale,
                lowest,
            )
            panel += ROW_VECTORS
        return 0
    areas, each, piece, turn = 0, 0, 0, 0
    if wanted != 0 and k > 0:
        areas = field(wanted, 0)
        each = (n + lanes * MAX_VECTORS - 1) // (lanes * MAX_VECTORS) * tiles // areas
        if each > 0:
            piece = field(wanted, 1) // each
    for j in range(0, n, lanes * MAX_VECTORS):
        columns = min(lanes * MAX_VECTORS, n - j)
        vectors = 1 if columns <= lanes else 2
        from_start = start + j * size if start != 0 else 0
        from_a, from_c, from_b = a, c + panel * c_panel, b + panel * b_panel
        # While panels are used, each of their tiles asks for a part of the next two, whose first tile would wait for
        # memory, unless there are so many that this does not show. What is behind the last may be another thread's,
        # whose updates would then wait to own it again.
        ahead, ahead_step, ahead_tile = b, 0, 0
        if b_panel > PANEL_BYTES:
            left = n
            if j + columns < n:
                ahead, left = from_b + MAX_VECTORS * b_panel, n - j - columns
            ahead_step = (PANEL_BYTES if left <= lanes else TILE_BYTES) // tiles
            ahead_tile = k * ahead_step
            if lanes < n == columns and b_panel > FAR_BYTES:
                # the only two come from far away in each tile, and the processor foresees the lines of one of them
                ahead, ahead_step, ahead_tile = b + b_panel + FORESIGHT, b_step, 0
        for t in range(tiles):
            rows = height + 1 if t < taller else height
            if each > 0:
                area = turn // each
                ahead_step = ahead_tile = 0
                if area < areas:
                    ahead, ahead_step = field(wanted, 2 + area) + (turn - area * each) * piece, piece // k
                turn += 1
            tile(
                rows,
                vectors,
                columns,
                k,
                from_a,
                a_row,
                a_step,
                from_b,
                b_step,
                b_panel,
                from_start,
                start_row,
                from_c,
                c_row,
                c_panel,
                ahead,
                ahead_step,
                scale,
                lowest,
            )
            ahead += ahead_tile
            from_a += a_tile if a_tile != 0 else rows * a_row
            from_c += rows * c_row
            if start != 0:
                from_start += rows * start_row
        panel += MAX_VECTORS
    return 0
