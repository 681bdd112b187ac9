"""Packed operands: the layouts in which tiles read one line after the other."""

from __future__ import annotations

from typing import Any

from fastff._jit import invoke, unit
from fastff.gemm.product import PANEL_BYTES, TILE_BYTES, VECTOR_BYTES
from fastff.simd.blocks import copy_rows, transpose
from fastff.simd.memory import size_of
from fastff.simd.tile import MAX_ROWS, MAX_VECTORS


@unit("iiiii")
def pack_tiles(like: Any, m: int, k: int, a: int, a_step: int, packed: int) -> int:
    """Pack an operand whose rows are adjacent in memory (a transposed matrix) tile by tile.

    Tile t of `product` stands at ``packed + t * k * MAX_ROWS * size``: k groups of MAX_ROWS numbers, of which the
    tile's height is used. *packed* is written, and needs room for one vector more.
    """
    size = size_of(like)
    columns = TILE_BYTES // size
    tiles = (m + MAX_ROWS - 1) // MAX_ROWS
    if tiles == 0:
        return 0
    height, taller = m // tiles, m % tiles
    for t in range(tiles):
        rows = height + 1 if t < taller else height
        # where registers are short a tile is higher than two vectors; a part must then not write into the next one
        for i in range(0, rows, columns):
            copy_rows(
                like,
                min(columns, rows - i),
                int(rows > columns),
                k,
                a + i * size,
                a_step,
                PANEL_BYTES,
                packed + i * size,
                MAX_ROWS * size,
                PANEL_BYTES,
            )
        a += rows * size
        packed += k * MAX_ROWS * size
    return 0


@unit("iiiiii")
def pack_panels(like: Any, k: int, n: int, b: int, b_step: int, packed: int, packed_panel: int) -> int:
    """Pack a row-major operand of k rows and n columns panel by panel: k groups of PANEL_BYTES, then zeros."""
    size = size_of(like)
    columns = TILE_BYTES // size
    for j in range(0, n, columns):
        copy_rows(like, min(columns, n - j), 0, k, b + j * size, b_step, PANEL_BYTES, packed, PANEL_BYTES, packed_panel)
        packed += MAX_VECTORS * packed_panel
    return 0


@unit("iiiii")
def transpose_panels(like: Any, n: int, k: int, a: int, a_row: int, packed: int) -> int:
    """Pack the transpose of a row-major operand of n rows and k columns as `pack_panels` does: panels of k terms."""
    columns = PANEL_BYTES // size_of(like)
    for j in range(0, n, columns):
        invoke(transpose_rows, like, (min(columns, n - j), k, a + j * a_row, a_row, packed, PANEL_BYTES))
        packed += k * PANEL_BYTES
    return 0


@unit("iiiiii")
def unpack_panels(like: Any, k: int, n: int, packed: int, packed_panel: int, b: int, b_step: int) -> int:
    """The way back of `pack_panels`: only the n columns of `b` are written."""
    size = size_of(like)
    columns = TILE_BYTES // size
    for j in range(0, n, columns):
        copy_rows(like, min(columns, n - j), 1, k, packed, PANEL_BYTES, packed_panel, b + j * size, b_step, PANEL_BYTES)
        packed += MAX_VECTORS * packed_panel
    return 0


@unit("iiiiii")
def transpose_rows(like: Any, m: int, n: int, a: int, a_row: int, out: int, out_row: int) -> int:
    """``out[j, i] = a[i, j]`` for m rows of n numbers, square by square."""
    size = size_of(like)
    lanes = VECTOR_BYTES // size
    for i in range(0, m, lanes):
        for j in range(0, n, lanes):
            transpose(
                like,
                min(lanes, m - i),
                min(lanes, n - j),
                a + i * a_row + j * size,
                a_row,
                out + j * out_row + i * size,
                out_row,
            )
    return 0
