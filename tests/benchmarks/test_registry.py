"""The registry is complete, and its benchmarks refuse a wrong answer."""

import dataclasses
import itertools

import numpy as np
import pytest

import fastff as ff
from benchmarks import registry
from benchmarks.registry import activations, trainings
from fastff.comparison import jobs
from fastff.ops.activations import OUTPUTS
from fastff.ops.losses import LOSSES


def covered(*families):
    return {name for family in families for entry in registry.of_family(family) for name in entry.covers}


def test_every_public_kernel_has_a_benchmark():
    assert covered("products", "kernels") == set(ff.kernels.__all__)


def test_every_activation_has_a_benchmark():
    assert covered("activations") | set(activations.NOT_TIMED) == set(OUTPUTS)


def test_every_loss_has_a_benchmark():
    assert {entry.name for entry in registry.of_family("losses")} == set(LOSSES)


def test_every_optimizer_has_a_benchmark():
    rules = {name for name in ff.optim.__all__ if hasattr(getattr(ff.optim, name), "n_states")}
    assert covered("optimizers") == rules - {"Optimizer"}


def test_the_jobs_are_those_of_the_comparison():
    assert list(trainings.JOBS) == list(jobs.JOBS)
    for name, job in trainings.JOBS.items():
        assert dataclasses.asdict(job).items() <= dataclasses.asdict(jobs.JOBS[name]).items(), name


def test_every_benchmark_has_numpy_and_fastff_and_is_explained():
    for entry in registry.ENTRIES:
        assert {"numpy", "fastff"} <= set(entry.works), entry.name
        assert entry.title, entry.name
        assert entry.text, entry.name
    names = [(entry.family, entry.name) for entry in registry.ENTRIES]
    assert len(set(names)) == len(names)


def first(entry):
    return {name: values[0] for name, values in entry.params.items()}


@pytest.mark.parametrize("entry", registry.ENTRIES, ids=lambda entry: f"{entry.family}-{entry.name}")
def test_inputs_are_seeded_and_of_the_stated_dtype(entry):
    for combination in itertools.product(*entry.params.values()):
        params = dict(zip(entry.params, combination, strict=True))
        one, other = entry.inputs(True, **params), entry.inputs(True, **params)
        for (name, array), again in zip(arrays(one), arrays(other), strict=True):
            np.testing.assert_array_equal(array, again[1])
            if array.dtype.kind == "f":
                assert array.dtype == params.get("dtype", array.dtype), name


def arrays(inputs):
    flat = {**inputs, **(inputs["start"]._asdict() if "start" in inputs else {})}
    return [(name, value) for name, value in flat.items() if isinstance(value, np.ndarray)]


@pytest.mark.parametrize("entry", registry.ENTRIES, ids=lambda entry: f"{entry.family}-{entry.name}")
def test_fastff_gives_the_answer_of_the_definition(entry):
    for combination in itertools.product(*entry.params.values()):
        params = dict(zip(entry.params, combination, strict=True))
        if params.get("shape", entry.params.get("shape", ("",))[0]) == entry.params.get("shape", ("",))[0]:
            entry.check("fastff", **params)


@pytest.mark.parametrize("entry", registry.ENTRIES, ids=lambda entry: f"{entry.family}-{entry.name}")
def test_numpy_gives_the_answer_of_the_definition(entry):
    entry.check("numpy", **first(entry))


WRONG = {
    "linear": lambda kernel: lambda x, weight, bias, out: kernel(x, weight, 1.001 * bias, out),
    "weight_gradient": lambda kernel: lambda x, g, out: kernel(x[1:], g[1:], out),
    "linear_relu": lambda kernel: lambda x, weight, bias, out: ff.kernels.linear(x, weight, bias, out),
    "relu_backward": lambda kernel: lambda g, weight, hidden, out: kernel(g, weight, np.ones_like(hidden), out),
    "sgd_step": lambda kernel: lambda weight, x, g, rate: kernel(weight, x, g, 1.001 * rate),
    "sgd_step_bias": lambda kernel: lambda bias, g, rate: kernel(bias, g, 0.0),
}


@pytest.mark.parametrize("name", ff.kernels.__all__)
def test_a_wrong_kernel_makes_its_benchmark_fail(name, monkeypatch):
    monkeypatch.setattr(ff.kernels, name, WRONG[name](getattr(ff.kernels, name)))
    entry = next(entry for entry in registry.ENTRIES if name in entry.covers)
    with pytest.raises(registry.WrongAnswerError, match=name):
        entry.prepare("fastff", **first(entry))


@pytest.mark.parametrize("name", ["seed2-f64", "tabular-adam-b32-f32", "mlp-sgd-b64-f32"])
def test_a_training_that_learns_something_else_fails(name):
    update = trainings.TRAININGS["fastff"]

    def slower(job, begin):
        train = update(job, begin)
        return lambda: [before + 0.9 * (after - before) for after, before in zip(train(), begin.weights, strict=True)]

    works = {"fastff": lambda inputs: trainings.work(slower, inputs)}
    entry = dataclasses.replace(registry.find("epochs", name), works=works)
    with pytest.raises(registry.WrongAnswerError):
        entry.check("fastff")


def test_what_does_not_apply_is_not_implemented():
    with pytest.raises(NotImplementedError, match="sklearn has no linear"):
        registry.find("products", "linear").prepare("sklearn", shape="60x1000x100", dtype="float32")
    with pytest.raises(NotImplementedError, match="softmax"):
        registry.find("activations", "softmax").prepare("fastff", direction="gradient", dtype="float32")
