"""Who trains: fastff and its peers, each given the same start and asked for the same training."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import NamedTuple

import fastff as ff

from .frameworks import jax_trainer, torch_trainer
from .jobs import Job, Start
from .plain import Trained, numpy_trainer

__all__ = ["FASTFF", "TRAINERS", "Trainer", "installed"]

FASTFF = "fastff"


def fastff_trainer(job: Job, begin: Start) -> Callable[[], Trained]:
    """``Network.fit``; all that its user pays for is in the call."""
    network = ff.Network(job.sizes, job.activation, job.output, bias=job.bias, dtype=job.dtype)

    def train() -> Trained:
        for parameters, values in zip(network.weights + network.biases, begin.weights + begin.biases):
            parameters[...] = values
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
        return Trained(network.weights, network.biases)

    return train


def sklearn_trainer(job: Job, begin: Start) -> Callable[[], Trained] | None:
    """scikit-learn's estimators, from parameters that they draw themselves; always with biases."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    # its squared error is half of that of the mean row, summed over outputs
    if job.output != "softmax" and (job.output != "identity" or job.loss.reduction != "mean"):
        return None
    adam = hasattr(job.optimizer, "beta1")
    rate = job.optimizer.learning_rate
    if not adam and job.output == "identity":
        rate *= 2 * job.loss.scale / job.sizes[-1]
    kind = MLPClassifier if job.output == "softmax" else MLPRegressor
    estimator = kind(
        hidden_layer_sizes=job.sizes[1:-1],
        activation={"sigmoid": "logistic"}.get(job.activation, job.activation),
        solver="adam" if adam else "sgd",
        alpha=0.0,
        batch_size=min(job.batch_size or job.rows, job.rows),
        learning_rate_init=rate,
        momentum=0.0,
        max_iter=job.epochs,
        shuffle=job.shuffle,
        random_state=1,
        tol=0.0,
        n_iter_no_change=job.epochs + 1,
    )
    y = begin.y.ravel() if job.sizes[-1] == 1 else begin.y

    def train() -> Trained:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it did not converge
            estimator.fit(begin.x, y)
        return Trained(estimator.coefs_, estimator.intercepts_)

    return train


class Trainer(NamedTuple):
    """One who trains.

    Attributes
    ----------
    prepare : function
        ``prepare(job, begin)`` returns the training as a function without arguments, or None where it cannot.
    package : str
        What must be installed for it.
    own_start : bool
        Whether it draws parameters and orders of its own: its loss is then near the others', not the same.
    """

    prepare: Callable[[Job, Start], Callable[[], Trained] | None]
    package: str
    own_start: bool = False


TRAINERS = {
    "numpy": Trainer(numpy_trainer, "numpy"),
    "sklearn": Trainer(sklearn_trainer, "sklearn", own_start=True),
    "torch": Trainer(torch_trainer, "torch"),
    "jax": Trainer(jax_trainer, "jax"),
    FASTFF: Trainer(fastff_trainer, "numba"),
}


def installed() -> list[str]:
    """Return the names of the trainers whose package is there.

    Examples
    --------
    >>> {"numpy", "fastff"} <= set(installed())
    True
    """
    return [name for name, trainer in TRAINERS.items() if find_spec(trainer.package) is not None]
