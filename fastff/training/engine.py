"""A network's training as buffers and one compiled call: what a trainer drives."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from fastff import _threads
from fastff._cpu import L2_BYTES
from fastff._jit import prepare
from fastff.gemm.pack import pack_panels, unpack_panels
from fastff.gemm.product import PANEL_BYTES
from fastff.network import layers as table_
from fastff.network.layers import layer_table
from fastff.network.memory import aligned, padded_row
from fastff.network.plan import Plan
from fastff.ops.activations import OUTPUTS
from fastff.simd.barrier import BARRIER_BYTES
from fastff.simd.tile import MAX_ROWS
from fastff.training import frame as frame_
from fastff.training.loop import run

#: Rows of a chunk: larger batches take several, and add their gradients up.
CHUNK_ROWS = 2048
import os

BLOCK_PART = int(os.environ.get("BP", "4"))
WB = int(os.environ.get("WB", "4"))
#: Rows of a step from which weights are kept in panels while training.
PANEL_ROWS = 24
#: Rows of a step up to which the way back goes along the rows of a weight instead of transposing it.
FEW_ROWS = 4
#: Floating-point operations of a step that are worth a second thread.
THREAD_OPERATIONS = 1.2e6


class Engine:
    """Workspace, optimizer state and compiled loop of one network's training.

    Parameters
    ----------
    plan : Plan
        The network.
    loss : loss object
        See `fastff.losses`.
    optimizer : optimizer object
        See `fastff.optim`.
    rows : int
        The most rows that a step will have.

    Attributes
    ----------
    state : ndarray
        The optimizer's state, in an order of the engine's own; copy it and write it back to go on from there.
    t : int
        Updates made so far.
    """

    def __init__(self, plan: Plan, loss: Any, optimizer: Any, rows: int) -> None:
        self.plan, self.loss_object, self.optimizer, self.rows = plan, loss, optimizer, rows
        self.t = 0
        size = plan.dtype.itemsize
        self._panels = rows >= PANEL_ROWS
        self._weight_bytes = [self._bytes_of_weight(i, o) for i, o in zip(plan.sizes, plan.sizes[1:], strict=False)]
        self._bias_bytes = [padded_row(width, size) for width in plan.sizes[1:]]
        self.state = np.zeros(optimizer.n_states * self._layout_bytes() // size, plan.dtype)
        self._compiled: _Compiled | None = None

    def _bytes_of_weight(self, inputs: int, width: int) -> int:
        size = self.plan.dtype.itemsize
        if self._panels:
            return -(-width * size // PANEL_BYTES) * PANEL_BYTES * inputs
        return inputs * width * size

    def _layout_bytes(self) -> int:
        return sum(self._weight_bytes) + sum(self._bias_bytes)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_compiled": None}

    def run(
        self,
        parameters: np.ndarray,
        x: np.ndarray,
        y: np.ndarray,
        order: np.ndarray | None,
        rows_per_step: int,
        first: int,
        steps: int,
        losses: np.ndarray,
    ) -> int:
        """Make steps of training.

        Step s uses the rows of batch ``s % steps_per_epoch`` of epoch ``s // steps_per_epoch``.

        Parameters
        ----------
        parameters : ndarray (n_parameters,)
            *Updated.*
        x : ndarray (rows, in)
            C-contiguous, of the plan's dtype. *Read.*
        y : ndarray (rows, out) of the dtype, or int64 (rows,)
            Targets, or class labels. *Read.*
        order : int64 ndarray (epochs, rows) or None
            Row numbers of each epoch in their order; None for the rows as they stand. *Read.*
        rows_per_step : int
            Batch size; an epoch's last batch may be smaller.
        first, steps : int
            Number of the first step, and how many.
        losses : float64 ndarray (steps,)
            The loss that each step started from. *Written.*

        Returns
        -------
        int
            Steps made: fewer than `steps` where a loss was not finite; that loss is written and its update not made.
        """
        return self._call(self.optimizer.code, parameters, x, y, order, rows_per_step, first, steps, losses, None)

    def loss(self, parameters: np.ndarray, x: np.ndarray, y: np.ndarray) -> float:
        """Loss of all rows together; nothing is changed."""
        losses = np.zeros(1)
        self._call(frame_.LOSS_ONLY, parameters, x, y, None, len(x), 0, 1, losses, None)
        return float(losses[0])

    def loss_and_gradients(self, parameters: np.ndarray, x: np.ndarray, y: np.ndarray, gradient: np.ndarray) -> float:
        """Loss of all rows together, and its gradient by the flat parameters. *gradient* is written."""
        losses = np.zeros(1)
        self._call(frame_.GRADIENT_ONLY, parameters, x, y, None, len(x), 0, 1, losses, gradient)
        return float(losses[0])

    def _call(
        self,
        rule: int,
        parameters: np.ndarray,
        x: np.ndarray,
        y: np.ndarray,
        order: np.ndarray | None,
        batch: int,
        first: int,
        steps: int,
        losses: np.ndarray,
        gradient: np.ndarray | None,
    ) -> int:
        compiled = self._compiled
        if compiled is None or min(batch, len(x)) > compiled.row_losses.size:
            compiled = self._compiled = _Compiled(self, max(self.rows, min(batch, len(x))))
        return compiled(rule, parameters, x, y, order, min(batch, len(x)), first, steps, losses, gradient)


class _Compiled:
    """The buffers of an engine, and the record that compiled code reads."""

    def __init__(self, engine: Engine, rows: int) -> None:
        prepare(engine.plan.dtype)
        plan, size = engine.plan, engine.plan.dtype.itemsize
        self.engine, self.run = engine, run[plan.dtype]
        self.chunk = chunk = min(rows, CHUNK_ROWS)
        self.frame = np.zeros(frame_.FIELDS, np.int64)
        self.doubles = self.frame.view(np.float64)
        self.table = layer_table(plan.sizes, plan.activations)
        self.row_losses = np.zeros(rows)
        self.one = np.ones(1, plan.dtype)
        self.barrier = aligned(BARRIER_BYTES)
        self.max_threads = _threads.get_num_threads()
        self._lay_out(plan, chunk, size)
        self._moments(engine)
        f = self.frame
        f[frame_.TABLE], f[frame_.ODD_TABLE], f[frame_.LAYERS] = (
            self.table.ctypes.data,
            self.odd_table.ctypes.data,
            len(self.table),
        )
        f[frame_.BARRIER], f[frame_.ONE] = self.barrier.ctypes.data, self.one.ctypes.data
        f[frame_.CHUNK], f[frame_.ROW_LOSSES] = chunk, self.row_losses.ctypes.data
        f[frame_.LOSS], f[frame_.MEAN] = engine.loss_object.code, engine.loss_object.reduction == "mean"
        d = self.doubles
        d[frame_.SCALE] = getattr(engine.loss_object, "scale", 1.0)
        optimizer = engine.optimizer
        d[frame_.LEARNING_RATE], d[frame_.DECAY] = optimizer.learning_rate, optimizer.weight_decay
        d[frame_.BETA1] = getattr(optimizer, "beta1", getattr(optimizer, "momentum", 0.0))
        d[frame_.BETA2], d[frame_.EPSILON] = getattr(optimizer, "beta2", 0.0), getattr(optimizer, "epsilon", 0.0)

    def _lay_out(self, plan: Plan, chunk: int, size: int) -> None:
        """Cut one buffer into activations, deltas, panels, gathered rows and the threads' scratch."""
        T, engine = table_, self.engine
        widths = plan.sizes[1:]
        # a product's operand and result stay in the second level while its weights pass by
        self.block = max(
            MAX_ROWS,
            L2_BYTES * BLOCK_PART // 8 // (size * max(i + o for i, o in zip(plan.sizes, widths, strict=False))),
        )
        rows = [padded_row(width, size) for width in widths]
        x_row = padded_row(plan.sizes[0], size)
        pieces: list[tuple[Any, int]] = []
        table = self.table
        for layer, width in enumerate(widths):
            line, inputs = table[layer], plan.sizes[layer]
            line[T.HIDDEN_ROW] = rows[layer]
            pieces += [((line, T.HIDDEN), chunk * rows[layer]), ((line, T.DELTA), chunk * rows[layer])]
            if OUTPUTS[plan.activations[layer]] in T.NEEDS_LINEAR and layer < len(widths) - 1:
                pieces.append(((line, T.LINEAR), chunk * rows[layer]))
            if layer > 0:
                line[T.TRANSPOSED_PANEL] = width * PANEL_BYTES
                pieces.append(((line, T.TRANSPOSED), -(-inputs * size // PANEL_BYTES) * width * PANEL_BYTES))
            if engine._panels:
                line[T.WEIGHT_ROW], line[T.WEIGHT_PANEL] = PANEL_BYTES, inputs * PANEL_BYTES
                pieces.append(((line, T.WEIGHT), engine._weight_bytes[layer]))
            else:
                line[T.WEIGHT_ROW], line[T.WEIGHT_PANEL] = width * size, PANEL_BYTES
            # a packed block of rows of the gradient takes a quarter of the second level at most
            per_row = chunk * size + (width * size if not engine._panels else PANEL_BYTES)
            block = max(1, min(-(-inputs // MAX_ROWS), L2_BYTES // WB // (per_row * MAX_ROWS)))
            line[T.WEIGHT_BLOCK] = block * MAX_ROWS
        self.odd_table = table.copy()
        for first in (table[0], self.odd_table[0]):
            pieces.append(((first, T.GATHERED), chunk * x_row))
        first = self.odd_table[0]
        pieces.append(((first, T.HIDDEN), chunk * rows[0]))
        if OUTPUTS[plan.activations[0]] in T.NEEDS_LINEAR and len(widths) > 1:
            pieces.append(((first, T.LINEAR), chunk * rows[0]))
        own = (T.GATHERED, T.HIDDEN, T.LINEAR)
        y_row = max(8, plan.sizes[-1] * size)
        pieces.append(((self.frame, frame_.Y_BATCH), chunk * y_row))
        scratch = max(
            (-(-w * size // PANEL_BYTES)) * chunk * PANEL_BYTES
            + (int(line[T.WEIGHT_BLOCK]) + MAX_ROWS) * (chunk * size + max(w * size, PANEL_BYTES))
            + 4 * PANEL_BYTES
            for w, line in zip(widths, table, strict=True)
        )
        self.frame[frame_.SCRATCH_BYTES] = scratch = -(-scratch // 4096) * 4096 + 128
        self.frame[frame_.X_BATCH_ROW] = x_row
        pieces.append(((self.frame, frame_.SCRATCH), scratch * self.max_threads))
        place, places = 0, []
        for _, n_bytes in pieces:
            places.append(place)
            # pieces begin at lines of their own, not at the same place of a page
            place += -(-n_bytes // 128) * 128 + 128
        self.buffer = aligned(place)
        base = self.buffer.ctypes.data
        for (target, _), offset in zip(pieces, places, strict=True):
            target[0][target[1]] = base + offset
        for line in (*table, first):
            if line[T.LINEAR] == 0:
                line[T.LINEAR] = line[T.HIDDEN]
        self._own = first[list(own)].copy()

    def _moments(self, engine: Engine) -> None:
        """Addresses of the optimizer's states, in the weights' layout."""
        T = table_
        self.state = engine.state
        place = engine.state.ctypes.data
        for moment, bias_moment in ((T.MOMENT, T.BIAS_MOMENT), (T.SQUARE, T.BIAS_SQUARE))[: engine.optimizer.n_states]:
            for line, weight, bias in zip(self.table, engine._weight_bytes, engine._bias_bytes, strict=True):
                line[moment], line[bias_moment] = place, place + weight
                place += weight + bias

    def _gradients(self) -> np.ndarray:
        """Bind gradient buffers where this call needs them: in the weights' layout."""
        T, engine = table_, self.engine
        keep = aligned(engine._layout_bytes())
        place = keep.ctypes.data
        for line, weight, bias in zip(self.table, engine._weight_bytes, engine._bias_bytes, strict=True):
            line[T.GRADIENT], line[T.BIAS_GRADIENT] = place, place + weight
            place += weight + bias
        return keep

    def __call__(
        self,
        rule: int,
        parameters: np.ndarray,
        x: np.ndarray,
        y: np.ndarray,
        order: np.ndarray | None,
        batch: int,
        first: int,
        steps: int,
        losses: np.ndarray,
        gradient: np.ndarray | None,
    ) -> int:
        T, engine, plan = table_, self.engine, self.engine.plan
        size = plan.dtype.itemsize
        if self.state is not engine.state:
            self._moments(engine)
        team = self._team(batch)
        keep = None
        if gradient is not None or (rule >= 0 and batch > self.chunk):
            keep = self._gradients()
        weights, biases = plan.weights(parameters), plan.biases(parameters)
        for layer, weight in enumerate(weights):
            line = self.table[layer]
            if engine._panels:
                pack_panels[plan.dtype](
                    0, *weight.shape, weight.ctypes.data, weight.shape[1] * size, line[T.WEIGHT], line[T.WEIGHT_PANEL]
                )
            else:
                line[T.WEIGHT] = weight.ctypes.data
            line[T.BIAS] = biases[layer].ctypes.data if plan.bias else 0
        f = self.frame
        f[frame_.RULE], f[frame_.CLOCK], f[frame_.THREADS] = rule, engine.t, team
        f[frame_.ROWS], f[frame_.BATCH], f[frame_.FIRST], f[frame_.STEPS] = len(x), batch, first, steps
        f[frame_.X], f[frame_.X_ROW] = x.ctypes.data, plan.sizes[0] * size
        labels = y.ndim == 1 and y.dtype == np.int64
        f[frame_.Y], f[frame_.LABELS] = y.ctypes.data, labels
        f[frame_.Y_ROW] = 8 if labels else plan.sizes[-1] * size
        f[frame_.ORDER] = 0 if order is None else order.ctypes.data
        f[frame_.LOSSES], f[frame_.DONE] = losses.ctypes.data, 0
        f[frame_.FEW] = not engine._panels and batch <= FEW_ROWS
        f[frame_.BY_COLUMNS] = self._by_columns(team)
        self.odd_table[...] = self.table
        self.odd_table[0, [T.GATHERED, T.HIDDEN, T.LINEAR]] = self._own
        f[frame_.BLOCK] = self.block
        self._run_team(team)
        done = int(f[frame_.DONE])
        if rule >= 0:
            engine.t += done
            if engine._panels:
                self._unpack(parameters, T.WEIGHT)
        if gradient is not None and keep is not None:
            self._copy_gradients(keep, gradient)
        return done

    def _unpack(self, flat: np.ndarray, column: int) -> None:
        """Write weights, or their gradients, from panels into a flat vector."""
        T, plan, size = table_, self.engine.plan, self.engine.plan.dtype.itemsize
        unpack = unpack_panels[plan.dtype]
        for line, weight in zip(self.table, plan.weights(flat), strict=True):
            unpack(0, *weight.shape, line[column], line[T.WEIGHT_PANEL], weight.ctypes.data, weight.shape[1] * size)

    def _copy_gradients(self, keep: np.ndarray, gradient: np.ndarray) -> None:
        T, plan, base = table_, self.engine.plan, keep.ctypes.data
        parts = [(T.BIAS_GRADIENT, plan.biases(gradient))]
        if self.engine._panels:
            self._unpack(gradient, T.GRADIENT)
        else:
            parts.append((T.GRADIENT, plan.weights(gradient)))
        for column, arrays in parts:
            for line, array in zip(self.table, arrays, strict=False):
                offset = int(line[column]) - base
                array[...] = keep[offset : offset + array.nbytes].view(plan.dtype).reshape(array.shape)

    def _team(self, batch: int) -> int:
        wanted = min(_threads.get_num_threads(), self.max_threads)
        operations = 6.0 * self.engine.plan.n_parameters * batch
        return max(1, min(wanted, int(operations / THREAD_OPERATIONS) + 1 if operations > THREAD_OPERATIONS else 1))

    def _by_columns(self, team: int) -> bool:
        """Whether threads own columns of the first layer: where its panels can be shared out evenly enough."""
        plan = self.engine.plan
        panels = -(-plan.sizes[1] * plan.dtype.itemsize // PANEL_BYTES)
        return team > 1 and self.engine._panels and panels >= team and -(-panels // team) * team <= 1.35 * panels

    def _run_team(self, team: int) -> None:
        address = self.frame.ctypes.data
        self.barrier[:] = 0
        workers = [threading.Thread(target=self.run, args=(0.0, address, t), daemon=True) for t in range(1, team)]
        for worker in workers:
            worker.start()
        self.run(0.0, address, 0)
        for worker in workers:
            worker.join()
