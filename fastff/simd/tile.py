"""The register tile: a few rows by one or two vectors of a product, summed over the whole depth in registers.

For ``i < rows`` and the columns ``j`` of the vectors::

    sum[i, j] = start[i, j] + a[i, 0] b[0, j] + ... + a[i, depth - 1] b[depth - 1, j]
    c[i, j] = max(sum[i, j], floor)                    if alpha is 0
    c[i, j] = c[i, j] + alpha * sum[i, j]              otherwise

Vectors of columns of `b` and `c` may stand apart from each other: a tile takes panels of one vector, or a row-major
matrix. `start` is a bias (stride 0), the result itself (to go on with a sum), or zero. A floor of 0 is ReLU, -inf
nothing; a NaN passes both. Terms are added in the order of the depth, one after the other and each rounded once,
whatever the tile's height and width: so the split of a product over tiles and threads does not show in its bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from fastff._cpu import ROW
from fastff._jit import intrinsic
from fastff.simd.blocks import keep_rolled
from fastff.simd.lanes import I64, Vectors
from fastff.simd.memory import ask_for_line, view

MAX_ROWS = ROW.tile_rows
MAX_VECTORS = 2
#: Width of a tile of a single row: as many sums as hide the latency of a multiply-add.
ROW_VECTORS = 8


@np.errstate(all="ignore")
def _tile_twin(
    rows: int,
    vectors: int,
    columns: int,
    depth: int,
    a: int,
    a_row: int,
    a_step: int,
    b: int,
    b_step: int,
    b_next: int,
    start: int,
    start_row: int,
    c: int,
    c_row: int,
    c_next: int,
    ahead: int,
    ahead_step: int,
    alpha: Any,
    floor: Any,
) -> None:
    width = ROW.vector_bytes // np.dtype(type(alpha)).itemsize
    for j in range(vectors):
        n = min(width, columns - j * width)
        begin = start + j * ROW.vector_bytes
        for i in range(rows):
            out = view(c + i * c_row + j * c_next, alpha, n)
            total = view(begin + i * start_row, alpha, n).copy() if start else np.zeros(n, type(alpha))
            for k in range(depth):
                total += view(a + i * a_row + k * a_step, alpha, 1)[0] * view(b + k * b_step + j * b_next, alpha, n)
            out[...] = out + alpha * total if alpha != 0 else np.where(total < floor, floor, total)


def row_places(builder: ir.IRBuilder, stride: ir.Value, rows: int) -> Callable[[ir.Value, int], ir.Value]:
    """A function that gives the address of row i from that of row 0, without a register for each row.

    Offsets are odd multiples of the stride times 1, 2, 4 or 8, which x86 adds for free in an address.

    LLVM's loop passes would otherwise keep one moving pointer a row and run out of registers; an empty piece of
    assembler hides where the multiples come from.
    """
    hide = ir.InlineAsm(ir.FunctionType(I64, [I64]), "", "=r,0", side_effect=False)
    odd = {m: builder.call(hide, [builder.mul(stride, I64(m))]) for m in range(1, rows, 2)}
    offsets = {}
    for row in range(1, rows):
        shift = min((row & -row).bit_length() - 1, 3)
        multiple = row >> shift
        offsets[row] = odd[multiple] if multiple in odd else builder.mul(stride, I64(multiple)), shift

    def place(base: ir.Value, row: int) -> ir.Value:
        if row == 0:
            return base
        multiple, shift = offsets[row]
        return builder.add(base, builder.shl(multiple, I64(shift)) if shift else multiple)

    return place


class _Tile:
    """Emits one tile of fixed height and width."""

    def __init__(self, v: Vectors, rows: int, vectors: int, masked: bool, values: dict[str, ir.Value]) -> None:
        self.v, self.rows, self.vectors, self.masked, self.x = v, rows, vectors, masked, values

    def emit(self, leave: ir.Block) -> None:
        v, builder, x = self.v, self.v.builder, self.x
        step = v.width * v.size
        masks: list[ir.Value | None] = [None] * self.vectors
        if self.masked:
            masks[-1] = v.first(builder.sub(x["columns"], I64((self.vectors - 1) * v.width)))
        start = [
            [v.load(builder.add(row, I64(j * step)), masks[j]) for j in range(self.vectors)]
            for row in self._rows_of(x["start"], x["start_row"])
        ]
        place = row_places(builder, x["a_row"], self.rows)
        beside = row_places(builder, x["b_next"], self.vectors)
        entry = builder.block
        loop = builder.append_basic_block("depth")
        done = builder.append_basic_block("done")
        builder.cbranch(builder.icmp_signed(">", x["depth"], I64(0)), loop, done)
        builder.position_at_end(loop)
        left, a, b, ahead = (builder.phi(I64) for _ in range(4))
        sums = [[builder.phi(v.type) for _ in range(self.vectors)] for _ in range(self.rows)]
        ask_for_line(builder, ahead)
        b_vectors = [v.load(beside(b, j), masks[j]) for j in range(self.vectors)]
        after = []
        for i, row in enumerate(sums):
            factor = v.splat(v.number(place(a, i)))
            after.append([v.fma(factor, b_vector, total) for b_vector, total in zip(b_vectors, row, strict=True)])
        following = builder.sub(left, I64(1))
        for phi, first, then in (
            (left, x["depth"], following),
            (a, x["a"], builder.add(a, x["a_step"])),
            (b, x["b"], builder.add(b, x["b_step"])),
            (ahead, x["ahead"], builder.add(ahead, x["ahead_step"])),
        ):
            phi.add_incoming(first, entry)
            phi.add_incoming(then, loop)
        for i in range(self.rows):
            for j in range(self.vectors):
                sums[i][j].add_incoming(start[i][j], entry)
                sums[i][j].add_incoming(after[i][j], loop)
        keep_rolled(builder, builder.cbranch(builder.icmp_signed("!=", following, I64(0)), loop, done))
        builder.position_at_end(done)
        totals = []
        for i in range(self.rows):
            totals.append([builder.phi(v.type) for _ in range(self.vectors)])
            for j in range(self.vectors):
                totals[i][j].add_incoming(start[i][j], entry)
                totals[i][j].add_incoming(after[i][j], loop)
        self._write(totals, masks, leave)

    def _rows_of(self, base: ir.Value, stride: ir.Value) -> list[ir.Value]:
        rows = [base]
        for _ in range(1, self.rows):
            rows.append(self.v.builder.add(rows[-1], stride))
        return rows

    def _write(self, totals: list[list[ir.Value]], masks: list[ir.Value | None], leave: ir.Block) -> None:
        v, builder, x = self.v, self.v.builder, self.x
        beside = row_places(builder, x["c_next"], self.vectors)
        addresses = [[beside(row, j) for j in range(self.vectors)] for row in self._rows_of(x["c"], x["c_row"])]
        alpha, floor = v.splat(x["alpha"]), v.splat(x["floor"])
        update, plain = builder.append_basic_block("update"), builder.append_basic_block("plain")
        builder.cbranch(builder.fcmp_unordered("une", x["alpha"], v.scalar(0.0)), update, plain)
        builder.position_at_end(update)
        for row, places in zip(totals, addresses, strict=True):
            for total, address, mask in zip(row, places, masks, strict=True):
                v.store(v.fma(alpha, total, v.load(address, mask)), address, mask)
        builder.branch(leave)
        builder.position_at_end(plain)
        for row, places in zip(totals, addresses, strict=True):
            for total, address, mask in zip(row, places, masks, strict=True):
                # this order of comparison keeps a NaN and is one instruction
                v.store(builder.select(builder.fcmp_ordered(">", floor, total), floor, total), address, mask)
        builder.branch(leave)


_NAMES = (
    "rows",
    "vectors",
    "columns",
    "depth",
    "a",
    "a_row",
    "a_step",
    "b",
    "b_step",
    "b_next",
    "start",
    "start_row",
    "c",
    "c_row",
    "c_next",
    "ahead",
    "ahead_step",
    "alpha",
    "floor",
)


def _emit(builder: ir.IRBuilder, alpha: Any, values: dict[str, ir.Value], shapes: list[tuple[int, int]]) -> None:
    """Emit tiles of the given heights and widths in vectors, and the switch between them."""
    v, x = Vectors(builder, alpha), values
    zeros_name = f"fastff.zeros.{v.suffix}"
    zeros = builder.module.globals.get(zeros_name)
    if zeros is None:
        kind = ir.ArrayType(v.type, ROW_VECTORS)
        zeros = ir.GlobalVariable(builder.module, kind, zeros_name)
        zeros.linkage, zeros.global_constant, zeros.initializer = "internal", True, ir.Constant(kind, None)
    x["start"] = builder.select(builder.icmp_signed("==", x["start"], I64(0)), builder.ptrtoint(zeros, I64), x["start"])
    leave = builder.append_basic_block("leave")
    full = builder.icmp_signed("==", x["columns"], builder.mul(x["vectors"], I64(v.width)))
    switch = builder.switch(builder.add(builder.mul(x["vectors"], I64(MAX_ROWS)), x["rows"]), leave)
    for r, n in shapes:
        block = builder.append_basic_block(f"tile.{r}x{n}")
        switch.add_case(I64(n * MAX_ROWS + r), block)
        builder.position_at_end(block)
        # A masked load takes a slot of the multiply-adds, and where masks are not free, much more: only the last
        # columns pay for one. Narrow tiles are mostly last columns, so where masks are cheap they have no second form.
        if ROW.masked and n != MAX_VECTORS:
            _Tile(v, r, n, True, x).emit(leave)
            continue
        whole, edge = builder.append_basic_block("whole"), builder.append_basic_block("edge")
        builder.cbranch(full, whole, edge)
        builder.position_at_end(whole)
        _Tile(v, r, n, False, x).emit(leave)
        builder.position_at_end(edge)
        _Tile(v, r, n, True, x).emit(leave)
    builder.position_at_end(leave)


@intrinsic(_tile_twin)
def tile(
    typing_context: Any,
    rows: Any,
    vectors: Any,
    columns: Any,
    depth: Any,
    a: Any,
    a_row: Any,
    a_step: Any,
    b: Any,
    b_step: Any,
    b_next: Any,
    start: Any,
    start_row: Any,
    c: Any,
    c_row: Any,
    c_next: Any,
    ahead: Any,
    ahead_step: Any,
    alpha: Any,
    floor: Any,
) -> Any:
    """One register tile of up to MAX_ROWS rows and MAX_VECTORS vectors.

    Parameters
    ----------
    rows, vectors : int
        Height, and width in vectors.
    columns : int
        Valid columns, more than ``(vectors - 1) * lanes``; operands are neither read nor written beyond them.
    depth : int
        Number of terms; 0 is allowed.
    a, a_row, a_step : int
        Address of ``a[0, 0]``, bytes from row to row and from term to term. *Read.*
    b, b_step, b_next : int
        Address of ``b[0, 0]``, bytes from term to term, and from one vector of columns to the next. *Read.*
    start, start_row : int
        Address of what the sum starts from, bytes from row to row; address 0 is zero. Its columns are adjacent. *Read.*
    c, c_row, c_next : int
        The result. *Written*, or *updated* where alpha is not 0.
    ahead, ahead_step : int
        Address of what is wanted next, and bytes from term to term: a line is asked for at each. *Neither read nor
        written*, so it need not be valid.
    alpha, floor : float
        See the module's equation; their dtype is the product's.
    """

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        shapes = [(r, n) for n in range(1, MAX_VECTORS + 1) for r in range(1, MAX_ROWS + 1)]
        _emit(builder, alpha, dict(zip(_NAMES, values, strict=True)), shapes)
        return context.get_dummy_value()

    i = types.int64
    return types.void(*[i] * 17, alpha, floor), codegen


def _row_tile_twin(
    vectors: int,
    columns: int,
    depth: int,
    a: int,
    a_step: int,
    b: int,
    b_step: int,
    b_next: int,
    start: int,
    c: int,
    c_next: int,
    alpha: Any,
    floor: Any,
) -> None:
    _tile_twin(1, vectors, columns, depth, a, 0, a_step, b, b_step, b_next, start, 0, c, 0, c_next, 0, 0, alpha, floor)


@intrinsic(_row_tile_twin)
def row_tile(
    typing_context: Any,
    vectors: Any,
    columns: Any,
    depth: Any,
    a: Any,
    a_step: Any,
    b: Any,
    b_step: Any,
    b_next: Any,
    start: Any,
    c: Any,
    c_next: Any,
    alpha: Any,
    floor: Any,
) -> Any:
    """A tile of one row of up to ROW_VECTORS vectors; parameters as those of `tile`."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        vectors, columns, depth, a, a_step, b, b_step, b_next, start, c, c_next, *scalars = values
        o = I64(0)
        full = (
            I64(1),
            vectors,
            columns,
            depth,
            a,
            o,
            a_step,
            b,
            b_step,
            b_next,
            start,
            o,
            c,
            o,
            c_next,
            b,
            o,
            *scalars,
        )
        shapes = [(1, n) for n in range(1, ROW_VECTORS + 1)]
        _emit(builder, alpha, dict(zip(_NAMES, full, strict=True)), shapes)
        return context.get_dummy_value()

    i = types.int64
    return types.void(*[i] * 11, alpha, floor), codegen
