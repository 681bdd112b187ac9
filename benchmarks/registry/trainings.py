"""Trainings as entries: the jobs of the grid, one step of each optimizer, loss and gradient of each loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from .entry import Entry, Inputs, Work
from .frameworks import jax_loss, jax_training, torch_loss, torch_network, torch_training
from .networks import (
    SGD,
    Adam,
    BinaryCrossEntropy,
    CrossEntropy,
    Job,
    SquaredError,
    Start,
    Training,
    expected_weights,
    fastff_training,
    numpy_training,
    sklearn_training,
    start,
)

TRAININGS: Mapping[str, Callable[[Job, Start], Training]] = {
    "numpy": numpy_training,
    "fastff": fastff_training,
    "sklearn": sklearn_training,
    "torch": torch_training,
    "jax": jax_training,
}

_SSE, _HALF_SSE, _MSE = SquaredError("sum"), SquaredError("sum", 0.5), SquaredError()
_CE = CrossEntropy()

# The grid: what each job stands for, and the job.
TITLES = {
    "seed0-f64": "1000-100-10, all 60 rows in each step, float64",
    "seed0-f32": "1000-100-10, all 60 rows in each step, float32",
    "seed2-f64": "a tiny network, 3-4-1 on 5 rows",
    "mnist-sgd-b64-f32": "MNIST's shape, gradient descent, batches of 64",
    "mnist-adam-b200-f32": "scikit-learn's defaults on MNIST's shape",
    "mnist-adam-b200-f64": "scikit-learn's defaults on MNIST's shape, float64",
    "tabular-adam-b32-f32": "a table of 20 columns, batches of 32",
    "tanh-sgd-b128-f32": "a regression with tanh",
    "expm-adam-full-f32": "a small network, all 10,000 rows in each step",
    "online-sgd-b1-f32": "online learning, one row a step",
    "deep-adam-b256-f32": "three hidden layers of 512",
    "mlp-sgd-b64-f32": "784-256-128-10, batches of 64",
    "mlp-sgd-b256-f32": "784-512-512-10, batches of 256",
    "mlp-sgd-b4096-f32": "512-wide layers, batches of 4096",
    "wide-sgd-b1024-f32": "1024-wide layers, batches of 1024",
    "wide-sgd-b1024-f64": "1024-wide layers, batches of 1024, float64",
}
JOBS = {
    "seed0-f64": Job((1000, 100, 10), "relu", "identity", _SSE, SGD(1e-6), 60, None, 500, False, "float64", False),
    "seed0-f32": Job((1000, 100, 10), "relu", "identity", _SSE, SGD(1e-6), 60, None, 500, False, "float32", False),
    "seed2-f64": Job((3, 4, 1), "sigmoid", "sigmoid", _HALF_SSE, SGD(0.1), 5, None, 10000, False, "float64", False),
    "mnist-sgd-b64-f32": Job((784, 128, 10), "relu", "softmax", _CE, SGD(0.05), 60000, 64, 1, True, "float32"),
    "mnist-adam-b200-f32": Job((784, 100, 10), "relu", "softmax", _CE, Adam(), 60000, 200, 1, True, "float32"),
    "mnist-adam-b200-f64": Job((784, 100, 10), "relu", "softmax", _CE, Adam(), 60000, 200, 1, True, "float64"),
    "tabular-adam-b32-f32": Job((20, 64, 64, 1), "relu", "identity", _MSE, Adam(), 32000, 32, 1, True, "float32"),
    "tanh-sgd-b128-f32": Job((64, 256, 256, 8), "tanh", "identity", _MSE, SGD(1e-2), 25600, 128, 1, True, "float32"),
    "expm-adam-full-f32": Job((4, 32, 16, 4), "tanh", "identity", _MSE, Adam(), 10000, None, 200, False, "float32"),
    "online-sgd-b1-f32": Job((40, 100, 100, 10), "relu", "identity", _MSE, SGD(1e-3), 20000, 1, 1, True, "float32"),
    "deep-adam-b256-f32": Job((784, 512, 512, 512, 10), "relu", "softmax", _CE, Adam(), 10240, 256, 1, True, "float32"),
    "mlp-sgd-b64-f32": Job(
        (784, 256, 128, 10), "relu", "softmax", _CE, SGD(0.05), 12800, 64, 1, False, "float32", False
    ),
    "mlp-sgd-b256-f32": Job(
        (784, 512, 512, 10), "relu", "softmax", _CE, SGD(0.05), 12800, 256, 1, False, "float32", False
    ),
    "mlp-sgd-b4096-f32": Job(
        (512, 512, 512, 512), "relu", "softmax", _CE, SGD(0.05), 8192, 4096, 1, False, "float32", False
    ),
    "wide-sgd-b1024-f32": Job((1024,) * 4, "relu", "identity", _MSE, SGD(1e-2), 4096, 1024, 1, True, "float32"),
    "wide-sgd-b1024-f64": Job((1024,) * 4, "relu", "identity", _MSE, SGD(1e-2), 2048, 1024, 1, True, "float64"),
}

# A step of one optimizer, in a network whose weights are many and whose rows are few: the update is what takes time.
_STEP = Job((512, 512, 10), "relu", "identity", _MSE, SGD(), 32, None, 20, False, "float32")
OPTIMIZERS: dict[str, tuple[str, str, Any]] = {
    "sgd": ("SGD", "Gradient descent", SGD(1e-3)),
    "momentum": ("SGD", "Gradient descent with momentum", SGD(1e-3, momentum=0.9)),
    "nesterov": ("SGD", "Nesterov's momentum", SGD(1e-3, momentum=0.9, nesterov=True)),
    "sgd_decay": ("SGD", "Gradient descent with weight decay", SGD(1e-3, weight_decay=1e-2)),
    "adam": ("Adam", "Adam", Adam(1e-4)),
    "adamw": ("Adam", "Adam with weight decay", Adam(1e-4, weight_decay=1e-2)),
}

# Loss and gradient of one narrow layer: most of the time is the output's activation and the loss.
LOSSES: dict[str, tuple[str, Any]] = {
    "squared_error": ("identity", SquaredError()),
    "cross_entropy": ("softmax", CrossEntropy()),
    "binary_cross_entropy": ("sigmoid", BinaryCrossEntropy()),
}


def _short(job: Job) -> Job:
    """The training that is checked: a few steps, the last one smaller, rows in their order."""
    size = min(job.batch_size or 50, 50)
    sizes = tuple(min(width, 200) for width in job.sizes)
    rate = job.optimizer if isinstance(job.optimizer, Adam) else replace(job.optimizer, learning_rate=1e-3)
    return replace(
        job,
        sizes=sizes,
        rows=2 * size + size // 2,
        batch_size=job.batch_size and size,
        epochs=2,
        shuffle=False,
        optimizer=rate,
    )


def _training_inputs(job: Job, check: bool) -> Inputs:
    chosen = _short(job) if check else job
    return {"job": chosen, "start": start(chosen)._replace(given=check)}


def work(training: Callable[[Job, Start], Training], i: Inputs) -> Work:
    """Return a training as work, whose answer is the change of every weight."""
    begin: Start = i["start"]
    train = training(i["job"], begin)

    def run() -> None:
        i["weights"] = train()

    return Work(run, lambda: [after - before for after, before in zip(i["weights"], begin.weights)])


def _works() -> dict[str, Callable[[Inputs], Work]]:
    def bound(training: Callable[[Job, Start], Training]) -> Callable[[Inputs], Work]:
        return lambda i: work(training, i)

    return {impl: bound(training) for impl, training in TRAININGS.items()}


def _change(i: Inputs, impl: str) -> list[np.ndarray]:
    begin: Start = i["start"]
    after = expected_weights(i["job"], begin, sklearn=impl == "sklearn")
    return [new - old for new, old in zip(after, begin.weights)]


def _training_tolerance(i: Inputs, impl: str) -> float:
    # A change is a difference of weights that are rounded: it has fewer digits than they have. Adam's first steps are
    # the gradient's sign, which a rounding error may turn where the gradient is almost zero; scikit-learn's epsilon is
    # added at another place.
    adam = isinstance(i["job"].optimizer, Adam)
    if i["job"].dtype == "float32":
        return 3e-2 if adam else 2e-3
    return (1e-2 if impl == "sklearn" else 1e-3) if adam else 1e-9


def _training_entry(
    name: str,
    family: str,
    title: str,
    text: str,
    params: dict[str, tuple[str, ...]],
    job: Callable[..., Job],
    covers: tuple[str, ...] = (),
    fast: bool = False,
) -> Entry:
    return Entry(
        name,
        family,
        title,
        text,
        params,
        lambda check, **given: _training_inputs(job(**given), check),
        _works(),
        _change,
        _training_tolerance,
        lambda **given: job(**given).operations,
        covers,
        fast,
        by_norm=True,
    )


def _loss_inputs(name: str, check: bool, dtype: str) -> Inputs:
    output, loss = LOSSES[name]
    job = Job((64, 10), "identity", output, loss, SGD(), 1024, None, 1, False, dtype)
    return {"job": job, "start": start(job)}


def _flat(gradients: Any) -> np.ndarray:
    return np.concatenate([np.ravel(g) for pair in zip(*gradients) for g in pair])


def _loss_numpy(i: Inputs) -> Work:
    from fastff import reference

    begin, job = i["start"], i["job"]
    flat = begin.flat

    def run() -> None:
        i["result"] = reference.loss_and_gradient(job.plan, flat, begin.x, begin.y, job.loss)

    return Work(run, lambda: list(i["result"]))


def _loss_fastff(i: Inputs) -> Work:
    import fastff as ff

    begin, job = i["start"], i["job"]
    network = ff.Network(job.sizes, output=job.output, dtype=job.dtype)
    network.parameters[...] = begin.flat

    def run() -> None:
        i["result"] = network.loss_and_gradients(begin.x, begin.y, job.loss)

    return Work(run, lambda: [i["result"][0], _flat((i["result"][1].weights, i["result"][1].biases))])


def _loss_torch(i: Inputs) -> Work:
    import torch

    begin, job = i["start"], i["job"]
    network, loss_of = torch_network(job, begin), torch_loss(job)
    x, y = torch.from_numpy(begin.x), torch.from_numpy(begin.y)
    parameters = list(network.parameters())

    def run() -> None:
        loss = loss_of(network(x), y)
        i["result"] = loss.detach(), torch.autograd.grad(loss, parameters)

    return Work(
        run, lambda: [i["result"][0].numpy(), _flat([[i["result"][1][0].numpy().T], [i["result"][1][1].numpy()]])]
    )


def _loss_jax(i: Inputs) -> Work:
    import jax

    begin, job = i["start"], i["job"]
    jax.config.update("jax_enable_x64", True)
    parameters = [(jax.numpy.asarray(w), jax.numpy.asarray(b)) for w, b in zip(begin.weights, begin.biases)]
    x, y = jax.numpy.asarray(begin.x), jax.numpy.asarray(begin.y)
    call = jax.jit(jax.value_and_grad(jax_loss(job)))

    def run() -> None:
        i["result"] = jax.block_until_ready(call(parameters, x, y))

    return Work(run, lambda: [np.asarray(i["result"][0]), _flat(list(zip(*i["result"][1])))])


def _loss_expected(i: Inputs, impl: str) -> list[Any]:
    from fastff import reference

    begin, job = i["start"], i["job"]
    return list(reference.loss_and_gradient(job.plan, begin.flat.astype(np.float64), begin.x, begin.y, job.loss))


ENTRIES = [
    *(
        Entry(
            name,
            "losses",
            f"Loss {name}",
            f"The loss of 1024 rows and its gradient, behind one layer of 64 inputs and 10 outputs ({output})",
            {"dtype": ("float32", "float64")},
            partial(_loss_inputs, name),
            {"numpy": _loss_numpy, "fastff": _loss_fastff, "torch": _loss_torch, "jax": _loss_jax},
            _loss_expected,
            lambda i, impl: 2e-4 if i["job"].dtype == "float32" else 1e-11,
            lambda dtype: 2 * 2.0 * 1024 * 64 * 10,
            covers=(name,),
            fast=name == "cross_entropy",
        )
        for name, (output, _) in LOSSES.items()
    ),
    *(
        _training_entry(
            name,
            "optimizers",
            title,
            "20 steps on 32 rows of a network of 267,000 weights: most of the time is the update.",
            {"dtype": ("float32", "float64")},
            partial(lambda rule, dtype: replace(_STEP, optimizer=rule, dtype=dtype), rule),
            (public,),
            fast=name in ("sgd", "adam"),
        )
        for name, (public, title, rule) in OPTIMIZERS.items()
    ),
    *(
        _training_entry(
            name,
            "epochs",
            TITLES[name],
            f"{'-'.join(map(str, job.sizes))}, {job.rows:,} rows, "
            f"{'all' if job.batch_size is None else job.batch_size} a step, {job.dtype}",
            {},
            partial(lambda job: job, job),
            fast=name in ("seed0-f64", "seed2-f64", "mlp-sgd-b64-f32", "expm-adam-full-f32"),
        )
        for name, job in JOBS.items()
    ),
]
