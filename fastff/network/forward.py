"""The forward pass of all rows of an array, in blocks and on a team of threads."""

from __future__ import annotations

import threading

import numpy as np

from fastff import _threads
from fastff._cpu import L2_BYTES
from fastff.gemm.pack import pack_panels
from fastff.gemm.product import PANEL_BYTES
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
from fastff.network.memory import aligned, padded_row
from fastff.network.plan import Plan
from fastff.network.rows import predict_rows
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
    if rows == 0:
        return
    packed = _packed(plan, parameters) if rows >= PACKED_ROWS else None
    operations = 2.0 * plan.n_parameters * rows
    team = max(1, min(_threads.get_num_threads(), int(operations / THREAD_OPERATIONS), rows))
    bounds = [rows * t // team for t in range(team + 1)]
    calls = [
        _Part(plan, parameters, packed, x, out, first, last) for first, last in zip(bounds, bounds[1:], strict=False)
    ]
    workers = [threading.Thread(target=part) for part in calls[1:]]
    for worker in workers:
        worker.start()
    calls[0]()
    for worker in workers:
        worker.join()


def _packed(plan: Plan, parameters: np.ndarray) -> list[np.ndarray]:
    size = plan.dtype.itemsize
    panels = []
    for weight in plan.weights(parameters):
        inputs, width = weight.shape
        count = -(-width * size // PANEL_BYTES)
        panels.append(aligned(count * inputs * PANEL_BYTES))
        pack_panels[plan.dtype](
            0, inputs, width, weight.ctypes.data, width * size, panels[-1].ctypes.data, inputs * PANEL_BYTES
        )
    return panels


class _Part:
    """The rows of one thread: a layer table with buffers for one block of them."""

    def __init__(
        self,
        plan: Plan,
        parameters: np.ndarray,
        packed: list[np.ndarray] | None,
        x: np.ndarray,
        out: np.ndarray,
        first: int,
        last: int,
    ) -> None:
        size = plan.dtype.itemsize
        rows = [padded_row(width, size) for width in plan.sizes[1:]]
        # a block's activations take half of the second level
        block = max(1, min(last - first, L2_BYTES // 2 // (sum(rows) + plan.sizes[0] * size)))
        table = layer_table(plan.sizes, plan.activations)
        self._keep = [table, aligned(2 * block * sum(rows))]
        place = self._keep[1].ctypes.data
        weights, biases = plan.weights(parameters), plan.biases(parameters)
        for layer, line in enumerate(table):
            width = plan.sizes[layer + 1]
            line[WEIGHT], line[WEIGHT_ROW], line[WEIGHT_PANEL] = weights[layer].ctypes.data, width * size, PANEL_BYTES
            if packed is not None:
                line[WEIGHT], line[WEIGHT_ROW], line[WEIGHT_PANEL] = (
                    packed[layer].ctypes.data,
                    PANEL_BYTES,
                    plan.sizes[layer] * PANEL_BYTES,
                )
            line[BIAS] = biases[layer].ctypes.data if plan.bias else 0
            line[HIDDEN], line[LINEAR], line[HIDDEN_ROW] = place, place, rows[layer]
            place += block * rows[layer]
            if OUTPUTS[plan.activations[layer]] in NEEDS_LINEAR:
                line[LINEAR] = place
                place += block * rows[layer]
        row = plan.n_outputs * size
        table[-1, LINEAR], table[-1, HIDDEN_ROW] = out.ctypes.data + first * row, row
        x_row = plan.n_inputs * size
        self._unit = predict_rows[plan.dtype]
        self._arguments = (
            0.0,
            table.ctypes.data,
            len(table),
            x.ctypes.data + first * x_row,
            x_row,
            last - first,
            block,
        )

    def __call__(self) -> None:
        self._unit(*self._arguments)
