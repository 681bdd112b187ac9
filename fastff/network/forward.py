"""The forward pass of all rows of an array, in blocks and on a team of threads."""

from __future__ import annotations

import threading
import weakref
from functools import partial
from typing import Any

import numpy as np

from fastff import _threads
from fastff._cpu import L2_BYTES
from fastff._jit import invoke, unit
from fastff._together import together
from fastff.gemm.pack import pack_panels
from fastff.gemm.product import PANEL_BYTES, product
from fastff.network.alike import OBJECT, RESULT, SMALL, Alike, place_of, result_of
from fastff.network.layers import (
    BIAS,
    HIDDEN,
    HIDDEN_ROW,
    LINEAR,
    NEEDS_LINEAR,
    WEIGHT,
    WEIGHT_PANEL,
    WEIGHT_ROW,
    layer_table,
)
from fastff.network.memory import PEEKS, address_of, aligned, padded_row
from fastff.network.plan import Plan
from fastff.network.rows import forward_layer, forward_rows, predict_rows
from fastff.ops.activations import OUTPUTS

#: Rows from which weights are worth packing: packing reads each of them once, a row of input uses it once.
PACKED_ROWS = 64
#: Floating-point operations that a second thread must find before it is worth waking.
THREAD_OPERATIONS = 2e7


def forward(plan: Plan, parameters: np.ndarray, x: np.ndarray, out: np.ndarray) -> None:
    """Compute the network's outputs.

    Parameters
    ----------
    plan : Plan
        The network.
    parameters : ndarray (n_parameters,)
        Flat parameters. *Read.*
    x : ndarray (rows, in)
        C-contiguous, of the plan's dtype. *Read.*
    out : ndarray (rows, out)
        C-contiguous, of the plan's dtype. *Written.*
    """
    rows = len(x)
    if rows < PACKED_ROWS:
        latest = getattr(_latest, "part", None)
        if latest is None or latest.parameters() is not parameters or latest.plan is not plan:
            latest = _latest.part = _Part(plan, parameters, None, PACKED_ROWS)
        latest(x, out, 0, rows)
        if PEEKS and x.size <= SMALL:
            latest.keep(x, out)
        return
    packed = _packed(plan, parameters)
    team = max(1, min(_threads.get_num_threads(), int(2.0 * plan.n_parameters * rows / THREAD_OPERATIONS)))
    bounds = [rows * t // team for t in range(team + 1)]
    spans = list(zip(bounds, bounds[1:], strict=False))
    parts = [_Part(plan, parameters, packed, last - first) for first, last in spans]
    together(*(partial(part, x, out, *span) for part, span in zip(parts, spans, strict=True)))


def forward_again(parameters: np.ndarray, X: object) -> np.ndarray | None:
    """Return the outputs, if this thread's latest call was for the same parameters and rows like these; else None."""
    latest = getattr(_latest, "part", None)
    return None if latest is None or latest.parameters() is not parameters else latest.again(X)


@unit("iiiiii", rare=True)
def predict_again(like: Any, record: int, table: int, layers: int, x_row: int, rows: int, block: int) -> int:
    """`predict_rows` of a record's array into its other one, if it is as it should be: 1, otherwise 0."""
    x = invoke(place_of, like, (record,))
    if x == 0:
        return 0
    invoke(predict_rows, like, (table, layers, x, x_row, rows, result_of(record), block))
    return 1


# A thread's table for few rows of the network it asked last: making one takes 20 us, a row of a small network 1
_latest = threading.local()


def _packed(plan: Plan, parameters: np.ndarray) -> list[np.ndarray]:
    """The weights in panels."""
    size = plan.dtype.itemsize
    panels = []
    for weight in plan.weights(parameters):
        inputs, width = weight.shape
        count = -(-width * size // PANEL_BYTES)
        panels.append(aligned(count * inputs * PANEL_BYTES))
        pack_panels[plan.dtype](
            0, inputs, width, address_of(weight), width * size, address_of(panels[-1]), inputs * PANEL_BYTES
        )
    return panels


class _Part:
    """A layer table with buffers for one block of rows: what one thread predicts with."""

    def __init__(self, plan: Plan, parameters: np.ndarray, packed: list[np.ndarray] | None, rows: int) -> None:
        size = plan.dtype.itemsize
        self.plan = plan
        self.parameters = weakref.ref(parameters)
        self._packed = packed
        strides = [padded_row(width, size) for width in plan.sizes[1:]]
        # a block's activations take half of the second level
        self._block = max(1, min(rows, L2_BYTES // 2 // (sum(strides) + plan.sizes[0] * size)))
        self._table = table = layer_table(plan.sizes, plan.activations)
        self._buffer = aligned(2 * self._block * sum(strides))
        place = address_of(self._buffer)
        weights, biases = plan.weights(parameters), plan.biases(parameters)
        for layer, line in enumerate(table):
            inputs, width = plan.sizes[layer], plan.sizes[layer + 1]
            if packed is None:
                line[WEIGHT], line[WEIGHT_ROW], line[WEIGHT_PANEL] = (
                    address_of(weights[layer]),
                    width * size,
                    PANEL_BYTES,
                )
            else:
                line[WEIGHT], line[WEIGHT_ROW], line[WEIGHT_PANEL] = (
                    address_of(packed[layer]),
                    PANEL_BYTES,
                    inputs * PANEL_BYTES,
                )
            line[BIAS] = address_of(biases[layer]) if plan.bias else 0
            line[HIDDEN], line[LINEAR], line[HIDDEN_ROW] = place, place, strides[layer]
            place += self._block * strides[layer]
            if OUTPUTS[plan.activations[layer]] in NEEDS_LINEAR:
                line[LINEAR] = place
                place += self._block * strides[layer]
        self._x_row, self._out_row = plan.n_inputs * size, plan.n_outputs * size
        table[-1, HIDDEN_ROW] = self._out_row
        for each in (product, forward_layer, forward_rows):
            each[plan.dtype]  # in Python, where Ctrl-C is heard
        self._run = predict_rows[plan.dtype]
        self._address, self._layers = address_of(table), len(table)
        self._shape: tuple[int, ...] = ()
        self._dtype = plan.dtype

    def __call__(self, x: np.ndarray, out: np.ndarray, first: int, last: int) -> None:
        """Write rows ``first`` to ``last`` of the outputs."""
        x_place, out_place = address_of(x) + first * self._x_row, address_of(out) + first * self._out_row
        self._run(0.0, self._address, self._layers, x_place, self._x_row, last - first, out_place, self._block)

    def keep(self, x: np.ndarray, out: np.ndarray) -> None:
        """Be ready for more arrays like this one."""
        if out.shape == self._shape and x.dtype is self._dtype:
            return
        like, self._shape, self._dtype = Alike(x, self.plan.dtype), out.shape, x.dtype
        self._like = like.fields
        place = (self._address, self._layers, self._x_row, len(x), self._block)
        self._run_again = predict_again.bound(self.plan.dtype, like.record, *place)

    def again(self, X: object) -> np.ndarray | None:
        """Return the outputs of an array like the one that was kept; None for another."""
        if not self._shape:
            return None
        out = np.empty(self._shape, self._dtype)
        self._like[OBJECT], self._like[RESULT] = id(X), id(out)
        return out if self._run_again() else None
