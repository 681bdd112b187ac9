"""Optimizer objects: codes, states, checks. Their arithmetic is tested in tests/test_reference.py and by the engine."""

import pickle

import numpy as np
import pytest

from fastff.optim import SGD, Adam, Optimizer, resolve


@pytest.mark.parametrize(
    ("optimizer", "code", "n_states"),
    [
        (SGD(), 0, 0),
        (SGD(momentum=0.9), 1, 1),
        (SGD(momentum=0.9, nesterov=True), 2, 1),
        (SGD(nesterov=True), 0, 0),
        (Adam(), 3, 2),
    ],
)
def test_codes_and_states(optimizer, code, n_states):
    assert (optimizer.code, optimizer.n_states) == (code, n_states)
    assert isinstance(optimizer, Optimizer)
    assert resolve(optimizer) is optimizer
    assert pickle.loads(pickle.dumps(optimizer)) == optimizer


def test_numbers_become_floats():
    optimizer = SGD(np.float32(0.5), momentum=0)
    assert type(optimizer.learning_rate) is float
    assert type(optimizer.momentum) is float


@pytest.mark.parametrize("given", ["sgd", None, SGD, 0.1])
def test_only_objects_are_optimizers(given):
    with pytest.raises(TypeError, match="optimizer must be an object"):
        resolve(given)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: SGD(-0.1), ValueError, "learning_rate must be a finite number of at least 0, not -0.1"),
        (lambda: SGD(float("nan")), ValueError, "learning_rate"),
        (lambda: SGD("0.1"), TypeError, "learning_rate must be a number, not '0.1' of type str"),
        (lambda: SGD(momentum=1), ValueError, "momentum must be a finite number of at least 0 and below 1, not 1"),
        (lambda: SGD(nesterov=1), TypeError, "nesterov must be True or False"),
        (lambda: SGD(weight_decay=-1), ValueError, "weight_decay"),
        (lambda: Adam(learning_rate=True), TypeError, "learning_rate"),
        (lambda: Adam(beta1=1.0), ValueError, "beta1"),
        (lambda: Adam(beta2=-0.1), ValueError, "beta2"),
        (lambda: Adam(epsilon=0), ValueError, "epsilon must be a finite number above 0, not 0"),
        (lambda: Adam(weight_decay=float("inf")), ValueError, "weight_decay"),
    ],
)
def test_bad_numbers(make, error, message):
    with pytest.raises(error, match=message):
        make()
