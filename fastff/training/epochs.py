"""Epoch after epoch in compiled calls of a tenth of a second, with a way back to the last good epoch.

A call makes either a number of whole epochs or a part of one, never both, so that every epoch ends where a call does.
Parameters, optimizer state and random stream are kept before each of these. An epoch that is left in its middle is
undone; when a call of several epochs turns out bad, its good ones are made again, which gives the same bits.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from ..network.arrays import all_finite
from .pace import Pace

if TYPE_CHECKING:
    from .engine import Engine

__all__ = ["Epochs", "NotFiniteError"]

# Larger optimizer states are not kept: after a way back such an optimizer starts anew.
LARGEST_KEPT_STATE = 32 << 20
# Orders drawn ahead for a call of many epochs.
LARGEST_ORDER = 16 << 20
# Copying parameters and state away, and checking them, for the pace of the calls; a slow machine's memory.
_BYTES_A_SECOND = 4e9


class NotFiniteError(Exception):
    """The loss at a step, or the parameters after it, are not finite; both numbers count from 0 since the start."""

    def __init__(self, epoch: int, step: int, loss: float | None) -> None:
        super().__init__(epoch, step, loss)
        self.epoch = epoch
        self.step = step
        self.loss = loss


class Epochs:
    """Trains on the same rows, a number of epochs at a time.

    Parameters
    ----------
    engine : Engine
        Makes the steps; its state is updated.
    parameters : ndarray of shape (n_parameters,)
        Finite. Updated.
    x, y : ndarray
        As `as_rows` and `as_targets` return them. Read.
    batch_size : int
        Rows of a step, at most ``len(x)``.
    rng : numpy.random.Generator or None
        Draws the order of the rows, epoch after epoch; None takes them as they are.

    Attributes
    ----------
    done : int
        Complete epochs.
    """

    def __init__(
        self,
        engine: Engine,
        parameters: np.ndarray,
        x: np.ndarray,
        y: np.ndarray,
        batch_size: int,
        rng: np.random.Generator | None,
    ) -> None:
        self.engine, self.parameters, self.x, self.y = engine, parameters, x, y
        self.batch_size, self.rng = batch_size, rng
        self.steps_per_epoch = -(-len(x) // batch_size)
        self.done = 0
        self._means: list[np.ndarray] = []
        self._order: np.ndarray | None = None
        keeps_state = engine.state.nbytes <= LARGEST_KEPT_STATE
        order_bytes = 0 if rng is None else 8 * len(x)
        self._most_epochs = max(1, LARGEST_ORDER // max(order_bytes, 1)) if keeps_state else 1
        self._kept_parameters = np.empty_like(parameters)
        self._kept_state = np.empty_like(engine.state) if keeps_state else None
        self._kept_t = 0
        self._kept_rng: Any = None
        self._inside = False  # between two ends of epochs, where there is something to undo
        # the weights go to where compiled code wants them, and back
        kept = 3 * parameters.nbytes + (engine.state.nbytes if keeps_state else 0)
        self.pace = Pace(6.0 * parameters.size * batch_size, kept / _BYTES_A_SECOND)

    @property
    def loss(self) -> np.ndarray:
        """Mean loss of each complete epoch."""
        return np.concatenate([np.empty(0), *self._means])

    def run(self, epochs: int, interrupted: Callable[[], bool], callback: Callable[[int, float], Any] | None) -> None:
        """Train until so many epochs are complete, or until `interrupted` says so.

        Raises
        ------
        NotFiniteError
            If a loss or the parameters are not finite. The last good epoch is back in place then.
        """
        while self.done < epochs and not interrupted():
            ahead = min(self._steps() // self.steps_per_epoch, self._most_epochs, epochs - self.done)
            if ahead > 0:
                self._whole(ahead)
            elif not self._in_parts(interrupted, callback):
                self.go_back()
                return
            if callback is not None:
                callback(self.done, float(self._means[-1][-1]))

    def _steps(self) -> int:
        """Number of steps of the next call."""
        return self.pace.within(self.engine.patience)

    def go_back(self) -> None:
        """Put parameters, optimizer state and random stream back to where the last complete epoch left them."""
        if not self._inside:
            return
        self.parameters[...] = self._kept_parameters
        self.engine.state[...] = 0 if self._kept_state is None else self._kept_state
        self.engine.t = 0 if self._kept_state is None else self._kept_t
        if self.rng is not None:
            self.rng.bit_generator.state = self._kept_rng
        self._inside = False

    def _keep(self) -> None:
        """Keep all that an epoch changes."""
        self._kept_parameters[...] = self.parameters
        if self._kept_state is not None:
            self._kept_state[...] = self.engine.state
        self._kept_t = self.engine.t
        if self.rng is not None:
            self._kept_rng = self.rng.bit_generator.state
        self._inside = True

    def _complete(self, losses: np.ndarray) -> None:
        """Count epochs, ``losses (epochs, steps_per_epoch)``, as done."""
        self._means.append(losses.mean(axis=1) if losses.shape[1] > 1 else losses[:, 0])
        self.done += len(losses)
        self._inside = False

    def _whole(self, epochs: int) -> None:
        """Make whole epochs in one call; where one is bad, it and those after it are undone."""
        self._keep()
        start, losses = self.done, np.empty(epochs * self.steps_per_epoch)
        made = self._call(self._draw(epochs), 0, losses)
        if made == losses.size and all_finite(self.parameters):
            self._complete(losses.reshape(epochs, -1))
            return
        self.go_back()
        self._repeat(min(made // self.steps_per_epoch, epochs - 1))
        if made == losses.size:
            raise NotFiniteError(self.done, self.steps_per_epoch - 1, None)
        raise NotFiniteError(start + made // self.steps_per_epoch, made % self.steps_per_epoch, losses[made])

    def _repeat(self, most: int) -> None:
        """Make again the epochs that end with finite parameters, of the first `most`, whose losses are all finite."""
        epochs = most
        while most > 0:
            self._keep()
            losses = np.empty(epochs * self.steps_per_epoch)
            self._call(self._draw(epochs), 0, losses)
            if all_finite(self.parameters):
                self._complete(losses.reshape(epochs, -1))
                most -= epochs
            else:
                self.go_back()
                most = epochs - 1
            epochs = (most + 1) // 2

    def _in_parts(self, interrupted: Callable[[], bool], callback: Callable[[int, float], Any] | None) -> bool:
        """Make one epoch in several calls; False if it was interrupted in its middle."""
        self._keep()
        order, losses = self._draw(1), np.empty(self.steps_per_epoch)
        first = 0
        # whoever is called back may look at the network
        with self.engine.holding() if callback is None else nullcontext():
            while first < len(losses):
                part = losses[first : first + self._steps()]
                made = self._call(order, first, part)
                first += made
                if made < len(part):
                    break
                if first < len(losses):
                    if callback is not None:
                        callback(self.done, float(self._means[-1][-1] if self._means else losses[:first].mean()))
                    if interrupted():
                        return False
        if first < len(losses):
            self.go_back()
            raise NotFiniteError(self.done, first, losses[first])
        if not all_finite(self.parameters):
            self.go_back()
            raise NotFiniteError(self.done, len(losses) - 1, None)
        self._complete(losses[None])
        return True

    def _call(self, order: np.ndarray | None, first: int, losses: np.ndarray) -> int:
        """Make ``len(losses)`` steps from step `first` of the order on, while losses are finite; return how many."""
        start = time.perf_counter()
        made = self.engine.run(self.parameters, self.x, self.y, order, self.batch_size, first, len(losses), losses)
        self.pace.record(made, time.perf_counter() - start)
        return made

    def _draw(self, epochs: int) -> np.ndarray | None:
        """Return the orders of the next epochs, ``(epochs, rows)``; the same whether drawn at once or one by one."""
        if self.rng is None:
            return None
        if self._order is None or len(self._order) < epochs:
            self._order = np.empty((epochs, len(self.x)), np.int64)
        order = self._order[:epochs]
        order[...] = np.arange(len(self.x))
        return self.rng.permuted(order, axis=1, out=order)
