"""Activations and losses of stacks (`fastff.simd.across`): a row of the batch a lane, a column a vector.

The formulas are those of `fastff.ops.activate`, `fastff.ops.costs` and `fastff.ops.softmax_row`. A loss that goes from
column to column, as softmax does, stays in its lane.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from fastff._cpu import lanes
from fastff._jit import intrinsic
from fastff.ops.activate import FORMULAS, SLOPES, slope, value
from fastff.ops.activations import LEAKY_RELU, RELU, SIGMOID, TANH
from fastff.ops.cost_rows import SIGMOID_COST, SOFTMAX_COST
from fastff.ops.costs import sigmoid_cost, squared_error
from fastff.ops.losses import SquaredError
from fastff.ops.softmax import rows_value
from fastff.simd import functions as f
from fastff.simd.across import each_vector, emit_product, product_twin, stack
from fastff.simd.arrays import Arrays
from fastff.simd.blocks import close_loop, open_loop
from fastff.simd.lanes import I64, Vectors
from fastff.simd.memory import view
from fastff.simd.reduce import DOUBLE, total, wide, wide_zero
from fastff.simd.sweep import switch
from fastff.simd.words import Lanes, Number

#: Activations with code of their own here; others go through the sweeps of `fastff.ops.activate`.
USUAL = (RELU, LEAKY_RELU, SIGMOID, TANH)
_COSTS = {SquaredError.code: squared_error, SIGMOID_COST: sigmoid_cost}
#: Losses that stacks have.
STACK_COSTS = (*_COSTS, SOFTMAX_COST)

# An operation of `operate` is a line of int64; offsets are in bytes from a block of stacks.
OPERATION = 0
COLUMNS = 1
SOURCE = 2  # offset of the stack that is read
TARGET = 3  # and of the one that is written
OTHER = 4  # of a loss: offset of the targets; of a product: bytes from the weights
TERMS = 5  # of a product: how many, and strides of the weight in bytes
COLUMN_STEP = 6
TERM_STEP = 7
LINE = 8

# OPERATION: what is added to a code
PRODUCT = 0
ACTIVATE = 16
DERIVE = 32
COST = 48
# and of what `operate` leaves to sweeps; OTHER is then the offset of a derivative's inputs
SWEPT = 64
SWEPT_BACK = 80


@np.errstate(all="ignore")
def _cost_twin(like: Any, code: int, columns: int, rows: int, p: int, y: int, scale: Any, delta: int) -> float:
    x, targets = stack(p, like, columns), stack(y, like, columns)
    if code == SOFTMAX_COST:
        d = x - x.max(axis=0)
        weight = targets.sum(axis=0, dtype=np.float64)
        cost = weight * np.log(np.exp(d).sum(axis=0, dtype=np.float64))
        cost -= np.where(targets == 0, 0, targets * d).sum(axis=0, dtype=np.float64)
        gradient = np.array([rows_value(row) for row in x.T]).T * weight.astype(x.dtype) - targets
    else:
        cost, gradient = _COSTS[code](Arrays(x.dtype), x, targets)
        cost = cost.sum(axis=0, dtype=np.float64)
    valid = np.arange(x.shape[1]) < rows
    stack(delta, like, columns)[...] = np.where(valid, gradient * scale, 0)
    return float(np.where(valid, cost, 0).sum())


class _Cost:
    """Emits the loss of a stack and its gradient."""

    def __init__(
        self,
        v: Vectors,
        columns: ir.Value,
        rows: ir.Value,
        addresses: tuple,
        scale: ir.Value,
        step: ir.Value | None = None,
    ) -> None:
        self.v, self.o, self.builder, self.columns, self.step = v, Lanes(v), v.builder, columns, step
        self.p, self.y, self.delta = addresses
        self.mask, self.scale = v.first(rows), self.o.splat(scale)
        with self.builder.goto_entry_block():
            self.rooms = [self.builder.alloca(wide_zero(v).type) for _ in range(3)]
            self.top = self.builder.alloca(v.type)
        for room in self.rooms:
            self.builder.store(wide_zero(v), room)

    def loaded(self, address: ir.Value, offset: ir.Value) -> Number:
        return self.o.wrap(self.v.load(self.builder.add(address, offset)))

    def add(self, room: ir.Value, x: Number) -> None:
        self.builder.store(self.builder.fadd(self.builder.load(room), wide(self.v, x)), room)

    def put(self, offset: ir.Value, gradient: Number) -> None:
        """Write the gradient of one column, zeros for lanes without a row."""
        scaled = self.o.select(self.mask, gradient * self.scale, 0.0)
        self.v.store(scaled.value, self.builder.add(self.delta, offset))

    def result(self, sums: ir.Value) -> ir.Value:
        zero = wide_zero(self.v)
        return total(self.v, self.builder.select(self.mask, sums, zero))

    def numbers(self, case: int) -> ir.Value:
        """Each number by itself."""

        def column(offset: ir.Value) -> None:
            cost, gradient = _COSTS[case](self.o, self.loaded(self.p, offset), self.loaded(self.y, offset))
            self.add(self.rooms[0], cost)
            self.put(offset, gradient)

        each_vector(self.v, self.columns, column, self.step)
        return self.result(self.builder.load(self.rooms[0]))

    def softmax(self) -> ir.Value:
        """Cross entropy of the softmax of each lane."""
        v, o, builder = self.v, self.o, self.builder
        builder.store(v.constant(-math.inf), self.top)

        def largest(offset: ir.Value) -> None:
            top = o.wrap(builder.load(self.top))
            x = self.loaded(self.p, offset)
            builder.store(o.select(x > top, x, top).value, self.top)

        each_vector(v, self.columns, largest, self.step)
        top = o.wrap(builder.load(self.top))

        def power(offset: ir.Value) -> None:
            x, y = self.loaded(self.p, offset), self.loaded(self.y, offset)
            e = f.exp_difference(o, x, top)
            v.store(e.value, builder.add(self.delta, offset))
            for room, term in zip(self.rooms, (e, y, o.select(y == 0.0, 0.0, y * (x - top)))):
                self.add(room, term)

        each_vector(v, self.columns, power, self.step)
        s, weight, dot = (builder.load(room) for room in self.rooms)
        factor = builder.fdiv(weight, s)
        factor = o.wrap(builder.fptrunc(factor, v.type) if v.single else factor)

        def gradient(offset: ir.Value) -> None:
            self.put(offset, o.fma(self.loaded(self.delta, offset), factor, -self.loaded(self.y, offset)))

        each_vector(v, self.columns, gradient, self.step)
        doubles = Lanes(Vectors(builder, types.float64, v.width))
        logarithm = f.log(doubles, doubles.wrap(s)).value
        return self.result(builder.fsub(builder.fmul(weight, logarithm), dot))

    def emit(self, case: int) -> ir.Value:
        """The sum over the rows, of one of STACK_COSTS."""
        return self.softmax() if case == SOFTMAX_COST else self.numbers(case)


class _BandCost(_Cost):
    """The same for one vector of a band after the other, lane by lane."""

    lanes: ir.Value

    def result(self, sums: ir.Value) -> ir.Value:
        builder = self.builder
        valid = builder.select(self.mask, sums, wide_zero(self.v))
        builder.store(builder.fadd(builder.load(self.lanes), valid), self.lanes)
        return DOUBLE(0.0)


def _band_cost_twin(
    like: Any, code: int, columns: int, rows: int, vectors: int, p: int, y: int, scale: Any, delta: int
) -> float:
    shape = columns, vectors, lanes(like.itemsize)
    x, targets, out = (view(place, like, math.prod(shape)).reshape(shape) for place in (p, y, delta))
    cost = 0.0
    for r in range(vectors):
        here, wanted = x[:, r].copy(), targets[:, r].copy()
        gradient = np.empty_like(here)
        places = here.ctypes.data, wanted.ctypes.data, gradient.ctypes.data
        cost += _cost_twin(like, code, columns, rows - r * shape[2], *places[:2], scale, places[2])
        out[:, r] = gradient
    return cost


@intrinsic(_band_cost_twin)
def band_cost(typing_context: Any, like: Any, code: Any, columns: Any, rows: Any, vectors: Any, p: Any, y: Any,
              scale: Any, delta: Any) -> Any:  # fmt: skip
    """The loss of a band of so many vectors, as `operate` has it for a stack."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        _, code, columns, rows, vectors, p, y, scale, delta = values
        v = Vectors(builder, like)
        size = I64(v.width * v.size)
        with builder.goto_entry_block():
            lanes_ = builder.alloca(wide_zero(v).type)
        builder.store(wide_zero(v), lanes_)

        def emit(case: int) -> None:
            r, _, body, leave = open_loop(builder, vectors, "band")
            places = tuple(builder.add(place, builder.mul(r, size)) for place in (p, y, delta))
            left = builder.sub(rows, builder.mul(r, I64(v.width)))
            cost = _BandCost(v, columns, left, places, scale, builder.mul(vectors, size))
            cost.lanes = lanes_
            cost.emit(case)
            close_loop(builder, r, builder.add(r, I64(1)), vectors, body, leave)

        switch(builder, code, STACK_COSTS, emit)
        return total(v, builder.load(lanes_))

    i = types.int64
    return types.float64(like, i, i, i, i, i, i, scale, i), codegen


def _operate_twin(like: Any, line: int, block: int, weights: int, rows: int, scale: Any) -> float:
    operation, columns, source, target, other, terms, column_step, term_step = view(line, np.int64(0), LINE).tolist()
    kind, code = operation & -16, operation & 15
    if kind == COST:
        return _cost_twin(like, code, columns, rows, block + source, block + other, scale, block + target)
    if kind == PRODUCT:
        product_twin(like, columns, terms, block + source, weights + other, column_step, term_step, block + target)
        return 0.0
    with np.errstate(all="ignore"):
        x, y = stack(block + source, like, columns), stack(block + target, like, columns)
        if kind == ACTIVATE:
            y[...] = value(code, x)
        elif kind == DERIVE:
            y *= slope(code, x)
    return 0.0


@intrinsic(_operate_twin)
def operate(typing_context: Any, like: Any, line: Any, block: Any, weights: Any, rows: Any, scale: Any) -> Any:
    """Do what a line says with the stacks of a block; of a loss, give the sum over the first `rows` lanes.

    * ``PRODUCT``: `fastff.simd.across.emit_product`.
    * ``ACTIVATE + code``: ``target = activation(source)``, for the activations of `USUAL`.
    * ``DERIVE + code``: ``target *= activation'``, from the outputs at `source`.
    * ``COST + code``: the loss of the predictions, or for the closed forms of the logits, at `source`; the target gets
      ``scale`` times its gradient, and 0 in lanes without a row. The code is one of `STACK_COSTS`.
    """

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        _, line, block, weights, rows, scale = values
        v = Vectors(builder, like)
        o = Lanes(v)
        operation, columns, source, target, other, *of_product = (
            builder.load(builder.inttoptr(builder.add(line, I64(8 * i)), I64.as_pointer())) for i in range(LINE)
        )
        source, target = builder.add(block, source), builder.add(block, target)
        cost = _Cost(v, columns, rows, (source, builder.add(block, other), target), scale)
        with builder.goto_entry_block():
            result = builder.alloca(DOUBLE)
        builder.store(DOUBLE(0.0), result)

        def load(address: ir.Value, offset: ir.Value) -> Number:
            return o.wrap(v.load(builder.add(address, offset)))

        def emit(case: int) -> None:
            kind, code = case & -16, case & 15

            def activation(offset: ir.Value) -> None:
                v.store(FORMULAS[code](o, load(source, offset)).value, builder.add(target, offset))

            def derivative(offset: ir.Value) -> None:
                product = load(target, offset) * SLOPES[code](o, load(source, offset))
                v.store(product.value, builder.add(target, offset))

            if kind == PRODUCT:
                terms, column_step, term_step = of_product
                emit_product(v, columns, terms, source, builder.add(weights, other), column_step, term_step, target)
            elif kind == COST:
                builder.store(cost.emit(code), result)
            else:
                each_vector(v, columns, activation if kind == ACTIVATE else derivative)

        cases = [PRODUCT, *(kind + code for kind in (ACTIVATE, DERIVE) for code in USUAL)]
        switch(builder, operation, cases + [COST + code for code in STACK_COSTS], emit)
        return builder.load(result)

    i = types.int64
    return types.float64(like, i, i, i, i, scale), codegen
