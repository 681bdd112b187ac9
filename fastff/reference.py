"""The whole library once more in plain NumPy: what every fast path must equal. Read this first.

Everything is computed in the dtype of the parameters, a loss is summed in float64. A `plan` is anything with ``sizes``
(widths, input first), ``activations`` (one name a layer, the output's last) and ``bias``: this module's `Plan`, or a
network's. A loss is any object with ``name``, ``reduction`` and ``scale``, an optimizer any with the attributes that
`update` names: those of `fastff.losses` and `fastff.optim`.

Examples
--------
Three inputs, one row, one sigmoid layer without bias:

>>> from fastff.losses import SquaredError
>>> from fastff.optim import SGD
>>> plan, x, y = Plan((3, 1), ("sigmoid",), bias=False), np.eye(1, 3), np.ones((1, 1))
>>> parameters = np.zeros(3)
>>> train(plan, parameters, x, y, SquaredError("sum", 0.5), SGD(0.8), epochs=2)
array([0.125     , 0.11282239])
>>> parameters[0]
np.float64(0.1947...)
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Plan", "forward", "loss_and_gradient", "predict", "split", "train", "update"]


class Plan(NamedTuple):
    """Widths, activations, and whether layers have biases."""

    sizes: tuple[int, ...]
    activations: tuple[str, ...]
    bias: bool = True


def _sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def _erfc(z: np.ndarray) -> np.ndarray:
    return np.array([math.erfc(value) for value in z.flat], z.dtype).reshape(z.shape)


def _softmax(z: np.ndarray) -> np.ndarray:
    powers = np.exp(z - z.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


# From the bound on, silu and gelu are zero to the left: it keeps -inf * 0 out.
ACTIVATION: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "identity": lambda z: z,
    "relu": lambda z: np.maximum(z, 0),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "elu": lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
    "gelu": lambda z: np.maximum(z, -1e4) * _erfc(z * -math.sqrt(0.5)) / 2,
    "silu": lambda z: np.maximum(z, -1e4) * _sigmoid(z),
    "softplus": lambda z: np.logaddexp(z, 0),
    "softmax": _softmax,
}


def _gelu_slope(z: np.ndarray) -> np.ndarray:
    z = np.clip(z, -40, 40)
    return _erfc(z * -math.sqrt(0.5)) / 2 + z * np.exp(-z * z / 2) / math.sqrt(2 * math.pi)


def _silu_slope(z: np.ndarray) -> np.ndarray:
    z = np.clip(z, -1e4, 1e4)
    return _sigmoid(z) * (1 + z * _sigmoid(-z))


# Derivative of each at z, where it has the value h; softmax mixes a row and is in `_through_output`.
SLOPE: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "identity": lambda z, h: np.ones_like(h),
    "relu": lambda z, h: (h > 0).astype(h.dtype),
    "leaky_relu": lambda z, h: np.where(h > 0, 1, 0.01).astype(h.dtype),
    "sigmoid": lambda z, h: h * (1 - h),
    "tanh": lambda z, h: 1 - h * h,
    "elu": lambda z, h: np.where(h > 0, 1, h + 1),
    "gelu": lambda z, h: _gelu_slope(z),
    "silu": lambda z, h: _silu_slope(z),
    "softplus": lambda z, h: _sigmoid(z),
}


def split(plan: Any, flat: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return views of each layer's weights ``(in, out)`` and biases ``(out,)``: flat is W1, b1, W2, b2, ..."""
    weights, biases, start = [], [], 0
    for fan_in, fan_out in zip(plan.sizes, plan.sizes[1:]):
        weights.append(flat[start : start + fan_in * fan_out].reshape(fan_in, fan_out))
        start += fan_in * fan_out
        if plan.bias:
            biases.append(flat[start : start + fan_out])
            start += fan_out
    return weights, biases


def forward(plan: Any, parameters: np.ndarray, x: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return the logits ``z = h @ W + b`` of every layer, and the values ``h``: x itself, then one a layer."""
    weights, biases = split(plan, parameters)
    logits, hidden = [], [x]
    for layer, activation in enumerate(plan.activations):
        z = hidden[-1] @ weights[layer]
        if plan.bias:
            z += biases[layer]
        logits.append(z)
        hidden.append(ACTIVATION[activation](z))
    return logits, hidden


@np.errstate(all="ignore")
def predict(plan: Any, parameters: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return the output activation's values, ``(rows, out)``."""
    return forward(plan, parameters, np.asarray(x, parameters.dtype))[1][-1]


def _where(y: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return ``y * values``, zero where y is zero, whatever the value: ``0 * log(0) = 0``."""
    return np.where(y == 0, 0, y * values)


def _loss_and_delta(
    loss: Any, activation: str, z: np.ndarray, p: np.ndarray, y: np.ndarray
) -> tuple[float, np.ndarray]:
    """Return the loss and its gradient with respect to the output layer's logits z; p are its values."""
    rows, outputs = p.shape
    count = {"sum": 1, "mean": rows if loss.name == "cross_entropy" else rows * outputs}[loss.reduction]
    if (loss.name, activation) == ("cross_entropy", "softmax"):
        top = z.max(axis=1, keepdims=True)
        terms = _where(y, top + np.log(np.exp(z - top).sum(axis=1, keepdims=True)) - z)
        delta = p * y.sum(axis=1, keepdims=True) - y
    elif (loss.name, activation) == ("binary_cross_entropy", "sigmoid"):
        terms = _where(y, np.logaddexp(-z, 0)) + _where(1 - y, np.logaddexp(z, 0))
        delta = p - y
    else:
        if loss.name == "squared_error":
            terms = loss.scale * (p - y) ** 2
            slope = 2 * loss.scale * (p - y)
        elif loss.name == "cross_entropy":
            terms, slope = -_where(y, np.log(p)), -_where(y, 1 / p)
        else:
            terms = -_where(y, np.log(p)) - _where(1 - y, np.log(1 - p))
            slope = _where(1 - y, 1 / (1 - p)) - _where(y, 1 / p)
        if activation == "softmax":
            delta = p * (slope - (slope * p).sum(axis=1, keepdims=True))
        else:
            delta = slope * SLOPE[activation](z, p)
    return float(terms.sum(dtype=np.float64)) / count, delta / count


@np.errstate(all="ignore")
def loss_and_gradient(
    plan: Any, parameters: np.ndarray, x: np.ndarray, y: np.ndarray, loss: Any
) -> tuple[float, np.ndarray]:
    """Return the loss on these rows, and its gradient: one flat vector, laid out as the parameters.

    `y` is ``(rows, out)``, ``(rows,)`` for one output, or integer class labels ``(rows,)`` for cross entropy.
    """
    x, outputs = np.asarray(x, parameters.dtype), plan.sizes[-1]
    if loss.name == "cross_entropy" and np.ndim(y) == 1 and outputs > 1:
        y = np.eye(outputs)[y]
    y = np.asarray(y, parameters.dtype).reshape(len(x), outputs)

    weights, _ = split(plan, parameters)
    gradient = np.empty_like(parameters)
    weight_gradients, bias_gradients = split(plan, gradient)
    logits, hidden = forward(plan, parameters, x)
    value, delta = _loss_and_delta(loss, plan.activations[-1], logits[-1], hidden[-1], y)
    for layer in reversed(range(len(weights))):
        np.matmul(hidden[layer].T, delta, out=weight_gradients[layer])
        if plan.bias:
            delta.sum(axis=0, out=bias_gradients[layer])
        if layer > 0:
            slope = SLOPE[plan.activations[layer - 1]](logits[layer - 1], hidden[layer])
            delta = (delta @ weights[layer].T) * slope
    return value, gradient


def update(optimizer: Any, parameters: np.ndarray, gradient: np.ndarray, state: np.ndarray, t: int) -> None:
    """Make update number t = 1, 2, ...: parameters and state ``(n_states, n_parameters)``, zero at first, in place.

    Adam has ``beta1``, ``beta2`` and ``epsilon``, SGD ``momentum`` and ``nesterov``.
    """
    if optimizer.weight_decay:
        parameters *= 1 - optimizer.learning_rate * optimizer.weight_decay
    if hasattr(optimizer, "beta1"):
        mean, square = state
        mean[:] = optimizer.beta1 * mean + (1 - optimizer.beta1) * gradient
        square[:] = optimizer.beta2 * square + (1 - optimizer.beta2) * gradient**2
        root = np.sqrt(square / (1 - optimizer.beta2**t)) + optimizer.epsilon
        parameters -= optimizer.learning_rate * (mean / (1 - optimizer.beta1**t)) / root
        return
    direction = gradient
    if optimizer.momentum:
        velocity = state[0]
        velocity[:] = optimizer.momentum * velocity + gradient
        direction = gradient + optimizer.momentum * velocity if optimizer.nesterov else velocity
    parameters -= optimizer.learning_rate * direction


@np.errstate(all="ignore")
def train(
    plan: Any,
    parameters: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    loss: Any,
    optimizer: Any,
    epochs: int = 1,
    batch_size: int | None = None,
    order: np.ndarray | None = None,
) -> np.ndarray:
    """Train in place; return the loss that each step started from, ``(steps,)`` float64.

    Epoch e takes the rows in the order ``order[e]`` (as they are without one), `batch_size` of them a step (all of
    them without one); a last batch may be smaller, and its mean is over its own rows. A loss that is not finite ends
    the training before its update, and is the last one returned.
    """
    x, y = np.asarray(x, parameters.dtype), np.asarray(y)
    rows, losses = len(x), []
    batch = min(batch_size or rows, rows)
    state = np.zeros((optimizer.n_states, parameters.size), parameters.dtype)
    for epoch in range(epochs):
        for start in range(0, rows, batch):
            chosen = slice(start, start + batch) if order is None else order[epoch, start : start + batch]
            value, gradient = loss_and_gradient(plan, parameters, x[chosen], y[chosen], loss)
            losses.append(value)
            if not math.isfinite(value):
                return np.array(losses)
            update(optimizer, parameters, gradient, state, len(losses))
    return np.array(losses)
