"""What to tell a user whose training stopped being finite."""

from __future__ import annotations

import numpy as np

from ..ops.losses import Loss, SquaredError
from ..optim import Optimizer

__all__ = ["explain"]

# Standardised data stays within some ten; beyond this the data is the likelier cause than the learning rate alone.
_LARGE = 100.0


def explain(
    loss_value: float | None, epoch: int, step: int, x: np.ndarray, y: np.ndarray, loss: Loss, optimizer: Optimizer
) -> str:
    """Return the first sentences of a `DivergedError`: what happened where, and the likely cause.

    Parameters
    ----------
    loss_value : float or None
        The loss that is not finite; None if it is the parameters after the step that are not.
    epoch, step : int
        Where, both counted from 1; epoch 0 for a step on its own.
    x, y : ndarray
        What was trained on. Read.
    loss, optimizer
        What was trained with.

    Examples
    --------
    >>> from fastff.optim import SGD
    >>> explain(np.inf, 2, 7, np.ones((4, 1)), np.ones((4, 1)), SquaredError(), SGD(10.0))
    'the loss was inf at step 7 of epoch 2; the learning rate, 10.0, is likely too high'
    """
    place = f"step {step} of epoch {epoch}" if epoch else f"step {step}"
    what = (
        f"the parameters were not finite after {place}"
        if loss_value is None
        else f"the loss was {loss_value} at {place}"
    )
    return f"{what}; {_cause(loss_value is not None and epoch == step == 1, x, y, loss, optimizer)}"


def _cause(at_start: bool, x: np.ndarray, y: np.ndarray, loss: Loss, optimizer: Optimizer) -> str:
    inputs, targets = _largest(x), _largest(y) if isinstance(loss, SquaredError) else 0.0
    name, largest = ("inputs", inputs) if inputs >= targets else ("targets", targets)
    scale = f"the {name} reach {largest:.3g}: scale them to a standard deviation near 1"
    if at_start:
        return (
            f"no update had been made: {scale if largest > _LARGE else 'the initial parameters are likely too large'}"
        )
    rate = f"the learning rate, {optimizer.learning_rate},"
    if largest > _LARGE:
        return f"{scale}, or lower {rate.rstrip(',')}"
    if loss.reduction == "sum":
        return f"{rate} is likely too high for a loss that sums over the rows"
    return f"{rate} is likely too high"


def _largest(array: np.ndarray) -> float:
    return max(float(array.max()), -float(array.min()))
