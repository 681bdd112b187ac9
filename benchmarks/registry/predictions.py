"""`predict`: one row, a thousand, all."""

from __future__ import annotations

import numpy as np

from .entry import Entry, Inputs, Work
from .frameworks import torch_network
from .networks import Adam, CrossEntropy, Job, start

ROWS = {"1": 1, "1000": 1000, "60000": 60000}
_JOB = Job((784, 128, 10), "relu", "softmax", CrossEntropy(), Adam(), 1, None, 1, False, "float32")


def _inputs(check: bool, rows: str) -> Inputs:
    from dataclasses import replace

    job = replace(_JOB, rows=min(ROWS[rows], 1000) if check else ROWS[rows])
    return {"job": job, "start": start(job)}


def _numpy(i: Inputs) -> Work:
    begin = i["start"]
    (w1, w2), (b1, b2) = begin.weights, begin.biases

    def run() -> None:
        hidden = begin.x @ w1
        hidden += b1
        np.maximum(hidden, 0, out=hidden)
        z = hidden @ w2
        z += b2
        z -= z.max(axis=1, keepdims=True)
        np.exp(z, out=z)
        z /= z.sum(axis=1, keepdims=True)
        i["result"] = z

    return Work(run, lambda: [i["result"]])


def _fastff(i: Inputs) -> Work:
    import fastff as ff

    begin, job = i["start"], i["job"]
    network = ff.Network(job.sizes, job.activation, job.output, dtype=job.dtype)
    network.parameters[...] = begin.flat
    return Work(lambda: i.update(result=network.predict(begin.x)), lambda: [i["result"]])


def _sklearn(i: Inputs) -> Work:
    import warnings

    from sklearn.neural_network import MLPClassifier

    begin, job = i["start"], i["job"]
    estimator = MLPClassifier(job.sizes[1:-1], max_iter=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator.fit(begin.x[:1].repeat(10, axis=0), np.arange(10))
    for given, own in zip(begin.weights + begin.biases, estimator.coefs_ + estimator.intercepts_):
        own[...] = given
    return Work(lambda: i.update(result=estimator.predict_proba(begin.x)), lambda: [i["result"]])


def _torch(i: Inputs) -> Work:
    import torch

    network, x = torch_network(i["job"], i["start"]), torch.from_numpy(i["start"].x)

    def run() -> None:
        with torch.inference_mode():
            i["result"] = torch.softmax(network(x), 1)

    return Work(run, lambda: [i["result"].numpy()])


def _jax(i: Inputs) -> Work:
    import jax

    begin = i["start"]
    parameters = [(jax.numpy.asarray(w), jax.numpy.asarray(b)) for w, b in zip(begin.weights, begin.biases)]

    @jax.jit
    def forward(parameters, x):
        (w1, b1), (w2, b2) = parameters
        return jax.nn.softmax(jax.nn.relu(x @ w1 + b1) @ w2 + b2)

    # the rows come from NumPy and go back there, as for all the others
    return Work(lambda: i.update(result=np.asarray(forward(parameters, begin.x))), lambda: [i["result"]])


def _expected(i: Inputs, impl: str) -> list[np.ndarray]:
    from fastff import reference

    return [reference.predict(i["job"].plan, i["start"].flat.astype(np.float64), i["start"].x)]


ENTRIES = [
    Entry(
        "predict",
        "predict",
        "Prediction",
        "Probabilities of ten classes from 784-128-10.",
        {"rows": tuple(ROWS)},
        _inputs,
        {"numpy": _numpy, "fastff": _fastff, "sklearn": _sklearn, "torch": _torch, "jax": _jax},
        _expected,
        lambda i, impl: 1e-4,
        lambda rows: ROWS[rows] * 2.0 * (784 * 128 + 128 * 10),
        ("predict",),
        True,
    )
]
