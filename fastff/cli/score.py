"""How good predictions are, in the words of the task."""

from __future__ import annotations

import numpy as np


def score(task: str, truth: np.ndarray, answers: np.ndarray) -> dict[str, str]:
    """Return the figures of a task by name: accuracy in per cent, or R2 and RMSE (in the target's unit).

    Parameters
    ----------
    task : {"classification", "regression"}
        Kind of target.
    truth, answers : ndarray
        ``(rows,)``, or ``(rows, outputs)`` of numbers.

    Examples
    --------
    >>> score("classification", np.array([1, 2, 3, 4]), np.array([1, 2, 3, 3]))
    {'accuracy': '75.00 %'}
    >>> score("regression", np.array([1.0, 2.0, 3.0]), np.array([[1.0], [2.0], [4.0]]))
    {'R2': '0.5000', 'RMSE': '0.57735'}
    """
    from sklearn import metrics

    if task == "classification":
        same_kind = truth.astype(str) if answers.dtype.kind == "U" else truth
        return {"accuracy": f"{100 * metrics.accuracy_score(same_kind, answers):.2f} %"}
    answers = answers.reshape(truth.shape)
    return {
        "R2": f"{metrics.r2_score(truth, answers):.4f}",
        "RMSE": f"{metrics.root_mean_squared_error(truth, answers):.5g}",
    }
