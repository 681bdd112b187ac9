"""Tiny networks' own steps against the definition: every activation, loss, rule and shape, and any split into calls."""

import itertools
import pickle

import numpy as np
import pytest

from fastff import _jit, reference
from fastff.losses import BinaryCrossEntropy, CrossEntropy, SquaredError
from fastff.network.plan import make_plan
from fastff.ops.activations import ACTIVATIONS, OUTPUTS
from fastff.optim import SGD, Adam
from fastff.training import engine as engine_module
from fastff.training.engine import Engine
from fastff.training.tiny import cost_code, is_tiny
from tests.calls import DTYPES, lanes
from tests.guarded import at_page_end

dtypes = pytest.mark.parametrize("dtype", DTYPES)
LOSSES = {
    "squared_error": SquaredError(),
    "half_sum": SquaredError("sum", 0.5),
    "cross_entropy": CrossEntropy(),
    "cross_entropy_sum": CrossEntropy("sum"),
    "binary_cross_entropy": BinaryCrossEntropy(),
    "binary_cross_entropy_sum": BinaryCrossEntropy("sum"),
}
PAIRS = [
    (output, name)
    for output, name in itertools.product(OUTPUTS, LOSSES)
    if cost_code(OUTPUTS[output], LOSSES[name]) >= 0
]
OPTIMIZERS = {
    "sgd": SGD(0.05),
    "sgd_decay": SGD(0.05, weight_decay=0.1),
    "momentum": SGD(0.05, momentum=0.9),
    "momentum_decay": SGD(0.05, momentum=0.9, weight_decay=0.1),
    "nesterov": SGD(0.05, momentum=0.9, nesterov=True),
    "nesterov_decay": SGD(0.05, momentum=0.9, nesterov=True, weight_decay=0.1),
    "adam": Adam(0.01, epsilon=1e-3),
    "adam_decay": Adam(0.01, beta1=0.8, beta2=0.95, epsilon=1e-3, weight_decay=0.1),
}


@pytest.fixture
def path(monkeypatch):
    """Say which way steps are made, whatever the size."""

    def choose(tiny):
        def chosen(plan, loss, rows):
            return tiny and cost_code(OUTPUTS[plan.activations[-1]], loss) >= 0

        monkeypatch.setattr(engine_module, "is_tiny", chosen)

    choose(True)
    return choose


def network(sizes, activation="tanh", output="identity", bias=True, dtype="float64", seed=1):
    plan = make_plan(sizes, activation, output, bias, dtype)
    flat, rng = plan.empty(), np.random.default_rng(seed)
    for weight in plan.weights(flat):
        weight[...] = rng.normal(0, len(weight) ** -0.5, weight.shape)
    for b in plan.biases(flat):
        b[...] = rng.normal(0, 0.1, b.shape)
    return plan, flat


def data(plan, rows, loss, labels=False, seed=2):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, plan.n_inputs)).astype(plan.dtype)
    if labels:
        return x, rng.integers(0, plan.n_outputs, rows)
    y = rng.uniform(size=(rows, plan.n_outputs))
    if loss.name == "cross_entropy":
        y[:, 0] += 0.1
        y /= y.sum(axis=1, keepdims=True)
    return x, y.astype(plan.dtype)


def orders(epochs, rows, seed=3):
    rng = np.random.default_rng(seed)
    return np.array([rng.permutation(rows) for _ in range(epochs)], np.int64)


def train(plan, start, x, y, loss, optimizer, batch, steps, order=None, splits=()):
    """Losses, parameters and engine after a training of several calls; parameters end at a page's end."""
    parameters, losses = at_page_end(start), np.full(steps, np.nan)
    engine = Engine(plan, loss, optimizer, min(batch, len(x)))
    for first, last in itertools.pairwise([0, *splits, steps]):
        made = engine.run(parameters, x, y, order, batch, first, last - first, losses[first:last])
        if made < last - first:
            break
    return losses, parameters, engine


def check(plan, start, x, y, loss, optimizer, batch, epochs, order=None):
    """Losses and parameters as the definition has them, up to what rounding errors grow to."""
    steps = epochs * -(-len(x) // min(batch, len(x)))
    rows = at_page_end(x), at_page_end(y)
    losses, parameters, engine = train(plan, start, *rows, loss, optimizer, batch, steps, order)
    assert engine.t == steps
    wanted = start.astype("f8")
    exact_y = y if y.dtype == np.int64 else y.astype("f8")
    exact = reference.train(plan, wanted, x.astype("f8"), exact_y, loss, optimizer, epochs, batch, order)
    eps = np.finfo(plan.dtype).eps
    np.testing.assert_allclose(losses, exact, rtol=300 * eps)
    np.testing.assert_allclose(parameters, wanted, rtol=0, atol=300 * eps * np.abs(wanted).max())


def check_splits(optimizer, dtype, batches):
    """Any split of the steps into calls gives the same bits; `batches` are their rows, and orders."""
    for batch, order in batches:
        plan, start = network((3, 4, 2), "sigmoid", "softmax", True, dtype)
        x, y = data(plan, 11, CrossEntropy())
        steps = 2 * -(-11 // batch)
        job = plan, start, x, y, CrossEntropy(), OPTIMIZERS[optimizer], batch, steps, order
        losses, parameters, _ = train(*job)
        for splits in ((1,), tuple(range(1, steps))):
            other_losses, other, _ = train(*job, splits=splits)
            np.testing.assert_array_equal(other_losses, losses)
            np.testing.assert_array_equal(other, parameters)


def check_copy(rows):
    """A copy of an engine goes on where it stands."""
    plan, start = network((3, 4, 2))
    x, y = data(plan, rows, SquaredError())
    job = plan, start, x, y, SquaredError(), Adam(0.01), rows
    losses, parameters, _ = train(*job, 8)
    _, half, engine = train(*job, 5)
    more = np.zeros(3)
    assert pickle.loads(pickle.dumps(engine)).run(half, x, y, None, rows, 5, 3, more) == 3
    np.testing.assert_array_equal(half, parameters)
    np.testing.assert_array_equal(more, losses[5:])


@pytest.mark.portable
@dtypes
@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_every_output_and_loss(output, loss, dtype, path):
    for rows, bias, optimizer in ((1, True, "sgd"), (5, False, "momentum")):
        plan, start = network((3, 4, 2), "tanh", output, bias, dtype)
        x, y = data(plan, rows, LOSSES[loss])
        check(plan, start, x, y, LOSSES[loss], OPTIMIZERS[optimizer], rows, 3)


@pytest.mark.portable
@dtypes
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_hidden_activation(activation, dtype, path):
    for bias, rows in ((True, 5), (False, 2 * lanes(dtype) + 1)):
        plan, start = network((3, 5, 4, 2), activation, "softmax", bias, dtype)
        x, y = data(plan, rows, CrossEntropy())
        check(plan, start, x, y, CrossEntropy(), SGD(0.1), rows, 3)


@pytest.mark.portable
@dtypes
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer(optimizer, dtype, path):
    """With and without biases, orders and a smaller last batch, and the general path for the same."""
    for bias, shuffled, tiny in itertools.product((True, False), (True, False), (True, False)):
        path(tiny)
        plan, start = network((3, 4, 2), "tanh", "identity", bias, dtype)
        x, y = data(plan, 7, SquaredError())
        order = orders(3, 7) if shuffled else None
        check(plan, start, x, y, SquaredError(), OPTIMIZERS[optimizer], 3, 3, order)


@pytest.mark.portable
@dtypes
def test_labels(dtype, path):
    for reduction, rows, shuffled in (("mean", 5, True), ("sum", lanes(dtype) + 2, False)):
        loss = CrossEntropy(reduction)
        plan, start = network((3, 4, 5), "relu", "softmax", True, dtype)
        x, labels = data(plan, rows, loss, labels=True)
        order = orders(2, rows) if shuffled else None
        check(plan, start, x, labels, loss, SGD(0.02), 3, 2, order)
        y = np.eye(5, dtype=dtype)[labels]
        for got, same in zip(*(train(plan, start, x, t, loss, SGD(0.02), 3, 2, order)[:2] for t in (labels, y))):
            np.testing.assert_array_equal(got, same)


@dtypes
def test_every_width(dtype, path):
    """As many units as a vector has lanes, one more, and fewer; without a hidden layer too."""
    n = lanes(dtype)
    for width, tiny in itertools.product((*range(1, n + 2), 2 * n + 1), (True, False)):
        path(tiny)
        for sizes in ((width, 1), (1, width), (3, width, 2), (width, width, width)):
            plan, start = network(sizes, "sigmoid", "tanh", width % 2 == 0, dtype)
            x, y = data(plan, 3, SquaredError())
            check(plan, start, x, y, SquaredError("sum"), SGD(0.05), 2, 2)


@dtypes
def test_every_number_of_rows(dtype, path):
    for rows, tiny in itertools.product((*range(1, 2 * lanes(dtype) + 2), 50, 64, 100), (True, False)):
        path(tiny)
        plan, start = network((2, 3, 1), "gelu", "sigmoid", True, dtype)
        x, y = data(plan, rows, BinaryCrossEntropy())
        check(plan, start, x, y, BinaryCrossEntropy(), Adam(0.01, epsilon=1e-3), rows, 3)


@pytest.mark.portable
def test_central_differences(path):
    """What one step of plain descent subtracts is the derivative of the loss that the general path computes."""
    heads = ("softmax", "cross_entropy"), ("tanh", "half_sum")
    for activation, (output, loss) in itertools.product(("sigmoid", "silu"), heads):
        plan, start = network((3, 4, 2), activation, output)
        x, y = data(plan, 5, LOSSES[loss])
        losses, after, engine = train(plan, start, x, y, LOSSES[loss], SGD(1.0), 5, 1)
        assert losses[0] == pytest.approx(engine.loss(start, x, y), rel=1e-14)
        for i in range(plan.n_parameters):
            ends = []
            for h in (1e-5, -1e-5):
                moved = plan.empty()
                moved[...] = start
                moved[i] += h
                ends.append(engine.loss(moved, x, y))
            assert start[i] - after[i] == pytest.approx((ends[0] - ends[1]) / 2e-5, abs=1e-8)


@pytest.mark.portable
@dtypes
@pytest.mark.parametrize("optimizer", ["sgd_decay", "momentum", "adam"])
def test_any_split_into_calls_gives_the_same_bits(optimizer, dtype, path):
    check_splits(optimizer, dtype, ((3, orders(2, 11)), (11, None), (4, None)))


@pytest.mark.portable
def test_a_copy_of_the_engine_goes_on(path):
    check_copy(6)


def test_steps_of_more_rows_go_on_with_the_same_state():
    """From the tiny path to the general one: weights and moments stand alike."""
    plan, start = network((3, 4, 2))
    x, y = data(plan, 300, SquaredError())
    for optimizer in (OPTIMIZERS["momentum"], Adam(0.01, epsilon=1e-3)):
        engine, parameters, losses = Engine(plan, SquaredError(), optimizer, 5), start.copy(), np.zeros(4)
        wanted, state = start.copy(), np.zeros((optimizer.n_states, start.size))
        for step, rows in enumerate((5, 300, 5, 70)):
            assert engine.run(parameters, x[:rows], y[:rows], None, rows, 0, 1, losses[step : step + 1]) == 1
            value, gradient = reference.loss_and_gradient(plan, wanted, x[:rows], y[:rows], SquaredError())
            reference.update(optimizer, wanted, gradient, state, step + 1)
            assert losses[step] == pytest.approx(value, rel=1e-13)
        np.testing.assert_allclose(parameters, wanted, rtol=0, atol=1e-13)


# What is not finite


@pytest.mark.portable
@dtypes
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_loss_that_is_not_finite_stops_before_its_update(value, dtype, path):
    for (batch, row), optimizer, shuffled in itertools.product(((3, 7), (12, 11)), ("sgd", "adam"), (False, True)):
        plan, start = network((3, 4, 2), "relu", dtype=dtype)
        x, y = data(plan, 12, SquaredError())
        order = np.arange(12)[None, ::-1].copy() if shuffled else None
        y[11 - row if shuffled else row, 1] = value
        job = plan, start, x, y, SquaredError(), OPTIMIZERS[optimizer], batch
        losses, parameters, engine = train(*job, 12 // batch, order)
        bad = row // batch
        assert engine.t == bad
        assert np.isfinite(losses[:bad]).all()
        assert not np.isfinite(losses[bad])
        assert np.isnan(losses[bad + 1 :]).all()  # as they were
        before = train(*job, bad, order)[1] if bad else start
        np.testing.assert_array_equal(parameters, before)


@pytest.mark.portable
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_nan_of_an_input_shows_in_the_loss(activation, path):
    plan, start = network((3, 4, 2), activation)
    x, y = data(plan, 5, SquaredError())
    x[3, 1] = np.nan
    losses, parameters, engine = train(plan, start, x, y, SquaredError(), SGD(), 5, 1)
    assert np.isnan(losses[0])
    assert engine.t == 0
    np.testing.assert_array_equal(parameters, start)


@pytest.mark.portable
def test_what_is_infinite_in_no_row_does_no_harm(path):
    """A saturated unit: lanes without a row see what the rows see, and add nothing."""
    plan, start = network((2, 3, 1), "sigmoid", bias=False)
    plan.weights(start)[0][0, 0] = np.inf
    x, y = np.array([[1.0, 0.5], [2.0, -0.5], [3.0, 1.0]]), np.ones((3, 1))
    losses, parameters, _ = train(plan, start, x, y, SquaredError(), SGD(0.1), 3, 2)
    wanted = start.copy()
    np.testing.assert_allclose(losses, reference.train(plan, wanted, x, y, SquaredError(), SGD(0.1), 2), rtol=1e-13)
    np.testing.assert_allclose(parameters, wanted, rtol=1e-13)


@pytest.mark.portable
def test_divergence(path):
    plan, start = network((3, 4, 2), "identity")
    x, y = data(plan, 5, SquaredError())
    losses, _, engine = train(plan, start, x, y, SquaredError(), SGD(1e8), 5, 100)
    assert 0 < engine.t < 100
    assert not np.isfinite(losses[engine.t])


# Which networks


def test_which_networks_are_tiny():
    for dtype in DTYPES:
        assert is_tiny(make_plan((3, 4, 1), "sigmoid", "sigmoid", False, dtype), SquaredError("sum", 0.5), 5)
        assert is_tiny(make_plan((4, 8, 3), "relu", "softmax", True, dtype), CrossEntropy(), 30)
        assert not is_tiny(make_plan((3, 4, 1), "relu", "identity", True, dtype), SquaredError(), 10_000)
        assert not is_tiny(make_plan((40, 100, 10), "relu", "identity", True, dtype), SquaredError(), 1)
        assert not is_tiny(make_plan((3, 4, 2), "relu", "softmax", True, dtype), SquaredError(), 5)


def test_what_is_not_supported_goes_the_general_way():
    plan, start = network((3, 4, 2), "tanh", "softmax")
    x, y = data(plan, 5, CrossEntropy())
    check(plan, start, x, y, SquaredError(), SGD(0.1), 5, 3)


def test_another_network_compiles_nothing(path):
    plan, start = network((3, 4, 2))
    train(plan, start, *data(plan, 5, SquaredError()), SquaredError(), Adam(), 5, 1)
    before = _jit.compilations()
    plan, start = network((5, 2, 3, 1), "softplus", "sigmoid", False)
    train(plan, start, *data(plan, 20, BinaryCrossEntropy()), BinaryCrossEntropy(), SGD(), 7, 6, orders(2, 20))
    assert _jit.compilations() == before
