"""Everybody trains the same: the plain loop as the definition does, and fastff and its peers as the plain loop."""

from dataclasses import replace

import numpy as np
import pytest

import fastff as ff
from fastff.comparison.jobs import JOBS, batches, start
from fastff.comparison.plain import Trained, loss_of, numpy_trainer
from fastff.comparison.trainers import TRAINERS, installed
from fastff.reference import Plan, loss_and_gradient, update

CE, MSE, SSE = ff.losses.CrossEntropy(), ff.losses.SquaredError(), ff.losses.SquaredError("sum", scale=0.5)
SHAPE = replace(JOBS["tabular-adam-b32-f32"], sizes=(5, 9, 7, 3), rows=70, epochs=2, dtype="float64")
TINY = {
    "classes": replace(SHAPE, output="softmax", loss=CE, optimizer=ff.SGD(0.1)),
    "adam": replace(SHAPE, activation="tanh"),
    "full": replace(SHAPE, activation="sigmoid", batch_size=None, shuffle=False, bias=False, epochs=3),
    "sigmoid": replace(SHAPE, output="sigmoid", loss=SSE, optimizer=ff.SGD(0.05), shuffle=False, unit_weights=True),
}


def flat(trained):
    parts = []
    for layer, weight in enumerate(trained.weights):
        parts += [np.ravel(weight), *(np.ravel(b) for b in trained.biases[layer : layer + 1])]
    return np.concatenate(parts)


def by_definition(job, begin):
    """The parameters, step by step with the reference."""
    plan = Plan(job.sizes, (job.activation,) * (len(job.sizes) - 2) + (job.output,), job.bias)
    parameters = flat(Trained(begin.weights, begin.biases))
    state = np.zeros((job.optimizer.n_states, parameters.size))
    for t, chosen in enumerate(batches(job, np.random.default_rng(1)), 1):
        _, gradient = loss_and_gradient(plan, parameters, begin.x[chosen], begin.y[chosen], job.loss)
        update(job.optimizer, parameters, gradient, state, t)
    return plan, parameters


@pytest.mark.parametrize("job", TINY.values(), ids=TINY)
def test_plain_loop_is_the_definition(job):
    begin = start(job)
    plan, wanted = by_definition(job, begin)
    trained = numpy_trainer(job, begin)()
    # Adam divides by the root of what may be little more than rounding
    np.testing.assert_allclose(flat(trained), wanted, rtol=0, atol=1e-10)
    assert loss_of(job, begin, trained) == pytest.approx(
        loss_and_gradient(plan, wanted, begin.x, begin.y, job.loss)[0], rel=1e-8
    )


@pytest.mark.parametrize("name", [name for name in TRAINERS if name not in ("numpy", "sklearn")])
@pytest.mark.parametrize("job", TINY.values(), ids=TINY)
def test_every_trainer_learns_the_same(name, job):
    if name not in installed():
        pytest.skip(f"{name} is not installed")
    begin = start(job)
    train = TRAINERS[name].prepare(job, begin)
    wanted = flat(numpy_trainer(job, begin)())
    for _ in range(2):  # each time from the start
        np.testing.assert_allclose(flat(train()), wanted, rtol=0, atol=1e-8)


@pytest.mark.parametrize("name", ["classes", "adam"])
def test_scikit_learn_trains_the_same_network(name):
    """From parameters of its own: the loss comes down."""
    job = replace(TINY[name], epochs=20)
    begin = start(job)
    trained = TRAINERS["sklearn"].prepare(job, begin)()
    assert [w.shape for w in trained.weights] == [w.shape for w in begin.weights]
    assert loss_of(job, begin, trained) < loss_of(job, begin, Trained(begin.weights, begin.biases))


def test_scikit_learn_takes_the_same_steps():
    """One full step of gradient descent on squared errors, from its own parameters by its own definition."""
    job = replace(TINY["full"], optimizer=ff.SGD(0.1), bias=True, epochs=1)
    begin = start(job)
    once = TRAINERS["sklearn"].prepare(job, begin)()
    twice = TRAINERS["sklearn"].prepare(replace(job, epochs=2), begin)()
    # the second step, made by the plain loop from where the first one ended
    moved = numpy_trainer(job, begin._replace(weights=once.weights, biases=once.biases))()
    np.testing.assert_allclose(flat(twice), flat(moved), rtol=0, atol=1e-12)


def test_scikit_learn_says_what_it_has_not():
    assert TRAINERS["sklearn"].prepare(JOBS["seed2-f64"], start(JOBS["seed2-f64"])) is None
