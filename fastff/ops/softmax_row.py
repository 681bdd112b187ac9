"""Softmax of one row as LLVM code, and its cross entropy in closed form.

With ``top = max(z)`` and ``s = sum of exp(z - top)``, ``p = exp(z - top) / s``, and for targets y::

    loss = sum(y) log(s) - sum(y (z - top))        terms where y is 0 are 0
    d loss / dz = p sum(y) - y

Sums are made in float64, lane by lane and then over the lanes in a fixed order: they depend on the number of columns
only. Rows of one or two vectors stay in registers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from llvmlite import ir
from numba import types

from fastff.simd import functions as f
from fastff.simd.lanes import I64, Vectors
from fastff.simd.reduce import DOUBLE, compensated_add, maximum, narrow, total, wide, wide_zero
from fastff.simd.sweep import sweep
from fastff.simd.words import Lanes, Number


@dataclass(frozen=True)
class Targets:
    """What a row is compared with.

    Attributes
    ----------
    address : ir.Value
        Where the row's targets are, or any address that may be read as far.
    y : function
        ``y(loaded, index)``: the targets, from what was loaded there and the index of the first lane.
    scale : Number
        Factor of the gradient.
    """

    address: ir.Value
    y: Callable[[Number, ir.Value], Number]
    scale: Number


class _Row:
    """Emits the softmax of a row, or with targets its loss and gradient."""

    def __init__(self, v: Vectors, columns: ir.Value, z: ir.Value, out: ir.Value, targets: Targets | None) -> None:
        self.v, self.o, self.columns, self.z, self.out, self.targets = v, Lanes(v), columns, z, out, targets

    def emit(self) -> ir.Value:
        """Give the loss (float64), 0 without targets."""
        v, builder = self.v, self.v.builder
        leave = builder.append_basic_block("row.done")
        ends = []
        for vectors in (1, 2):
            fits, longer = builder.append_basic_block(f"row.{vectors}"), builder.append_basic_block("row.longer")
            builder.cbranch(builder.icmp_signed("<=", self.columns, I64(vectors * v.width)), fits, longer)
            builder.position_at_end(fits)
            ends.append((self._in_registers(vectors), builder.block))
            builder.branch(leave)
            builder.position_at_end(longer)
        ends.append((self._in_sweeps(), builder.block))
        builder.branch(leave)
        builder.position_at_end(leave)
        if self.targets is None:
            return DOUBLE(0.0)
        s, weight, dot = (builder.phi(DOUBLE) for _ in range(3))
        for sums, block in ends:
            for merged, value in zip((s, weight, dot), sums, strict=True):
                merged.add_incoming(value, block)
        return builder.fsub(builder.fmul(weight, _scalar_log(builder, s)), dot)

    def _exponential(self, x: Number, top: Number, mask: ir.Value | None) -> Number:
        e = f.exp_difference(self.o, x, top)
        return e if mask is None else self.o.select(mask, e, 0.0)

    def _dot(self, y: Number, x: Number, top: Number) -> Number:
        return self.o.select(y == 0.0, 0.0, y * (x - top))

    def _factor(self, sums: list[ir.Value]) -> Number:
        """What exponentials are multiplied with: 1 / s, in gradients times sum(y)."""
        builder = self.v.builder
        factor = builder.fdiv(DOUBLE(1.0), sums[0])
        if len(sums) > 1:
            factor = builder.fmul(factor, sums[1])
        return self.o.splat(narrow(self.v, factor))

    def _result(self, e: Number, factor: Number, y: Number | None) -> Number:
        if self.targets is None or y is None:
            return e * factor
        return self.o.fma(e, factor, -y) * self.targets.scale

    def _in_registers(self, vectors: int) -> list[ir.Value]:
        v, o, builder = self.v, self.o, self.v.builder
        places = [I64(i * v.width * v.size) for i in range(vectors)]
        masks: list[ir.Value | None] = [None] * vectors
        masks[-1] = v.first(builder.sub(self.columns, I64((vectors - 1) * v.width)))
        x = [o.wrap(v.load(builder.add(self.z, place), mask)) for place, mask in zip(places, masks)]
        largest = o.select(masks[-1], x[-1], -math.inf)
        for each in x[:-1]:
            largest = o.select(each > largest, each, largest)
        top = o.splat(maximum(v, largest.value))
        e = [self._exponential(each, top, mask) for each, mask in zip(x, masks)]
        sums = [self._sum(e)]
        y: list[Any] = [None] * vectors
        if self.targets is not None:
            loaded = [o.wrap(v.load(builder.add(self.targets.address, p), m)) for p, m in zip(places, masks)]
            y = [self.targets.y(each, I64(i * v.width)) for i, each in enumerate(loaded)]
            sums += [self._sum(y), self._sum([self._dot(*each, top) for each in zip(y, x)])]
        totals = [total(v, each) for each in sums]
        factor = self._factor(totals)
        for place, mask, each, target in zip(places, masks, e, y):
            v.store(self._result(each, factor, target).value, builder.add(self.out, place), mask)
        return totals

    def _sum(self, x: list[Number]) -> ir.Value:
        sums = wide(self.v, x[0])
        for each in x[1:]:
            sums = self.v.builder.fadd(sums, wide(self.v, each))
        return sums

    def _in_sweeps(self) -> list[ir.Value]:
        v, o, targets = self.v, self.o, self.targets
        extra = [] if targets is None else [targets.address]

        def larger(o: Lanes, x: list, carry: list, mask: ir.Value, index: ir.Value) -> tuple[list, list]:
            top = o.wrap(carry[0])
            return [], [o.select(o.select(mask, x[0], -math.inf) > top, x[0], top).value]

        def powers(o: Lanes, x: list, carry: list, mask: ir.Value, index: ir.Value) -> tuple[list, list]:
            e = self._exponential(x[0], top, mask)
            sums = compensated_add(v, carry[0], carry[1], wide(v, e))
            if targets is not None:
                y = o.select(mask, targets.y(x[1], index), 0.0)
                for before, term in zip(carry[2:], (y, self._dot(y, x[0], top))):
                    sums.append(v.builder.fadd(before, wide(v, term)))
            return [e], sums

        def results(o: Lanes, x: list, carry: list, mask: ir.Value, index: ir.Value) -> tuple[list, list]:
            return [self._result(x[0], factor, targets.y(x[1], index) if targets is not None else None)], []

        (largest,) = sweep(v, self.columns, [self.z], [], larger, [v.constant(-math.inf)])
        top = o.splat(maximum(v, largest))
        start = [wide_zero(v)] * (4 if extra else 2)
        s, lost, *others = sweep(v, self.columns, [self.z, *extra], [self.out], powers, start)
        totals = [total(v, each) for each in (v.builder.fadd(s, lost), *others)]
        factor = self._factor(totals)
        sweep(v, self.columns, [self.out, *extra], [self.out], results)
        return totals


def _scalar_log(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    """Natural logarithm of a float64."""
    v = Vectors(builder, types.float64, 2)
    o = Lanes(v)
    return builder.extract_element(f.log(o, o.splat(x)).value, ir.IntType(32)(0))


def emit_row(v: Vectors, columns: ir.Value, z: ir.Value, out: ir.Value, targets: Targets | None = None) -> ir.Value:
    """Emit the softmax of the row at z into the row at out; with targets its gradient instead, and give the loss."""
    return _Row(v, columns, z, out, targets).emit()
