"""The jobs: one network, its data and its training each, the same for every trainer."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

import fastff as ff

__all__ = ["JOBS", "QUICK", "Job", "Start", "batches", "find", "start"]


@dataclass(frozen=True)
class Job:
    """A training.

    Attributes
    ----------
    sizes : tuple of int
        Widths of the layers, the input's first.
    activation, output : str
        Of the hidden layers: relu, tanh or sigmoid; of the last one: identity, sigmoid or softmax.
    loss : fastff.losses.SquaredError or CrossEntropy
        With softmax, cross entropy of class labels.
    optimizer : fastff.SGD or fastff.Adam
        Without momentum and decay.
    rows, epochs : int
        Rows of the data, and how often each is trained on.
    batch_size : int or None
        Rows of a step; None for all.
    shuffle : bool
        Whether every epoch has an order of its own.
    dtype : str
        float32 or float64.
    bias : bool
        Whether layers have biases.
    unit_weights : bool
        Whether weights start with a standard deviation of 1 instead of He's, the square root of 2 / inputs.
    """

    sizes: tuple[int, ...]
    activation: str
    output: str
    loss: Any
    optimizer: Any
    rows: int
    batch_size: int | None = None
    epochs: int = 1
    shuffle: bool = True
    dtype: str = "float32"
    bias: bool = True
    unit_weights: bool = False

    @property
    def operations(self) -> float:
        """Floating-point operations of the products of matrices; the first layer's inputs need no gradient."""
        products = [2.0 * i * o for i, o in zip(self.sizes, self.sizes[1:])]
        return self.rows * self.epochs * (3 * sum(products) - products[0])

    @property
    def steps(self) -> int:
        """Updates."""
        return self.epochs * math.ceil(self.rows / (self.batch_size or self.rows))

    def shortened(self, part: float) -> Job:
        """Return the job with fewer epochs, or where it has only one with fewer rows.

        Examples
        --------
        >>> JOBS["seed0-f64"].shortened(0.1).epochs, JOBS["mnist-sgd-b64-f32"].shortened(0.1).rows
        (50, 6016)
        """
        if self.epochs > 1:
            return replace(self, epochs=max(1, round(part * self.epochs)))
        batch = self.batch_size or self.rows
        return replace(self, rows=min(self.rows, batch * max(1, round(part * self.rows / batch))))


class Start(NamedTuple):
    """Data and parameters that a training starts from.

    Attributes
    ----------
    x : ndarray (rows, in)
        Standard normal.
    y : ndarray (rows, out), or int64 (rows,)
        Standard normal, 0 or 1 for a sigmoid, or labels by a random linear map for a softmax.
    weights, biases : list of ndarray
        ``(in, out)`` normal, and ``(out,)`` zero; no biases where the job has none.
    """

    x: np.ndarray
    y: np.ndarray
    weights: list[np.ndarray]
    biases: list[np.ndarray]


def start(job: Job) -> Start:
    """Draw data and parameters: the same numbers each time.

    Examples
    --------
    >>> begin = start(JOBS["seed2-f64"])
    >>> begin.x.shape, begin.y.shape, [weight.shape for weight in begin.weights], begin.biases
    ((5, 3), (5, 1), [(3, 4), (4, 1)], [])
    """
    rng = np.random.default_rng(0)
    n_in, n_out, kind = job.sizes[0], job.sizes[-1], np.dtype(job.dtype).type

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape, kind)

    x = normal(job.rows, n_in)
    if job.output == "softmax":
        y = (x @ normal(n_in, n_out)).argmax(axis=1)
    elif job.output == "sigmoid":
        y = (rng.random((job.rows, n_out)) > 0.5).astype(kind)
    else:
        y = normal(job.rows, n_out)
    weights = [normal(i, o) * kind(1 if job.unit_weights else (2 / i) ** 0.5) for i, o in zip(job.sizes, job.sizes[1:])]
    return Start(x, y, weights, [np.zeros(o, kind) for o in job.sizes[1:]] if job.bias else [])


def batches(job: Job, rng: np.random.Generator) -> Iterator[slice | np.ndarray]:
    """Yield the rows of every step: slices of the data as it stands, row numbers where it is shuffled."""
    size = min(job.batch_size or job.rows, job.rows)
    for _ in range(job.epochs):
        order = shuffled(job.rows, rng) if job.shuffle else None
        for first in range(0, job.rows, size):
            yield slice(first, first + size) if order is None else order[first : first + size]


def shuffled(rows: int, rng: np.random.Generator) -> np.ndarray:
    """Return the order of an epoch's rows, as fastff draws it, so that all train on the same batches."""
    return rng.permuted(np.arange(rows)[None], axis=1)[0]


def _jobs() -> dict[str, Job]:
    sse, ce = ff.losses.SquaredError("sum"), ff.losses.CrossEntropy()
    half = ff.losses.SquaredError("sum", scale=0.5)
    mse, adam = ff.losses.SquaredError(), ff.Adam(1e-3)

    # as the loops that fastff began with: all rows in each step, and neither biases nor He's deviation
    early: dict[str, Any] = {"epochs": 500, "shuffle": False, "bias": False, "unit_weights": True, "dtype": "float64"}
    seed0 = Job((1000, 100, 10), "relu", "identity", sse, ff.SGD(1e-6), 60, **early)
    seed2 = Job((3, 4, 1), "sigmoid", "sigmoid", half, ff.SGD(0.1), 5, **early | {"epochs": 10_000})
    mnist = Job((784, 128, 10), "relu", "softmax", ce, ff.SGD(0.05), 60_000, 64)
    mnist_adam = Job((784, 100, 10), "relu", "softmax", ce, adam, 60_000, 200)
    mlp = Job((784, 256, 128, 10), "relu", "softmax", ce, ff.SGD(0.05), 12_800, 64, shuffle=False, bias=False)
    wide = Job((1024,) * 4, "relu", "identity", mse, ff.SGD(0.01), 4096, 1024)
    return {
        "seed0-f64": seed0,
        "seed0-f32": replace(seed0, dtype="float32"),
        "seed2-f64": seed2,
        "mnist-sgd-b64-f32": mnist,
        "mnist-adam-b200-f32": mnist_adam,
        "mnist-adam-b200-f64": replace(mnist_adam, dtype="float64"),
        "tabular-adam-b32-f32": Job((20, 64, 64, 1), "relu", "identity", mse, adam, 32_000, 32),
        "tanh-sgd-b128-f32": Job((64, 256, 256, 8), "tanh", "identity", mse, ff.SGD(0.01), 25_600, 128),
        "expm-adam-full-f32": Job((4, 32, 16, 4), "tanh", "identity", mse, adam, 10_000, None, 200, False),
        "online-sgd-b1-f32": Job((40, 100, 100, 10), "relu", "identity", mse, ff.SGD(1e-3), 20_000, 1),
        "deep-adam-b256-f32": Job((784, 512, 512, 512, 10), "relu", "softmax", ce, adam, 10_240, 256),
        "mlp-sgd-b64-f32": mlp,
        "mlp-sgd-b256-f32": replace(mlp, sizes=(784, 512, 512, 10), batch_size=256),
        "mlp-sgd-b4096-f32": replace(mlp, sizes=(512,) * 4, batch_size=4096, rows=8192),
        "wide-sgd-b1024-f32": wide,
        "wide-sgd-b1024-f64": replace(wide, rows=2048, dtype="float64"),
    }


#: All jobs by name: optimizer, rows of a step and dtype are in it.
JOBS = _jobs()
#: The jobs of a quick look, and which part of each.
QUICK = {
    "seed0-f64": 0.5,
    "seed2-f64": 0.5,
    "mnist-sgd-b64-f32": 0.25,
    "tabular-adam-b32-f32": 0.25,
    "online-sgd-b1-f32": 0.1,
    "mlp-sgd-b256-f32": 0.25,
    "wide-sgd-b1024-f32": 0.5,
}


def find(name: str) -> Job:
    """Return a job by its name.

    Raises
    ------
    ValueError
        If there is none of this name; the message lists them.
    """
    if name not in JOBS:
        raise ValueError(f"there is no job {name!r}; the jobs are {', '.join(JOBS)}")
    return JOBS[name]
