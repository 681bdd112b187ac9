"""A step like the one before: the compiled call as it was prepared, with other rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastff._jit import invoke, unit
from fastff.network.alike import OBJECT, Alike, place_of
from fastff.ops.losses import BinaryCrossEntropy, SquaredError
from fastff.simd.memory import get_int, put_int
from fastff.training.frame import CLOCK, DONE, ONLINE, SLIM, TINY, X, Y
from fastff.training.loop import run
from fastff.training.online import run_online
from fastff.training.slim_loop import run_slim
from fastff.training.tiny_loop import run_tiny

if TYPE_CHECKING:
    from fastff.training.engine import Engine
    from fastff.training.workspace import Workspace

__all__ = ["Again"]


@unit("iii", rare=True)
def run_again(like: Any, frame: int, x: int, y: int) -> int:
    """Run a frame's step on the arrays of two records: 1, or 0 where one is not as it should be, or the loss is not."""
    inputs, targets = invoke(place_of, like, (x,)), invoke(place_of, like, (y,))
    if inputs == 0 or targets == 0:
        return 0
    put_int(frame + 8 * X, inputs)
    put_int(frame + 8 * Y, targets)
    if get_int(frame + 8 * TINY) != 0:
        invoke(run_tiny, like, (frame,))
    elif get_int(frame + 8 * ONLINE) != 0:
        invoke(run_online, like, (frame,))
    elif get_int(frame + 8 * SLIM) != 0:
        invoke(run_slim, like, (frame, 0))
    else:
        invoke(run, like, (frame, 0))
    return get_int(frame + 8 * DONE)


class Again:
    """Makes the step that an engine has just made, of few numbers and on one thread, with other rows.

    Parameters
    ----------
    engine : Engine
        Its frame stays as that step left it until the engine's next call.
    workspace : Workspace
        The engine's.
    parameters : ndarray
        What that step updated; others are left alone.
    x, y : ndarray
        That step's rows and targets; others must be like them.
    losses : ndarray of shape (1,)
        Where its loss was written.
    """

    def __init__(
        self,
        engine: Engine,
        workspace: Workspace,
        parameters: np.ndarray,
        x: np.ndarray,
        y: np.ndarray,
        losses: np.ndarray,
    ) -> None:
        plan, loss = engine.plan, engine.loss_object
        self._engine, self._parameters, self._state = engine, parameters, engine.state
        self._workspace, self._frame, self._losses = workspace, workspace.frame, losses.data
        low, high = (-np.inf, np.inf) if isinstance(loss, SquaredError) else (0.0, np.inf)
        high = 1.0 if isinstance(loss, BinaryCrossEntropy) else high
        likes = Alike(x, plan.dtype), Alike(y, plan.dtype, low, high, plan.n_outputs if y.dtype == np.int64 else 0)
        self._likes, self._x, self._y = likes, likes[0].fields, likes[1].fields
        self._run = run_again.bound(plan.dtype, workspace.address, *(each.record for each in likes))

    def __call__(self, parameters: np.ndarray, X: object, y: object) -> float | None:
        """Make the step and return its loss; None where it must be looked at closely, and nothing is changed."""
        engine = self._engine
        if parameters is not self._parameters or engine.state is not self._state:
            return None
        self._x[OBJECT], self._y[OBJECT], self._frame[CLOCK] = id(X), id(y), engine.t
        if not self._run():
            return None
        engine.t += 1
        loss: float = self._losses[0]
        return loss
