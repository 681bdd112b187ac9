"""Softmax by rows, in place."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from fastff._jit import intrinsic, unit
from fastff.ops.softmax_row import emit_row
from fastff.simd import functions as f
from fastff.simd.arrays import Arrays
from fastff.simd.lanes import I64, Vectors
from fastff.simd.memory import view
from fastff.simd.sweep import stack_room

_SLOTS = 16  # rows that are copied at once


def rows_value(z: np.ndarray) -> np.ndarray:
    """Softmax of the last axis by NumPy, by the formulas that are compiled."""
    with np.errstate(all="ignore"):
        e = f.exp_difference(Arrays(z.dtype), z, z.max(axis=-1, keepdims=True))
        return e * (1 / e.sum(axis=-1, keepdims=True, dtype=np.float64)).astype(z.dtype)


def _softmax_rows_twin(like: Any, rows: int, columns: int, z: int, z_row: int) -> None:
    for i in range(rows):
        row = view(z + i * z_row, like, columns)
        row[:] = rows_value(row)


@intrinsic(_softmax_rows_twin)
def _softmax_rows(typing_context: Any, like: Any, rows: Any, columns: Any, z: Any, z_row: Any) -> Any:
    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        _, rows, columns, z, z_row = values
        v = Vectors(builder, like)
        width, step, slot = I64(v.width), I64(v.width * v.size), I64(2 * v.width * v.size)
        room = stack_room(v, 2 * _SLOTS)
        # short rows are copied first: a load just behind a masked store waits for it to reach the cache (40 ns a row)
        short = builder.icmp_signed("<=", columns, builder.mul(I64(2), width))
        blocks = builder.sdiv(builder.add(rows, I64(_SLOTS - 1)), I64(_SLOTS))
        with cgutils.for_range(builder, blocks) as block:
            first = builder.mul(block.index, I64(_SLOTS))
            left = builder.sub(rows, first)
            count = builder.select(builder.icmp_signed("<", left, I64(_SLOTS)), left, I64(_SLOTS))
            start = builder.add(z, builder.mul(first, z_row))
            with builder.if_then(short), cgutils.for_range(builder, count) as row:
                origin = builder.add(start, builder.mul(row.index, z_row))
                copy = builder.add(room, builder.mul(row.index, slot))
                v.store(v.load(origin, v.first(columns)), copy)
                with builder.if_then(builder.icmp_signed(">", columns, width)):
                    rest = v.load(builder.add(origin, step), v.first(builder.sub(columns, width)))
                    v.store(rest, builder.add(copy, step))
            source = builder.select(short, room, start)
            source_row = builder.select(short, slot, z_row)
            with cgutils.for_range(builder, count) as row:
                origin = builder.add(source, builder.mul(row.index, source_row))
                emit_row(v, columns, origin, builder.add(start, builder.mul(row.index, z_row)))
        return context.get_dummy_value()

    return types.void(like, *[types.int64] * 4), codegen


@unit("iiii")
def softmax(like: Any, rows: int, columns: int, z: int, z_row: int) -> int:
    """``z[i] = exp(z[i] - max(z[i])) / sum of exp(z[i] - max(z[i]))`` for every row, in place.

    A row with a NaN or +inf becomes NaN; -inf gives 0.

    Parameters
    ----------
    rows, columns : int
        Shape.
    z, z_row : int
        Address, and bytes from row to row. *Updated.*
    """
    _softmax_rows(like, rows, columns, z, z_row)
    return 0
