"""Update rules against the definition: several updates, every length around a vector, nothing beyond."""

import numpy as np
import pytest

from fastff import reference
from fastff._cpu import lanes
from fastff.ops.update import update
from fastff.optim import SGD, Adam
from tests.guarded import Guarded, at_page_end

DTYPES = [np.dtype(np.float32), np.dtype(np.float64)]
RULES = [
    SGD(0.1),
    SGD(0.1, weight_decay=0.5),
    SGD(0.1, momentum=0.9),
    SGD(0.1, momentum=0.9, weight_decay=0.5),
    SGD(0.1, momentum=0.8, nesterov=True),
    SGD(0.1, momentum=0.8, nesterov=True, weight_decay=0.5),
    Adam(0.1),
    Adam(0.1, beta1=0.8, beta2=0.95, epsilon=1e-3, weight_decay=0.5),
]
dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=str)
rules = pytest.mark.parametrize("rule", RULES, ids=str)


def make(rule, w, g, state, t):
    """Update number t by the unit."""
    beta1, beta2, epsilon = (
        (rule.beta1, rule.beta2, rule.epsilon) if isinstance(rule, Adam) else (rule.momentum, 0.0, 0.0)
    )
    addresses = [s.ctypes.data for s in state] + [0, 0]
    update[w.dtype](
        0.0, rule.code, w.size, w.ctypes.data, g.ctypes.data, *addresses[:2], rule.learning_rate, beta1, beta2, epsilon,
        rule.weight_decay, 1 - beta1**t if beta1 else 1.0, 1 - beta2**t,
    )  # fmt: skip


@pytest.mark.portable
@dtypes
@rules
def test_updates_are_the_definition_for_every_length(rule, dtype):
    draw = np.random.default_rng(1)
    for n in range(2 * lanes(dtype.itemsize) + 4):
        w = draw.normal(0, 1, n)
        arrays = [Guarded(1, n, dtype, fill=w)] + [Guarded(1, n, dtype, fill=0) for _ in range(rule.n_states)]
        parameters, *state = (array.result[0] for array in arrays)
        expected, definition = parameters.astype(float), np.zeros((rule.n_states, n))
        for t in (1, 2, 3):
            g = at_page_end(draw.normal(0, 1, n).astype(dtype))
            kept = g.copy()
            make(rule, parameters, g, state, t)
            reference.update(rule, expected, g.astype(float), definition, t)
            np.testing.assert_array_equal(g, kept)
        eps = np.finfo(dtype).eps
        np.testing.assert_allclose(parameters, expected, rtol=20 * eps, atol=20 * eps)
        for got, wanted in zip(state, definition):
            np.testing.assert_allclose(got, wanted, rtol=20 * eps, atol=20 * eps)
        for array in arrays:
            array.check()


@dtypes
@rules
def test_a_nan_shows_where_it_is_and_nowhere_else(rule, dtype):
    n = lanes(dtype.itemsize) + 3
    w, g = np.ones(n, dtype), np.ones(n, dtype)
    g[n - 1] = np.nan
    state = np.zeros((rule.n_states, n), dtype)
    make(rule, w, g, state, 1)
    assert np.isnan(w[n - 1])
    assert np.isfinite(w[: n - 1]).all()


@dtypes
def test_no_decay_leaves_a_parameter_without_gradient_as_it_is(dtype):
    for rule in RULES:
        if rule.weight_decay == 0:
            w = np.array([1 / 3, -1e-30, 7.0], dtype)
            kept = w.copy()
            make(rule, w, np.zeros_like(w), np.zeros((rule.n_states, 3), dtype), 1)
            np.testing.assert_array_equal(w, kept)


@pytest.mark.portable
@dtypes
def test_adam_at_the_ends_of_the_second_moment(dtype):
    largest, smallest = np.finfo(dtype).max, np.finfo(dtype).tiny
    squares = np.array([0, smallest, 1, largest, np.inf, np.nan, 0], dtype)
    moments = np.array([1, 1, 1, 1, 1, 1, 0], dtype)
    w, g = np.zeros_like(squares), np.zeros_like(squares)
    # rates of decay of 1 leave the moments as they are
    update[dtype](
        0.0, Adam().code, w.size, w.ctypes.data, g.ctypes.data, moments.ctypes.data, squares.ctypes.data,
        1.0, 1.0, 1.0, 1e-8, 0.0, 1.0, 1.0,
    )  # fmt: skip
    epsilon = float(dtype.type(1e-8))
    wanted = -moments.astype(float) / (np.sqrt(squares.astype(float)) + epsilon)
    wanted[4] = 0
    np.testing.assert_allclose(w, wanted, rtol=4 * np.finfo(dtype).eps, atol=2 / np.sqrt(float(largest)))
