"""The three products of a linear layer on whole arrays, blocked and packed: compiled units behind `fastff.kernels`."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastff._cpu import L2_BYTES
from fastff._jit import inline, invoke, unit
from fastff.gemm.pack import pack_panels, pack_tiles, transpose_panels
from fastff.gemm.product import PANEL_BYTES, TILE_BYTES, product
from fastff.ops.activate import derivative
from fastff.ops.activations import RELU
from fastff.simd.memory import size_of
from fastff.simd.tile import MAX_ROWS

#: Rows of an operand from which the other one is worth packing: three tiles then read what was written once.
PACKED_ROWS = 2 * MAX_ROWS + 1
#: Bytes of an operand's block that stay in the second level of the cache while the other passes by.
BLOCK_BYTES = L2_BYTES // 4


@inline
def scratch_bytes(columns: int, depth: int, itemsize: int) -> int:
    """Bytes of scratch for a product of so many columns and terms: one operand in panels, and a block of the other."""
    panels = (columns * itemsize + PANEL_BYTES - 1) // PANEL_BYTES
    tiles = max(1, BLOCK_BYTES // (depth * itemsize * MAX_ROWS + 1))
    return (panels * PANEL_BYTES + tiles * MAX_ROWS * itemsize) * depth + 8 * PANEL_BYTES


@unit("iiiiiiiiiiidi")
def linear_rows(
    like: Any,
    m: int,
    n: int,
    k: int,
    x: int,
    x_row: int,
    x_column: int,
    weight: int,
    weight_row: int,
    bias: int,
    out: int,
    out_row: int,
    floor: float,
    scratch: int,
) -> int:
    """``out = max(x @ weight + bias, floor)``; columns of `weight` and `out` are adjacent. *scratch* is written."""
    size = size_of(like)
    b, b_step, b_panel = weight, weight_row, PANEL_BYTES
    block = m
    if m >= PACKED_ROWS:
        b, b_step, b_panel = scratch, PANEL_BYTES, k * PANEL_BYTES
        invoke(pack_panels, like, (k, n, weight, weight_row, b, b_panel))
        block = max(1, BLOCK_BYTES // (k * size * MAX_ROWS + 1)) * MAX_ROWS
    for i in range(0, m, max(block, 1)):
        rows = min(block, m - i)
        invoke(
            product,
            like,
            (
                rows,
                n,
                k,
                x + i * x_row,
                x_row,
                x_column,
                0,
                b,
                b_step,
                b_panel,
                bias,
                0,
                out + i * out_row,
                out_row,
                PANEL_BYTES,
                0.0,
                floor,
                0,
            ),
        )
    return 0


@unit("iiiiiiiiiiiii")
def relu_backward_rows(
    like: Any,
    m: int,
    n: int,
    k: int,
    grad: int,
    grad_row: int,
    grad_column: int,
    weight: int,
    weight_row: int,
    hidden: int,
    hidden_row: int,
    out: int,
    out_row: int,
    scratch: int,
) -> int:
    """``out = (grad @ weight.T) * (hidden > 0)`` for m rows, n inputs and k outputs, by panels."""
    size = size_of(like)
    block = max(1, BLOCK_BYTES // (max(k, 1) * size * MAX_ROWS + 1)) * MAX_ROWS
    invoke(transpose_panels, like, (n, k, weight, weight_row, scratch))
    for i in range(0, m, block):
        rows = min(block, m - i)
        invoke(
            product,
            like,
            (
                rows,
                n,
                k,
                grad + i * grad_row,
                grad_row,
                grad_column,
                0,
                scratch,
                PANEL_BYTES,
                k * PANEL_BYTES,
                0,
                0,
                out + i * out_row,
                out_row,
                PANEL_BYTES,
                0.0,
                -np.inf,
                0,
            ),
        )
        if hidden_row == n * size and out_row == n * size:
            invoke(
                derivative, like, (RELU, rows * n, hidden + i * hidden_row, hidden + i * hidden_row, out + i * out_row)
            )
        else:
            for row in range(i, i + rows):
                invoke(
                    derivative,
                    like,
                    (RELU, n, hidden + row * hidden_row, hidden + row * hidden_row, out + row * out_row),
                )
    return 0


@unit("iiiiiiiiiiid")
def gradient_product(
    like: Any,
    m: int,
    n: int,
    k: int,
    x: int,
    x_row: int,
    x_column: int,
    grad: int,
    grad_row: int,
    out: int,
    out_row: int,
    scratch: int,
    rate: float,
) -> int:
    """``out = x.T @ grad`` for m inputs, n outputs, k rows, or ``out -= rate * x.T @ grad`` for a rate not 0."""
    size = size_of(like)
    b, b_step, b_panel = grad, grad_row, PANEL_BYTES
    if m >= PACKED_ROWS and n * size > TILE_BYTES:
        b, b_step, b_panel = scratch, PANEL_BYTES, k * PANEL_BYTES
        invoke(pack_panels, like, (k, n, grad, grad_row, b, b_panel))
        scratch += (n * size + PANEL_BYTES - 1) // PANEL_BYTES * b_panel
    block = max(1, BLOCK_BYTES // (max(k, 1) * size * MAX_ROWS + 1)) * MAX_ROWS
    for i in range(0, m, block):
        rows = min(block, m - i)
        a, a_row, a_step, a_tile = x + i * x_column, x_column, x_row, 0
        if n * size > TILE_BYTES and x_column == size:
            invoke(pack_tiles, like, (rows, k, a, x_row, scratch))
            a, a_row, a_step, a_tile = scratch, size, MAX_ROWS * size, k * MAX_ROWS * size
        invoke(
            product,
            like,
            (
                rows,
                n,
                k,
                a,
                a_row,
                a_step,
                a_tile,
                b,
                b_step,
                b_panel,
                0,
                0,
                out + i * out_row,
                out_row,
                PANEL_BYTES,
                -rate,
                -np.inf,
                0,
            ),
        )
    return 0
