"""Steps of one row by plain descent against the definition, and against the general loop for what is not finite."""

import itertools
import pickle

import numpy as np
import pytest

import fastff as ff
from fastff import _jit, reference
from fastff.losses import BinaryCrossEntropy, CrossEntropy, SquaredError
from fastff.network.plan import make_plan
from fastff.ops.activations import ACTIVATIONS
from fastff.optim import SGD, Adam
from fastff.training import engine as engine_module
from fastff.training import frame as frame_
from fastff.training.engine import Engine
from tests.calls import DTYPES, lanes
from tests.guarded import at_page_end
from tests.training.test_tiny import data, network, orders, train

dtypes = pytest.mark.parametrize("dtype", DTYPES)
HEADS = (
    ("identity", SquaredError()),
    ("tanh", SquaredError("sum", 0.5)),
    ("softmax", CrossEntropy()),
    ("softmax", SquaredError()),
    ("sigmoid", BinaryCrossEntropy()),
)


@pytest.fixture(autouse=True)
def way(monkeypatch):
    """Say which way steps of one row are made; tiny networks go no way of their own here."""
    monkeypatch.setattr(engine_module, "is_tiny", lambda plan, loss, rows: False)

    def choose(online):
        monkeypatch.setattr(engine_module, "ONLINE_ROWS", 1 if online else 0)

    return choose


def is_online(engine):
    return engine._workspace.frame[frame_.ONLINE] != 0


def both_ways(way, *job):
    """Losses, parameters and updates of a training, this way and the general one."""
    results = []
    for online in (True, False):
        way(online)
        with np.errstate(all="ignore"):
            losses, parameters, engine = train(*job)
        assert is_online(engine) == online
        results.append((losses, parameters, engine.t))
    return results


def check(plan, start, x, y, loss, epochs, order=None):
    """Losses and parameters as the definition has them, up to what rounding errors grow to."""
    optimizer = SGD(0.05)
    steps = epochs * len(x)
    losses, parameters, engine = train(plan, start, at_page_end(x), at_page_end(y), loss, optimizer, 1, steps, order)
    assert is_online(engine)
    assert engine.t == steps
    wanted = start.astype("f8")
    exact_y = y if y.dtype == np.int64 else y.astype("f8")
    exact = reference.train(plan, wanted, x.astype("f8"), exact_y, loss, optimizer, epochs, 1, order)
    eps = np.finfo(plan.dtype).eps
    np.testing.assert_allclose(losses, exact, rtol=100 * eps, atol=100 * eps * exact.max())
    np.testing.assert_allclose(parameters, wanted, rtol=0, atol=100 * eps * np.abs(wanted).max())


# What is computed


@pytest.mark.portable
@dtypes
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_hidden_activation(activation, dtype):
    for bias, shuffled in itertools.product((True, False), (True, False)):
        plan, start = network((5, 19, 6, 2), activation, "softmax", bias, dtype)
        x, y = data(plan, 3, CrossEntropy())
        check(plan, start, x, y, CrossEntropy(), 3, orders(3, 3) if shuffled else None)


@pytest.mark.portable
@dtypes
def test_every_kind_of_head(dtype):
    for (output, loss), bias in itertools.product(HEADS, (True, False)):
        plan, start = network((4, 7, 3), "relu", output, bias, dtype)
        x, y = data(plan, 4, loss)
        check(plan, start, x, y, loss, 2, orders(2, 4))


@dtypes
def test_every_width(dtype):
    """Around vectors and groups of vectors, and around blocks of rows; parameters end at a page's end."""
    n = lanes(dtype)
    widths = {1, 2, 3, 5, n - 1, n, n + 1, 7 * n + 3, 8 * n, 8 * n + 1, 16 * n + n // 2} - {0}
    for width, bias in itertools.product(sorted(widths), (True, False)):
        for sizes in ((3, width), (width, 3), (3, width, 2), (2, width, width + 1, 1)):
            plan, start = network(sizes, "relu", "identity", bias, dtype)
            x, y = data(plan, 2, SquaredError())
            check(plan, start, x, y, SquaredError("sum"), 2)


@pytest.mark.portable
@dtypes
def test_long_calls_train_on_padded_rows(dtype):
    plan, start = network((6, 21, 9, 3), "relu", "identity", True, dtype)
    x, y = data(plan, 10, SquaredError())
    check(plan, start, x, y, SquaredError(), 3, orders(3, 10))
    check(plan, start, x, y, SquaredError(), 3)


@pytest.mark.portable
@dtypes
def test_labels(dtype):
    plan, start = network((3, 9, 5), "relu", "softmax", True, dtype)
    x, labels = data(plan, 4, CrossEntropy(), labels=True)
    check(plan, start, x, labels, CrossEntropy(), 2, orders(2, 4))


@pytest.mark.portable
@dtypes
def test_zeros(dtype):
    """Inputs that are zero, units that are always dead, and layers where no unit is alive."""
    for dead in (0, 3, 20):
        plan, start = network((9, 20, 20, 2), "relu", "identity", True, dtype)
        for b in plan.biases(start)[:2]:
            b[:dead] = -100
        x, y = data(plan, 6, SquaredError())
        x[np.random.default_rng(4).uniform(size=x.shape) < 0.6] = 0
        x[3] = 0
        order = orders(3, 6)
        check(plan, start, x, y, SquaredError(), 3, order)
        _, after, engine = train(plan, start, x, y, SquaredError(), SGD(0.05), 1, 18, order)
        assert is_online(engine)
        for before, weight in zip(plan.weights(start)[1:], plan.weights(after)[1:]):
            np.testing.assert_array_equal(weight[:dead], before[:dead])


@pytest.mark.portable
@dtypes
def test_as_the_general_way(dtype, way):
    for activation, bias in itertools.product(("relu", "gelu"), (True, False)):
        plan, start = network((5, 40, 17, 3), activation, "identity", bias, dtype)
        x, y = data(plan, 8, SquaredError())
        x[x < 0] = 0
        job = plan, start, x, y, SquaredError(), SGD(0.05), 1, 16, orders(2, 8)
        (losses, parameters, _), (other_losses, others, _) = both_ways(way, *job)
        eps = np.finfo(dtype).eps
        np.testing.assert_allclose(losses, other_losses, rtol=100 * eps)
        np.testing.assert_allclose(parameters, others, rtol=0, atol=100 * eps)


@pytest.mark.portable
@dtypes
def test_any_split_into_calls_gives_the_same_bits(dtype):
    """Also where a call's rows are padded and another's are not."""
    for activation, order in itertools.product(("relu", "tanh"), (orders(3, 11), None)):
        plan, start = network((4, 18, 7, 2), activation, "softmax", True, dtype)
        x, y = data(plan, 11, CrossEntropy())
        x[x < 0] = 0
        job = plan, start, x, y, CrossEntropy(), SGD(0.1), 1, 33, order
        losses, parameters, _ = train(*job)
        for splits in ((1,), (16,), (5, 30), tuple(range(1, 33))):
            other_losses, other, _ = train(*job, splits=splits)
            np.testing.assert_array_equal(other_losses, losses)
            np.testing.assert_array_equal(other, parameters)


@pytest.mark.portable
def test_a_copy_of_the_engine_goes_on():
    plan, start = network((3, 14, 2), "relu")
    x, y = data(plan, 6, SquaredError())
    job = plan, start, x, y, SquaredError(), SGD(0.1), 1
    losses, parameters, _ = train(*job, 8)
    _, half, engine = train(*job, 5)
    more = np.zeros(3)
    assert pickle.loads(pickle.dumps(engine)).run(half, x, y, None, 1, 5, 3, more) == 3
    np.testing.assert_array_equal(half, parameters)
    np.testing.assert_array_equal(more, losses[5:])


def test_steps_from_python():
    """One row after the other, and as one fit."""
    x, y = np.random.default_rng(5).normal(size=(7, 30)), np.random.default_rng(6).normal(size=(7, 2))
    networks = [ff.Network((30, 25, 2), random_state=1, dtype="float64") for _ in range(2)]
    trainers = [ff.Trainer(network, optimizer=SGD(0.01), batch_size=1, shuffle=False) for network in networks]
    for i in range(7):
        trainers[0].step(x[i : i + 1], y[i : i + 1])
    trainers[1].fit(x, y, epochs=1)
    np.testing.assert_array_equal(networks[0].parameters, networks[1].parameters)


# What is not finite


@pytest.mark.portable
@dtypes
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_weight_that_is_not_finite_shows_whatever_is_dead(value, dtype, way):
    """In rows whose input is zero, or whose unit is dead: zero times it is no number."""
    for layer, bias in itertools.product((0, 1), (True, False)):
        plan, start = network((3, 8, 2), "relu", "identity", bias, dtype)
        plan.weights(start)[0][:, 2] = -1
        plan.weights(start)[layer][2 * layer, 1] = value
        x, y = np.abs(data(plan, 1, SquaredError())[0]), np.ones((1, 2), dtype)
        x[0, 0] = 0
        for losses, parameters, made in both_ways(way, plan, start, x, y, SquaredError(), SGD(0.1), 1, 1):
            assert np.isnan(losses[0])
            assert made == 0
            np.testing.assert_array_equal(parameters, start)


@pytest.mark.portable
@pytest.mark.parametrize("bias", [True, False])
def test_a_weight_that_overflows_shows_in_the_next_step(bias, way):
    """Even where its unit is dead then."""
    plan, start = network((1, 2, 1), "relu", "identity", bias, "float32")
    start[...] = 0
    plan.weights(start)[0][0] = 1e19, -1
    x, y = np.array([[1], [-1]], "f4"), np.array([[1e19], [0]], "f4")
    for losses, parameters, made in both_ways(way, plan, start, x, y, SquaredError(), SGD(10.0), 1, 2):
        assert np.isfinite(losses[0])
        assert np.isnan(losses[1])
        assert made == 1
        assert plan.weights(parameters)[1][0, 0] == np.inf


@pytest.mark.portable
@pytest.mark.parametrize("bias", [True, False])
def test_a_weight_of_the_first_layer_that_overflows_shows_in_the_next_step(bias, way):
    plan, start = network((2, 1), bias=bias, dtype="float32")
    start[...] = 0
    x, y = np.array([[1e20, 0], [0, 1]], "f4"), np.array([[1e18], [0]], "f4")
    for losses, parameters, made in both_ways(way, plan, start, x, y, SquaredError(), SGD(10.0), 1, 2):
        assert np.isfinite(losses[0])
        assert np.isnan(losses[1])
        assert made == 1
        assert plan.weights(parameters)[0][0, 0] == np.inf


@pytest.mark.portable
@pytest.mark.parametrize("bias", [True, False])
def test_a_derivative_that_overflows_reaches_dead_units(bias, way):
    """The same parameters as by the general way, NaN for NaN."""
    plan, start = network((1, 2, 1, 1), "relu", "identity", bias, "float32")
    start[...] = 0
    plan.weights(start)[0][0] = 1, -1
    plan.weights(start)[1][:, 0] = 1e-20, 1
    plan.weights(start)[2][0, 0] = 1e25
    # the first step passes all rows anyway: it changes nothing
    reached = plan.weights(start)[1][0] * plan.weights(start)[2][0]
    x, y = np.array([[1], [1]], "f4"), np.array([reached, [1e19]], "f4")
    job = plan, start, x, y, SquaredError(), SGD(0.1), 1, 2
    (losses, parameters, made), (other_losses, others, other_made) = both_ways(way, *job)
    assert np.isnan(others).any()
    assert made == other_made == 2
    np.testing.assert_array_equal(losses, other_losses)
    np.testing.assert_array_equal(np.isnan(parameters), np.isnan(others))


@pytest.mark.portable
@dtypes
def test_a_loss_that_is_not_finite_stops_before_its_update(dtype):
    for shuffled in (False, True):
        plan, start = network((3, 14, 2), "relu", dtype=dtype)
        x, y = data(plan, 12, SquaredError())
        order = np.arange(12)[None, ::-1].copy() if shuffled else None
        y[4 if shuffled else 7, 1] = np.nan
        job = plan, start, x, y, SquaredError(), SGD(0.05), 1
        losses, parameters, engine = train(*job, 12, order)
        assert engine.t == 7
        assert np.isfinite(losses[:7]).all()
        assert np.isnan(losses[7:]).all()
        np.testing.assert_array_equal(parameters, train(*job, 7, order)[1])


@pytest.mark.portable
def test_nan_without_biases_is_gone_with_its_call():
    """What stands in for biases is zero again."""
    plan, start = network((3, 14, 2), "relu", bias=False)
    x, y = data(plan, 3, SquaredError())
    engine, losses = Engine(plan, SquaredError(), SGD(0.1), 1), np.zeros(3)
    broken = start.copy()
    broken[0] = np.nan
    assert engine.run(broken, x, y, None, 1, 0, 1, losses[:1]) == 0
    parameters = start.copy()
    assert engine.run(parameters, x, y, None, 1, 0, 3, losses) == 3
    np.testing.assert_array_equal(parameters, train(plan, start, x, y, SquaredError(), SGD(0.1), 1, 3)[1])


# Where it is taken


def test_other_rules_and_more_rows_go_the_general_way():
    plan, start = network((3, 14, 2), "relu")
    x, y = data(plan, 4, SquaredError())
    for rows, optimizer in ((2, SGD(0.1)), (1, SGD(0.1, momentum=0.9)), (1, SGD(0.1, weight_decay=0.1)), (1, Adam())):
        _, _, engine = train(plan, start, x, y, SquaredError(), optimizer, rows, 2)
        assert not is_online(engine)


@pytest.mark.portable
def test_tiny_networks_of_some_size_too(monkeypatch):
    """In a flat layout, which steps of a few rows share."""
    monkeypatch.setattr(engine_module, "is_tiny", lambda plan, loss, rows: True)
    for sizes, online in (((3, 4, 1), False), ((4, 9, 2), True)):
        plan, start = network(sizes, "relu")
        x, y = data(plan, 5, SquaredError())
        engine, parameters, losses = Engine(plan, SquaredError(), SGD(0.1), 5), start.copy(), np.zeros(10)
        wanted = start.copy()
        assert engine.run(parameters, x, y, None, 5, 0, 2, losses[:2]) == 2
        assert not is_online(engine)
        assert engine.run(parameters, x, y, None, 1, 0, 5, losses[2:7]) == 5
        assert is_online(engine) == online
        assert engine.run(parameters, x, y, None, 5, 0, 3, losses[7:]) == 3
        exact = [
            reference.train(plan, wanted, x, y, SquaredError(), SGD(0.1), epochs, rows)
            for epochs, rows in ((2, 5), (1, 1), (3, 5))
        ]
        np.testing.assert_allclose(losses, np.concatenate(exact), rtol=1e-12)
        np.testing.assert_allclose(parameters, wanted, rtol=0, atol=1e-13)


def test_a_rate_of_zero_changes_nothing():
    for rate in (0.0, 1e-60):
        plan, start = network((3, 14, 2), "relu", dtype="float32")
        x, y = data(plan, 4, SquaredError())
        _, parameters, engine = train(plan, start, x, y, SquaredError(), SGD(rate), 1, 4)
        assert is_online(engine)
        np.testing.assert_array_equal(parameters, start)


@pytest.mark.portable
def test_steps_of_more_rows_in_between():
    plan, start = network((3, 14, 2), "relu")
    x, y = data(plan, 4, SquaredError())
    engine, parameters, losses = Engine(plan, SquaredError(), SGD(0.1), 1), start.copy(), np.zeros(4)
    wanted = start.copy()
    for step, rows in enumerate((1, 4, 1, 2)):
        assert engine.run(parameters, x[:rows], y[:rows], None, rows, 0, 1, losses[step : step + 1]) == 1
        assert is_online(engine) == (rows == 1)
        value, gradient = reference.loss_and_gradient(plan, wanted, x[:rows], y[:rows], SquaredError())
        reference.update(SGD(0.1), wanted, gradient, np.zeros((0, start.size)), step + 1)
        assert losses[step] == pytest.approx(value, rel=1e-13)
    np.testing.assert_allclose(parameters, wanted, rtol=0, atol=1e-13)


def test_another_network_compiles_nothing():
    plan, start = network((3, 14, 2), "relu")
    train(plan, start, *data(plan, 2, SquaredError()), SquaredError(), SGD(0.1), 1, 2)
    before = _jit.compilations()
    plan = make_plan((5, 40, 3, 1), "softplus", "sigmoid", False, "float64")
    start = np.full(plan.n_parameters, 0.1)
    train(plan, start, *data(plan, 4, BinaryCrossEntropy()), BinaryCrossEntropy(), SGD(0.1), 1, 4, orders(1, 4))
    assert _jit.compilations() == before
