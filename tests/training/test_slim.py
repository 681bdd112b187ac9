"""Slim networks' own steps against the definition: every activation, loss, rule and shape, threads, and any split."""

import itertools

import numpy as np
import pytest

from fastff import _jit, _threads, reference
from fastff.losses import BinaryCrossEntropy, CrossEntropy, SquaredError
from fastff.network.plan import make_plan
from fastff.ops.activations import ACTIVATIONS, OUTPUTS
from fastff.optim import SGD, Adam
from fastff.simd.bands import PAIR_INPUTS, PAIR_OUTPUTS, TILE_UNITS, TILE_VECTORS
from fastff.training import engine as engine_module
from fastff.training import slim, team
from fastff.training.slim import is_slim
from fastff.training.tiny import cost_code
from tests.calls import DTYPES, lanes
from tests.training.test_tiny import (
    LOSSES,
    OPTIMIZERS,
    PAIRS,
    check,
    check_copy,
    check_splits,
    data,
    network,
    orders,
    train,
)

dtypes = pytest.mark.parametrize("dtype", DTYPES)


@pytest.fixture(autouse=True)
def path(monkeypatch):
    """All steps are those of slim networks, whatever the size, and threads are worth waking."""

    def chosen(plan, loss, rows):
        return cost_code(OUTPUTS[plan.activations[-1]], loss) >= 0

    monkeypatch.setattr(engine_module, "is_tiny", lambda *_: False)
    monkeypatch.setattr(engine_module, "is_slim", chosen)
    monkeypatch.setattr(team, "STEP_OPERATIONS", 0.0)
    monkeypatch.setattr(team, "CALL_OPERATIONS", 0.0)
    before = _threads.get_num_threads()
    yield
    _threads.set_num_threads(before)


@pytest.mark.portable
@dtypes
@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_every_output_and_loss(output, loss, dtype):
    for rows, bias, optimizer in ((1, True, "sgd"), (5 * lanes(dtype) + 3, False, "momentum")):
        plan, start = network((3, 4, 2), "tanh", output, bias, dtype)
        x, y = data(plan, rows, LOSSES[loss])
        check(plan, start, x, y, LOSSES[loss], OPTIMIZERS[optimizer], rows, 3)


@pytest.mark.portable
@dtypes
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_hidden_activation(activation, dtype):
    for bias, rows in ((True, 5), (False, 4 * lanes(dtype) + 1)):
        plan, start = network((3, 5, 4, 2), activation, "softmax", bias, dtype)
        x, y = data(plan, rows, CrossEntropy())
        check(plan, start, x, y, CrossEntropy(), SGD(0.1), rows, 3)


@pytest.mark.portable
@dtypes
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer(optimizer, dtype):
    """With and without biases, orders, and a smaller last batch."""
    for bias, shuffled in itertools.product((True, False), (True, False)):
        plan, start = network((3, 8, 2), "tanh", "identity", bias, dtype)
        x, y = data(plan, 70, SquaredError())
        order = orders(3, 70) if shuffled else None
        check(plan, start, x, y, SquaredError(), OPTIMIZERS[optimizer], 30, 3, order)


@pytest.mark.portable
@dtypes
def test_labels(dtype):
    for reduction, rows, shuffled in (("mean", 5, True), ("sum", 4 * lanes(dtype) + 2, False)):
        loss = CrossEntropy(reduction)
        plan, start = network((3, 4, 5), "relu", "softmax", True, dtype)
        x, labels = data(plan, rows, loss, labels=True)
        order = orders(2, rows) if shuffled else None
        check(plan, start, x, labels, loss, SGD(0.02), rows, 2, order)
        y = np.eye(5, dtype=dtype)[labels]
        for got, same in zip(*(train(plan, start, x, t, loss, SGD(0.02), rows, 2, order)[:2] for t in (labels, y))):
            np.testing.assert_array_equal(got, same)


@dtypes
def test_every_width(dtype):
    """Up to several tiles of units, of inputs and of outputs, and more columns of data than a vector has lanes."""
    most = 2 * max(TILE_UNITS, PAIR_INPUTS, PAIR_OUTPUTS) + 2
    for width in (*range(1, most), lanes(dtype), 2 * lanes(dtype) + 1, 64):
        for sizes in ((width, 1), (1, width), (3, width, 2), (width, width, width)):
            plan, start = network(sizes, "sigmoid", "tanh", width % 2 == 0, dtype)
            x, y = data(plan, 9, SquaredError())
            check(plan, start, x, y, SquaredError("mean"), SGD(0.05), 9, 2)


@dtypes
def test_every_number_of_rows(dtype):
    group = TILE_VECTORS * lanes(dtype)
    for rows in (*range(1, lanes(dtype) + 2), group - 1, group, group + 1, 2 * group, 3 * group + 5):
        plan, start = network((2, 3, 1), "gelu", "sigmoid", True, dtype)
        x, y = data(plan, rows, BinaryCrossEntropy())
        check(plan, start, x, y, BinaryCrossEntropy(), Adam(0.01, epsilon=1e-3), rows, 3)


@pytest.mark.parametrize("shuffled", [False, True])
@dtypes
def test_many_rows_give_the_same_bits_for_every_number_of_threads(dtype, shuffled):
    """One slice, some and many, and a last batch and a last block that are smaller."""
    block = slim.BLOCK_VECTORS * lanes(dtype)
    for rows, batch in ((96 * block + 3, 96 * block + 3), (10 * block + 7, 5 * block), (300, 128)):
        plan, start = network((4, 6, 5, 3), "tanh", "identity", True, dtype)
        x, y = data(plan, rows, SquaredError())
        order = orders(2, rows) if shuffled else None
        steps = 2 * -(-rows // batch)
        job = plan, start, x, y, SquaredError(), Adam(0.01, epsilon=1e-3), batch
        _threads.set_num_threads(1)
        check(*job, 2, order)
        losses, parameters, _ = train(*job, steps, order)
        for threads in (2, 3):
            _threads.set_num_threads(threads)
            other_losses, other, _ = train(*job, steps, order, splits=(1,))
            np.testing.assert_array_equal(other_losses, losses)
            np.testing.assert_array_equal(other, parameters)


@pytest.mark.portable
def test_two_threads():
    plan, start = network((3, 4, 2), "tanh", "identity", True, np.dtype("float64"))
    x, y = data(plan, 600, SquaredError())
    job = plan, start, x, y, SquaredError(), Adam(0.01), 600, 2
    results = []
    for threads in (1, 2):
        _threads.set_num_threads(threads)
        results.append(train(*job)[:2])
    for one, two in zip(*results):
        np.testing.assert_array_equal(one, two)


@pytest.mark.portable
@dtypes
@pytest.mark.parametrize("optimizer", ["sgd_decay", "momentum", "adam"])
def test_any_split_into_calls_gives_the_same_bits(optimizer, dtype):
    check_splits(optimizer, dtype, ((6, orders(2, 11)), (11, None), (5, None)))


@pytest.mark.portable
def test_rows_that_are_not_kept_in_bands_give_the_same_bits(monkeypatch):
    plan, start = network((3, 4, 2))
    x, y = data(plan, 50, SquaredError())
    job = plan, start, x, y, SquaredError(), Adam(0.01), 20, 6
    losses, parameters, _ = train(*job)
    monkeypatch.setattr(slim, "KEPT_BYTES", 0)
    for got, same in zip(train(*job)[:2], (losses, parameters)):
        np.testing.assert_array_equal(got, same)


@pytest.mark.portable
def test_a_copy_of_the_engine_goes_on():
    check_copy(60)


@pytest.mark.portable
def test_loss_and_gradients_beside_training():
    """They go the general way, on the same weights."""
    plan, start = network((3, 4, 2))
    x, y = data(plan, 60, SquaredError())
    _, parameters, engine = train(plan, start, x, y, SquaredError(), SGD(0.1), 60, 2)
    wanted, gradient = reference.loss_and_gradient(plan, parameters, x, y, SquaredError())
    got = plan.empty()
    assert engine.loss(parameters, x, y) == pytest.approx(wanted, rel=1e-13)
    assert engine.loss_and_gradients(parameters, x, y, got) == pytest.approx(wanted, rel=1e-13)
    np.testing.assert_allclose(got, gradient, rtol=0, atol=1e-14)


# What is not finite


@pytest.mark.portable
@dtypes
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_loss_that_is_not_finite_stops_before_its_update(value, dtype):
    for (batch, row), optimizer, threads in itertools.product(((6, 7), (12, 11)), ("sgd", "adam"), (1, 2)):
        _threads.set_num_threads(threads)
        plan, start = network((3, 4, 2), "relu", dtype=dtype)
        x, y = data(plan, 12, SquaredError())
        y[row, 1] = value
        job = plan, start, x, y, SquaredError(), OPTIMIZERS[optimizer], batch
        losses, parameters, engine = train(*job, 12 // batch)
        bad = row // batch
        assert engine.t == bad
        assert np.isfinite(losses[:bad]).all()
        assert not np.isfinite(losses[bad])
        assert np.isnan(losses[bad + 1 :]).all()  # as they were
        before = train(*job, bad)[1] if bad else start
        np.testing.assert_array_equal(parameters, before)


@pytest.mark.portable
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_nan_of_an_input_shows_in_the_loss(activation):
    plan, start = network((3, 4, 2), activation)
    x, y = data(plan, 5, SquaredError())
    x[3, 1] = np.nan
    losses, parameters, engine = train(plan, start, x, y, SquaredError(), SGD(), 5, 1)
    assert np.isnan(losses[0])
    assert engine.t == 0
    np.testing.assert_array_equal(parameters, start)


@pytest.mark.portable
def test_divergence():
    plan, start = network((3, 4, 2), "identity")
    x, y = data(plan, 9, SquaredError())
    losses, _, engine = train(plan, start, x, y, SquaredError(), SGD(1e8), 9, 100)
    assert 0 < engine.t < 100
    assert not np.isfinite(losses[engine.t])


# Which networks


def test_which_networks_are_slim():
    for dtype in DTYPES:
        assert is_slim(make_plan((4, 32, 16, 4), "tanh", "identity", True, dtype), SquaredError(), 10_000)
        assert not is_slim(make_plan((4, 32, 16, 4), "tanh", "identity", True, dtype), SquaredError(), 1)
        assert is_slim(make_plan((20, 64, 32, 2), "relu", "softmax", True, dtype), CrossEntropy(), 10_000)
        assert not is_slim(make_plan((20, 64, 32, 2), "relu", "softmax", True, dtype), CrossEntropy(), 100)
        assert not is_slim(make_plan((784, 32, 10), "relu", "softmax", True, dtype), CrossEntropy(), 10_000)
        assert not is_slim(make_plan((4, 32, 4), "relu", "softmax", True, dtype), SquaredError(), 10_000)


def test_another_network_compiles_nothing():
    plan, start = network((3, 4, 2))
    train(plan, start, *data(plan, 50, SquaredError()), SquaredError(), Adam(), 50, 1)
    before = _jit.compilations()
    plan, start = network((5, 2, 13, 1), "softplus", "sigmoid", False)
    train(plan, start, *data(plan, 20, BinaryCrossEntropy()), BinaryCrossEntropy(), SGD(), 7, 6, orders(2, 20))
    assert _jit.compilations() == before
