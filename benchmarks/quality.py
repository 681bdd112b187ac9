"""Quality: how well a classifier reads digits after a fixed number of seconds of training.

Speed that learns nothing has won nothing. Every implementation trains the same network in the same way, epoch after
epoch, until the seconds are over; rows it has never seen are counted. MNIST is read from the folder that the variable
``FASTFF_MNIST`` names.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import Any

import numpy as np

from .registry import IMPLEMENTATIONS, installed
from .registry.networks import Adam, CrossEntropy, Job, Start
from .registry.networks import start as drawn

DATA = {"digits": (64, "0.2", "1.0"), "mnist": (784, "1.0", "4.0")}
FOLDER = "FASTFF_MNIST"


def load(dataset: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return rows and labels to train on, and rows and labels to count."""
    if dataset == "digits":
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split

        x, y = load_digits(return_X_y=True)
        parts = train_test_split((x / 16).astype(np.float32), y, random_state=0)
        return parts[0], parts[2], parts[1], parts[3]
    folder = os.environ.get(FOLDER, "")
    if not folder:
        raise NotImplementedError(f"{FOLDER} does not name a folder with MNIST")
    from fastff.io import read_data

    data = read_data(folder)
    assert data.held_out is not None
    return *_rows(data), *_rows(data.held_out)


def _rows(data: Any) -> tuple[np.ndarray, np.ndarray]:
    (pixels,) = data.features.values()
    return (pixels.reshape(len(pixels), -1) / np.float32(255)).astype(np.float32), data.target.astype(np.int64)


class Score:
    """Rows read right, in percent."""

    params = (tuple(DATA), ("short", "long"), IMPLEMENTATIONS)
    param_names = ("dataset", "budget", "impl")
    timeout = 600

    def setup(self, dataset: str, budget: str, impl: str) -> None:
        if not installed(impl):
            raise NotImplementedError(f"{impl} is not installed")
        self.x, self.y, self.x_new, self.y_new = load(dataset)
        width, *seconds = DATA[dataset]
        self.seconds = float(seconds[budget == "long"])
        job = Job((width, 128, 10), "relu", "softmax", CrossEntropy(), Adam(), len(self.x), 64, 1, True, "float32")
        self.session = SESSIONS[impl](job, drawn(replace(job, rows=1))._replace(x=self.x, y=self.y))
        self.session.epoch()  # what is compiled is compiled now
        self.session.restart()

    def track_score(self, dataset: str, budget: str, impl: str) -> float:
        begin = time.perf_counter()
        while time.perf_counter() - begin < self.seconds:
            self.session.epoch()
        right = self.session.labels(self.x_new) == self.y_new
        return 100 * float(right.mean())

    track_score.unit = "% right"  # type: ignore[attr-defined]


class _Numpy:
    """`fastff.reference` and its update, batch after batch."""

    def __init__(self, job: Job, begin: Start) -> None:
        self.job, self.begin = job, begin
        self.restart()

    def restart(self) -> None:
        self.parameters, self.t = self.begin.flat, 0
        self.state = np.zeros((self.job.optimizer.n_states, self.parameters.size), self.parameters.dtype)
        self.rng = np.random.default_rng(1)

    def epoch(self) -> None:
        from fastff import reference

        order = self.rng.permutation(len(self.begin.x))
        for first in range(0, len(order), 64):
            rows = order[first : first + 64]
            self.t += 1
            _, gradient = reference.loss_and_gradient(
                self.job.plan, self.parameters, self.begin.x[rows], self.begin.y[rows], self.job.loss
            )
            reference.update(self.job.optimizer, self.parameters, gradient, self.state, self.t)

    def labels(self, x: np.ndarray) -> np.ndarray:
        from fastff import reference

        return reference.predict(self.job.plan, self.parameters, x).argmax(axis=1)


class _Fastff:
    def __init__(self, job: Job, begin: Start) -> None:
        self.job, self.begin = job, begin
        self.restart()

    def restart(self) -> None:
        import fastff as ff

        job = self.job
        self.network = ff.Network(job.sizes, job.activation, job.output, dtype=job.dtype)
        self.network.parameters[...] = self.begin.flat
        self.trainer = ff.Trainer(
            self.network, loss=job.loss, optimizer=job.optimizer, batch_size=64, shuffle=True, random_state=1
        )

    def epoch(self) -> None:
        self.trainer.fit(self.begin.x, self.begin.y, 1)

    def labels(self, x: np.ndarray) -> np.ndarray:
        return self.network.predict(x).argmax(axis=1)


class _Sklearn:
    def __init__(self, job: Job, begin: Start) -> None:
        self.begin = begin
        self.restart()

    def restart(self) -> None:
        from sklearn.neural_network import MLPClassifier

        self.estimator = MLPClassifier((128,), alpha=0.0, batch_size=64, random_state=0)

    def epoch(self) -> None:
        self.estimator.partial_fit(self.begin.x, self.begin.y, classes=np.arange(10))

    def labels(self, x: np.ndarray) -> np.ndarray:
        return self.estimator.predict(x)


class _Torch:
    def __init__(self, job: Job, begin: Start) -> None:
        self.job, self.begin = job, begin
        self.restart()

    def restart(self) -> None:
        import torch

        from .registry.frameworks import torch_loss, torch_network, torch_optimizer

        self.x, self.y = torch.from_numpy(self.begin.x), torch.from_numpy(self.begin.y)
        self.network, self.loss = torch_network(self.job, self.begin), torch_loss(self.job)
        self.optimizer = torch_optimizer(self.job, self.network.parameters())

    def epoch(self) -> None:
        import torch

        order = torch.randperm(len(self.x))
        for rows in order.split(64):
            self.optimizer.zero_grad(set_to_none=True)
            self.loss(self.network(self.x[rows]), self.y[rows]).backward()
            self.optimizer.step()

    def labels(self, x: np.ndarray) -> np.ndarray:
        import torch

        with torch.inference_mode():
            return self.network(torch.from_numpy(x)).argmax(1).numpy()


class _Jax:
    def __init__(self, job: Job, begin: Start) -> None:
        from .registry.frameworks import jax_session

        self.begin = begin
        self.initial, self.train, self.logits = jax_session(job, begin)
        self.restart()

    def restart(self) -> None:
        self.carry, self.epochs = self.initial, 0

    def epoch(self) -> None:
        import jax

        self.epochs += 1
        self.carry = jax.block_until_ready(self.train(self.carry, jax.random.PRNGKey(self.epochs)))

    def labels(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.logits(self.carry[0], x)).argmax(axis=1)


SESSIONS: dict[str, Any] = {"numpy": _Numpy, "fastff": _Fastff, "sklearn": _Sklearn, "torch": _Torch, "jax": _Jax}
