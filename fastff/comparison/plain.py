"""The plain loop in NumPy: a step is array calls, nothing fused, but nothing computed or copied in vain either."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .jobs import Job, Start, batches

__all__ = ["Trained", "loss_of", "numpy_trainer"]

#: Rows that the losses of all trainers are compared on.
LOSS_ROWS = 10_000


class Trained(NamedTuple):
    """What a training ends with.

    Attributes
    ----------
    weights, biases : sequence of ndarray
        ``(in, out)`` and ``(out,)``; no biases where the job has none.
    """

    weights: Any
    biases: Any


def _sigmoid(z: np.ndarray) -> np.ndarray:
    np.negative(z, out=z)
    np.exp(z, out=z)
    z += 1
    return np.reciprocal(z, out=z)


# in place: each takes the logits and leaves the values in the same array
_ACTIVATION: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "identity": lambda z: z,
    "relu": lambda z: np.maximum(z, 0, out=z),
    "tanh": lambda z: np.tanh(z, out=z),
    "sigmoid": _sigmoid,
}
# factor of the gradient from the values
_SLOPE: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "relu": lambda h: h > 0,
    "tanh": lambda h: 1 - h * h,
    "sigmoid": lambda h: h * (1 - h),
}


def _forward(job: Job, x: np.ndarray, trained: Trained) -> list[np.ndarray]:
    """Return the values of every layer, x first; of the last one the logits."""
    values, last = [x], len(trained.weights) - 1
    for layer, weight in enumerate(trained.weights):
        z = values[-1] @ weight
        if job.bias:
            z += trained.biases[layer]
        values.append(_ACTIVATION[job.activation](z) if layer < last else z)
    return values


def _loss_and_delta(job: Job, z: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the loss and its gradient by the logits; z is overwritten."""
    if job.output == "softmax":
        z -= z.max(axis=1, keepdims=True)
        np.exp(z, out=z)
        z /= z.sum(axis=1, keepdims=True)
        rows = np.arange(len(z))
        loss = -float(np.log(z[rows, y]).mean(dtype=np.float64))
        z[rows, y] -= 1
        z /= len(z)
        return loss, z
    values = _ACTIVATION[job.output](z)
    delta = values - y
    factor = job.loss.scale / (z.size if job.loss.reduction == "mean" else 1)
    loss = factor * float(np.square(delta).sum(dtype=np.float64))
    delta *= 2 * factor
    if job.output == "sigmoid":
        delta *= _SLOPE["sigmoid"](values)
    return loss, delta


def loss_of(job: Job, begin: Start, trained: Trained) -> float:
    """Return the loss of a trained network on the first LOSS_ROWS rows.

    Examples
    --------
    >>> from fastff.comparison.jobs import JOBS, start
    >>> job = JOBS["seed2-f64"]
    >>> begin = start(job)
    >>> loss_of(job, begin, Trained(begin.weights, [])) > loss_of(job, begin, numpy_trainer(job, begin)())
    True
    """
    z = _forward(job, begin.x[:LOSS_ROWS], trained)[-1]
    return _loss_and_delta(job, z, begin.y[:LOSS_ROWS])[0]


def _gradients(job: Job, values: list[np.ndarray], delta: np.ndarray, trained: Trained) -> list[np.ndarray]:
    """Return the gradients of the weights, and after them of the biases."""
    weights: list[np.ndarray] = []
    biases: list[np.ndarray] = []
    for layer in reversed(range(len(trained.weights))):
        weights.insert(0, values[layer].T @ delta)
        if job.bias:
            biases.insert(0, delta.sum(axis=0))
        if layer > 0:
            delta = delta @ trained.weights[layer].T
            delta *= _SLOPE[job.activation](values[layer])
    return weights + biases


class _Adam:
    """Adam's state and update."""

    def __init__(self, rule: Any, parameters: list[np.ndarray]) -> None:
        self.rule, self.t = rule, 0
        self.means = [np.zeros_like(p) for p in parameters]
        self.squares = [np.zeros_like(p) for p in parameters]

    def __call__(self, parameters: list[np.ndarray], gradients: list[np.ndarray]) -> None:
        rule = self.rule
        self.t += 1
        root = (1 - rule.beta2**self.t) ** 0.5
        rate, epsilon = rule.learning_rate * root / (1 - rule.beta1**self.t), rule.epsilon * root
        for parameter, gradient, mean, square in zip(parameters, gradients, self.means, self.squares):
            mean *= rule.beta1
            square *= rule.beta2
            square += (1 - rule.beta2) * gradient * gradient
            gradient *= 1 - rule.beta1
            mean += gradient
            divisor = np.sqrt(square)
            divisor += epsilon
            np.divide(mean, divisor, out=divisor)
            divisor *= rate
            parameter -= divisor


def numpy_trainer(job: Job, begin: Start) -> Callable[[], Trained]:
    """Return the training as a function that carries it out from the start, each time it is called."""

    def descend(parameters: list[np.ndarray], gradients: list[np.ndarray]) -> None:
        for parameter, gradient in zip(parameters, gradients):
            gradient *= job.optimizer.learning_rate
            parameter -= gradient

    def train() -> Trained:
        trained = Trained([w.copy() for w in begin.weights], [b.copy() for b in begin.biases])
        parameters = trained.weights + trained.biases
        update = _Adam(job.optimizer, parameters) if hasattr(job.optimizer, "beta1") else descend
        for chosen in batches(job, np.random.default_rng(1)):
            values = _forward(job, begin.x[chosen], trained)
            _, delta = _loss_and_delta(job, values[-1], begin.y[chosen])
            update(parameters, _gradients(job, values, delta, trained))
        return trained

    return train
