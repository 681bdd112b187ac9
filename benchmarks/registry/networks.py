"""One training, described once, and carried out by each implementation: what losses, optimizers and jobs share.

A `Job` says what is trained on how many rows; `start` draws data and parameters; `numpy_training`, `fastff_training`
and so on return a callable that trains from that start and returns the weights it ends on. Every one is written as a
careful user of the library would: the plain loop allocates nothing it can avoid, PyTorch's optimizers are the fused
ones, JAX runs a whole epoch in one compiled call.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from fastff.ops.losses import BinaryCrossEntropy, CrossEntropy, SquaredError
from fastff.optim import SGD, Adam
from fastff.reference import Plan


@dataclass(frozen=True)
class Job:
    """A training: the network, the loss and the optimizer by name, rows, batches and epochs."""

    sizes: tuple[int, ...]
    activation: str
    output: str
    loss: Any
    optimizer: Any
    rows: int
    batch_size: int | None
    epochs: int
    shuffle: bool
    dtype: str
    bias: bool = True

    @property
    def plan(self) -> Plan:
        return Plan(self.sizes, (self.activation,) * (len(self.sizes) - 2) + (self.output,), self.bias)

    @property
    def operations(self) -> float:
        """Floating-point operations of the matrix products; the first layer's inputs need no gradient."""
        products = [2.0 * i * o for i, o in zip(self.sizes, self.sizes[1:])]
        return self.rows * self.epochs * (3 * sum(products) - products[0])


class Start(NamedTuple):
    """Data, and the parameters that a training starts from."""

    x: np.ndarray
    y: np.ndarray
    weights: list[np.ndarray]
    biases: list[np.ndarray]
    given: bool = False
    """Whether the parameters bind a library that draws its own: so its answer can be checked."""

    @property
    def flat(self) -> np.ndarray:
        parts: list[np.ndarray] = []
        for layer, weight in enumerate(self.weights):
            parts += [weight.ravel(), *self.biases[layer : layer + 1]]
        return np.concatenate(parts)


Training = Callable[[], list[np.ndarray]]


def start(job: Job) -> Start:
    """Draw rows, targets (from a random linear teacher where they are classes) and He's parameters."""
    rng = np.random.default_rng(0)
    n_in, n_out = job.sizes[0], job.sizes[-1]
    x = rng.standard_normal((job.rows, n_in)).astype(job.dtype)
    if isinstance(job.loss, CrossEntropy):
        y = (x @ rng.standard_normal((n_in, n_out)).astype(job.dtype)).argmax(axis=1)
    elif job.output == "sigmoid":
        y = (rng.random((job.rows, n_out)) > 0.5).astype(job.dtype)
    else:
        y = rng.standard_normal((job.rows, n_out)).astype(job.dtype)
    weights = [
        (rng.standard_normal((i, o)) * math.sqrt(2 / i)).astype(job.dtype) for i, o in zip(job.sizes, job.sizes[1:])
    ]
    return Start(x, y, weights, [np.zeros(o, job.dtype) for o in job.sizes[1:]] if job.bias else [])


def batches(job: Job, rows: int, rng: np.random.Generator) -> Iterator[Any]:
    """Yield each batch's rows, a slice or row numbers, for every epoch."""
    size = min(job.batch_size or rows, rows)
    for _ in range(job.epochs):
        order = rng.permutation(rows) if job.shuffle else None
        for first in range(0, rows, size):
            yield slice(first, first + size) if order is None else order[first : first + size]


_ACTIVATION = {
    "relu": lambda z: np.maximum(z, 0, out=z),
    "tanh": lambda z: np.tanh(z, out=z),
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "identity": lambda z: z,
}
_MASKED = {
    "relu": lambda g, h: np.multiply(g, h > 0, out=g),
    "tanh": lambda g, h: np.multiply(g, 1 - h * h, out=g),
    "sigmoid": lambda g, h: np.multiply(g, h * (1 - h), out=g),
    "identity": lambda g, h: g,
}


def _loss_and_delta(job: Job, z: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the loss and its gradient by the logits, which are overwritten."""
    rows, loss = len(z), job.loss
    if job.output == "softmax":
        z -= z.max(axis=1, keepdims=True)
        np.exp(z, out=z)
        z /= z.sum(axis=1, keepdims=True)
        each = np.arange(rows)
        value = -float(np.log(z[each, y]).mean())
        z[each, y] -= 1
        z /= rows
        return value, z
    p = _ACTIVATION[job.output](z)
    count = p.size if loss.reduction == "mean" else 1
    if isinstance(loss, BinaryCrossEntropy):
        value = -float(np.log(np.where(y > 0, p, 1 - p)).sum()) / count
        return value, (p - y) / count
    difference = p - y
    value = loss.scale * float(np.square(difference).sum()) / count
    difference *= 2 * loss.scale / count
    return value, _MASKED[job.output](difference, p)


def numpy_training(job: Job, begin: Start) -> Training:
    """The plain loop: every step in NumPy calls, nothing fused."""
    optimizer, layers = job.optimizer, len(job.sizes) - 1

    def train() -> list[np.ndarray]:
        weights, biases = [w.copy() for w in begin.weights], [b.copy() for b in begin.biases]
        parameters = weights + biases
        states = [[np.zeros_like(p) for p in parameters] for _ in range(optimizer.n_states)]
        rng = np.random.default_rng(1)
        for step, chosen in enumerate(batches(job, len(begin.x), rng)):
            hidden = [begin.x[chosen]]
            for layer in range(layers):
                z = hidden[-1] @ weights[layer]
                if job.bias:
                    z += biases[layer]
                hidden.append(z if layer == layers - 1 else _ACTIVATION[job.activation](z))
            _, delta = _loss_and_delta(job, hidden[-1], begin.y[chosen])
            gradients: list[np.ndarray] = [delta] * len(parameters)
            for layer in reversed(range(layers)):
                gradients[layer] = hidden[layer].T @ delta
                if job.bias:
                    gradients[layers + layer] = delta.sum(axis=0)
                if layer:
                    delta = _MASKED[job.activation](delta @ weights[layer].T, hidden[layer])
            _update(optimizer, parameters, gradients, states, step + 1)
        return weights

    return train


def _update(optimizer: Any, parameters: list[Any], gradients: list[Any], states: list[list[Any]], t: int) -> None:
    """Make one update in place; gradients are overwritten."""
    rate = optimizer.learning_rate
    for number, (parameter, gradient) in enumerate(zip(parameters, gradients)):
        if optimizer.weight_decay:
            parameter *= 1 - rate * optimizer.weight_decay
        if isinstance(optimizer, Adam):
            mean, square = states[0][number], states[1][number]
            mean *= optimizer.beta1
            mean += (1 - optimizer.beta1) * gradient
            square *= optimizer.beta2
            gradient *= gradient
            gradient *= 1 - optimizer.beta2
            square += gradient
            root = math.sqrt(1 - optimizer.beta2**t)
            np.sqrt(square, out=gradient)
            gradient += optimizer.epsilon * root
            np.divide(mean, gradient, out=gradient)
            gradient *= rate * root / (1 - optimizer.beta1**t)
        else:
            if optimizer.momentum:
                velocity = states[0][number]
                velocity *= optimizer.momentum
                velocity += gradient
                if optimizer.nesterov:
                    gradient += optimizer.momentum * velocity
                else:
                    np.copyto(gradient, velocity)
            gradient *= rate
        parameter -= gradient


def fastff_training(job: Job, begin: Start) -> Training:
    """`Network.fit`, with everything that its user pays for."""
    import fastff as ff

    network = ff.Network(job.sizes, job.activation, job.output, bias=job.bias, dtype=job.dtype, random_state=0)
    parameters = begin.flat

    def train() -> list[np.ndarray]:
        network.parameters[...] = parameters
        network.fit(
            begin.x,
            begin.y,
            loss=job.loss,
            optimizer=job.optimizer,
            epochs=job.epochs,
            batch_size=job.batch_size,
            shuffle=job.shuffle,
            random_state=1,
        )
        return network.weights

    return train


def sklearn_training(job: Job, begin: Start) -> Training:
    """`MLPClassifier` or `MLPRegressor`; a training that is checked starts from the given weights.

    Raises
    ------
    NotImplementedError
        scikit-learn's perceptron has no such output, loss or optimizer.
    """
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    classes = isinstance(job.loss, CrossEntropy)
    if not job.bias or job.loss.reduction != "mean" or job.output == "sigmoid" or job.optimizer.weight_decay:
        raise NotImplementedError("scikit-learn's perceptron cannot do this")
    adam = isinstance(job.optimizer, Adam)
    settings: dict[str, Any] = (
        {} if adam else {"momentum": job.optimizer.momentum, "nesterovs_momentum": job.optimizer.nesterov}
    )
    estimator = (MLPClassifier if classes else MLPRegressor)(
        hidden_layer_sizes=job.sizes[1:-1],
        activation=job.activation,
        solver="adam" if adam else "sgd",
        alpha=0.0,
        batch_size=min(job.batch_size or job.rows, job.rows),
        learning_rate_init=job.optimizer.learning_rate,
        max_iter=job.epochs,
        shuffle=job.shuffle,
        random_state=0,
        n_iter_no_change=10**6,
        tol=0.0,
        **settings,
    )
    y = begin.y if classes or job.sizes[-1] > 1 else begin.y[:, 0]

    def train() -> list[np.ndarray]:
        if not begin.given:
            return estimator.fit(begin.x, y).coefs_
        if classes:
            estimator.partial_fit(begin.x, y, classes=np.arange(job.sizes[-1]))
        else:
            estimator.partial_fit(begin.x, y)
        for given, own in zip(begin.weights + begin.biases, estimator.coefs_ + estimator.intercepts_):
            own[...] = given
        del estimator._optimizer
        for _ in range(job.epochs):
            estimator.partial_fit(begin.x, y)
        return estimator.coefs_

    return train


def expected_weights(job: Job, begin: Start, sklearn: bool = False) -> list[np.ndarray]:
    """Return the change of every weight in this training (without shuffling) by the definition, in float64."""
    from fastff import reference

    loss = job.loss
    if sklearn and isinstance(loss, SquaredError):
        # scikit-learn halves the squared error, and its mean is over rows only
        loss = SquaredError("mean", job.sizes[-1] / 2)
    flat = begin.flat.astype(np.float64)
    reference.train(job.plan, flat, begin.x, begin.y, loss, job.optimizer, job.epochs, job.batch_size)
    return reference.split(job.plan, flat)[0]


__all__ = [
    "Adam",
    "BinaryCrossEntropy",
    "CrossEntropy",
    "Job",
    "SGD",
    "SquaredError",
    "Start",
    "Training",
    "expected_weights",
    "fastff_training",
    "numpy_training",
    "sklearn_training",
    "start",
]
