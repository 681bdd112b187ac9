"""The compiled training loop against the definition, and the same bits however it is run."""

import itertools
import pickle
import threading

import numpy as np
import pytest

import fastff as ff
from fastff import _jit, reference
from fastff.losses import BinaryCrossEntropy, CrossEntropy, SquaredError
from fastff.network.plan import make_plan
from fastff.ops.activations import ACTIVATIONS, OUTPUTS
from fastff.optim import SGD, Adam
from fastff.training import engine as engine_module
from fastff.training import frame as frame_
from fastff.training import team as team_module
from fastff.training import workspace as workspace_module
from fastff.training.engine import Engine

DTYPES = ("float32", "float64")
dtypes = pytest.mark.parametrize("dtype", DTYPES)
LOSSES = {
    "squared_error": SquaredError(),
    "half_sum": SquaredError("sum", 0.5),
    "cross_entropy": CrossEntropy(),
    "cross_entropy_sum": CrossEntropy("sum"),
    "binary_cross_entropy": BinaryCrossEntropy(),
    "binary_cross_entropy_sum": BinaryCrossEntropy("sum"),
}
OPTIMIZERS = {
    "sgd": SGD(0.05),
    "sgd_decay": SGD(0.05, weight_decay=0.1),
    "momentum": SGD(0.05, momentum=0.9),
    "momentum_decay": SGD(0.05, momentum=0.9, weight_decay=0.1),
    "nesterov": SGD(0.05, momentum=0.9, nesterov=True),
    "nesterov_decay": SGD(0.05, momentum=0.9, nesterov=True, weight_decay=0.1),
    "adam": Adam(0.01),
    "adam_decay": Adam(0.01, beta1=0.8, beta2=0.95, epsilon=1e-3, weight_decay=0.1),
}
# Where the last layer's logits lie so that its values are inside (0, 1), as the logarithms of cross entropy want.
CENTRE = {"tanh": 0.5, "gelu": 0.6, "silu": 0.8, "softplus": -0.4, "sigmoid": 0, "softmax": 0}


@pytest.fixture
def engine_room(monkeypatch):
    """Set what decides between ways of computing: threads, and the sizes from which each is taken."""
    before = ff.get_num_threads()
    # small jobs take the whole team
    monkeypatch.setattr(team_module, "STEP_OPERATIONS", 1e-9)
    monkeypatch.setattr(team_module, "CALL_OPERATIONS", 0)

    def settings(threads=None, chunk_rows=None, panel_rows=None):
        if threads is not None:
            ff.set_num_threads(threads)
        if chunk_rows is not None:
            for name in ("CHUNK_ROWS", "LARGE_CHUNK_ROWS", "WHOLE_ROWS"):
                monkeypatch.setattr(workspace_module, name, chunk_rows)
            monkeypatch.setattr(workspace_module, "CHUNK_OPERATIONS", 0)
        if panel_rows is not None:
            for name in ("PANEL_ROWS", "DEAR_PANEL_ROWS"):
                monkeypatch.setattr(workspace_module, name, panel_rows)

    yield settings
    ff.set_num_threads(before)


def network(sizes, activation="tanh", output="identity", bias=True, dtype="float64", seed=1):
    """A plan, and parameters that keep every layer's values moderate."""
    plan = make_plan(sizes, activation, output, bias, dtype)
    flat, rng = plan.empty(), np.random.default_rng(seed)
    for weight in plan.weights(flat):
        weight[...] = rng.normal(0, len(weight) ** -0.5, weight.shape)
    for b in plan.biases(flat):
        b[...] = rng.normal(0, 0.1, b.shape)
    return plan, flat


def data(plan, rows, loss, seed=2, labels=False):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, plan.n_inputs)).astype(plan.dtype)
    if loss.name == "squared_error":
        y = rng.normal(size=(rows, plan.n_outputs))
    elif labels:
        return x, rng.integers(0, plan.n_outputs, rows)
    else:
        y = rng.uniform(size=(rows, plan.n_outputs))
        y[0] = 0
        y[-1] = 1
        if loss.name == "cross_entropy":
            y[0, 0] = 1
            y /= y.sum(axis=1, keepdims=True)
    return x, y.astype(plan.dtype)


def orders(epochs, rows, seed=3):
    rng = np.random.default_rng(seed)
    return np.array([rng.permutation(rows) for _ in range(epochs)], np.int64)


class Run:
    """One training by the engine: the losses of its steps, and what it left behind."""

    def __init__(self, plan, start, x, y, loss, optimizer, batch, steps, order=None, splits=(), rows=None):
        self.parameters = plan.empty()
        self.parameters[...] = start
        self.engine = Engine(plan, loss, optimizer, min(batch, len(x)) if rows is None else rows)
        self.losses = np.full(steps, np.nan)
        self.done = 0
        for first, last in itertools.pairwise([0, *splits, steps]):
            made = self.engine.run(self.parameters, x, y, order, batch, first, last - first, self.losses[first:last])
            self.done += made
            if made < last - first:
                break
        assert self.engine.t == self.done

    def __eq__(self, other):
        """The same bits; what stands between the numbers of the engine's state may depend on how it was run."""
        return (
            self.done == other.done
            and np.array_equal(self.losses, other.losses, equal_nan=True)
            and np.array_equal(self.parameters, other.parameters, equal_nan=True)
        )


# Losses and gradients


def check_gradients(plan, parameters, x, y, loss):
    before, results = parameters.copy(), []
    for single in (False, True):  # in panels, and row-major
        gradient = np.full(plan.n_parameters, np.nan, plan.dtype)
        engine = Engine(plan, loss, SGD(), len(x), single)
        value = engine.loss_and_gradients(parameters, x, y, gradient)
        assert engine.loss(parameters, x, y) == value
        assert engine.t == 0
        np.testing.assert_array_equal(parameters, before)
        results.append((value, gradient, engine._layout.strips))
    if not any(results[0][2]):  # a strip's sums are cut into the lanes of a vector
        assert results[0][0] == results[1][0]
        np.testing.assert_array_equal(results[0][1], results[1][1])
    exact_y = y if y.dtype == np.int64 else y.astype("f8")
    wanted, slope = reference.loss_and_gradient(plan, parameters.astype("f8"), x.astype("f8"), exact_y, loss)
    eps = np.finfo(plan.dtype).eps
    for value, gradient, _ in results:
        assert abs(value - wanted) <= 300 * eps * abs(wanted)
        for got, exact in zip(plan.weights(gradient) + plan.biases(gradient), plan.weights(slope) + plan.biases(slope)):
            assert np.abs(got - exact).max() <= 500 * eps * max(np.abs(exact).max(), np.abs(slope).max() / 10)
    return results[0][:2]


def check_pair(output, loss, dtype, sizes, rows):
    plan, parameters = network(sizes, "tanh", output, True, dtype)
    plan.weights(parameters)[-1][...] *= 0.1
    plan.biases(parameters)[-1][...] = CENTRE.get(output, 0.5)
    check_gradients(plan, parameters, *data(plan, rows, LOSSES[loss]), LOSSES[loss])


@pytest.mark.portable
@dtypes
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("output", OUTPUTS)
def test_every_output_with_every_loss(output, loss, dtype):
    check_pair(output, loss, dtype, (3, 4, 2), 4)


@dtypes
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("output", OUTPUTS)
def test_every_output_with_every_loss_of_wide_layers(output, loss, dtype):
    check_pair(output, loss, dtype, (17, 33, 21), 30)


@pytest.mark.portable
@dtypes
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_hidden_activation(activation, dtype):
    for rows in (2, 6):
        plan, parameters = network((3, 5, 4, 2), activation, "softmax", True, dtype)
        check_gradients(plan, parameters, *data(plan, rows, CrossEntropy()), CrossEntropy())


@dtypes
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_hidden_activation_of_wide_layers(activation, dtype):
    for rows, bias in ((3, True), (9, False), (70, True)):
        plan, parameters = network((33, 100, 17, 3), activation, "identity", bias, dtype)
        check_gradients(plan, parameters, *data(plan, rows, SquaredError()), SquaredError())


@dtypes
@pytest.mark.parametrize(
    "sizes",
    [(1, 1), (1, 3, 1), (130, 1, 17), (17, 130, 33, 1), (3, 17, 33, 100, 2), (100, 1), (64, 33, 20, 2)],
    ids=str,
)
def test_odd_widths(sizes, dtype):
    for rows, bias in itertools.product((1, 2, 5, 23, 24, 65), (True, False)):
        plan, parameters = network(sizes, "sigmoid", "tanh", bias, dtype)
        check_gradients(plan, parameters, *data(plan, rows, SquaredError("sum")), SquaredError("sum"))


@pytest.mark.portable
@dtypes
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_labels(dtype, reduction):
    """Class labels are the rows of an identity matrix."""
    loss = CrossEntropy(reduction)
    for output, rows in itertools.product(("softmax", "sigmoid"), (1, 4, 30)):
        plan, parameters = network((3, 4, 5), "tanh", output, True, dtype)
        x, labels = data(plan, rows, loss, labels=True)
        value, gradient = check_gradients(plan, parameters, x, labels, loss)
        y = np.eye(5, dtype=dtype)[labels]
        other, same = check_gradients(plan, parameters, x, y, loss)
        np.testing.assert_allclose(value, other, rtol=20 * np.finfo(dtype).eps)
        np.testing.assert_allclose(gradient, same, rtol=0, atol=20 * np.finfo(dtype).eps * np.abs(same).max())


@dtypes
def test_chunks_of_a_batch_add_up(dtype, engine_room):
    """First, middle and last chunk; a batch that is a multiple, and one row more."""
    engine_room(chunk_rows=16)
    for rows, panel_rows in itertools.product((17, 32, 33, 64, 70), (1, 1000)):
        engine_room(panel_rows=panel_rows)
        plan, parameters = network((17, 33, 3), "silu", "softmax", True, dtype)
        check_gradients(plan, parameters, *data(plan, rows, CrossEntropy()), CrossEntropy())


@pytest.mark.parametrize("hidden", [30, 240, 1100])
def test_large_batch(hidden, engine_room):
    """More rows than a chunk really has: of small networks, of others, and of those whose weights are large."""
    plan, parameters = network((20, hidden, hidden, 2), "relu", "identity", True, "float64")
    engine_room(threads=2)
    rows = 2 * max(workspace_module.CHUNK_ROWS, workspace_module.WHOLE_ROWS, workspace_module.LARGE_CHUNK_ROWS) + 77
    check_gradients(plan, parameters, *data(plan, rows, SquaredError()), SquaredError())


# Training


def check_training(plan, start, x, y, loss, optimizer, batch, epochs, order=None):
    """Losses and parameters as the definition has them, whose rounding errors may grow from step to step."""
    steps = epochs * -(-len(x) // min(batch, len(x)))
    run = Run(plan, start, x, y, loss, optimizer, batch, steps, order)
    assert run.done == steps
    wanted = start.astype("f8")
    exact_y = y if y.dtype == np.int64 else y.astype("f8")
    losses = reference.train(plan, wanted, x.astype("f8"), exact_y, loss, optimizer, epochs, batch, order)
    eps = np.finfo(plan.dtype).eps
    np.testing.assert_allclose(run.losses, losses, rtol=3000 * eps)
    np.testing.assert_allclose(run.parameters, wanted, rtol=0, atol=3000 * eps * np.abs(wanted).max())
    return run


@pytest.mark.portable
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_small_training(optimizer, engine_room):
    plan, start = network((3, 4, 2), "tanh", "softmax")
    x, y = data(plan, 5, CrossEntropy(), labels=True)
    for threads, order in itertools.product((1, 2), (None, orders(2, 5))):
        engine_room(threads=threads)
        check_training(plan, start, x, y, CrossEntropy(), OPTIMIZERS[optimizer], 2, 2, order)


@dtypes
@pytest.mark.parametrize("sizes", [(13, 33, 15), (65, 33, 5), (33, 4, 20, 4)], ids=["", "strips", "narrow strips"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer(sizes, optimizer, dtype):
    """With and without biases and orders; few rows, and many; a last batch that is smaller."""
    if dtype == "float32" and optimizer == "adam":
        pytest.skip("divides rounding errors of single gradients by themselves")
    for batch, bias, shuffled in [(3, True, False), (7, False, True), (30, True, True), (41, False, False)]:
        plan, start = network(sizes, "tanh", "identity", bias, dtype)
        x, y = data(plan, 67, SquaredError())
        order = orders(2, 67) if shuffled else None
        check_training(plan, start, x, y, SquaredError(), OPTIMIZERS[optimizer], batch, 2, order)


@dtypes
@pytest.mark.parametrize(
    "sizes", [(1, 1), (3, 1), (130, 17), (1, 3, 1), (33, 130, 3), (100, 1, 33, 2), (17, 33, 100, 3, 1)], ids=str
)
def test_every_shape(sizes, dtype):
    for batch, optimizer in itertools.product((1, 4, 5, 24, 50), ("sgd", "momentum_decay")):
        plan, start = network(sizes, "tanh", "sigmoid", batch != 4, dtype)
        x, y = data(plan, 50, BinaryCrossEntropy())
        order = orders(1, 50) if batch % 2 else None
        check_training(plan, start, x, y, BinaryCrossEntropy(), OPTIMIZERS[optimizer], batch, 1, order)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_chunks(optimizer, engine_room):
    """Batches of several chunks, and a last batch of one or two."""
    engine_room(chunk_rows=16)
    for panel_rows, threads, shuffled in itertools.product((1, 1000), (1, 2), (False, True)):
        engine_room(threads=threads, panel_rows=panel_rows)
        plan, start = network((17 if shuffled else 70, 130, 3), "gelu", "softmax")
        x, y = data(plan, 101, CrossEntropy(), labels=True)
        order = orders(2, 101) if shuffled else None
        check_training(plan, start, x, y, CrossEntropy(), OPTIMIZERS[optimizer], 40, 2, order)


def test_a_batch_of_more_rows_than_there_are_is_all_rows():
    plan, start = network((3, 4, 1))
    x, y = data(plan, 9, SquaredError())
    assert Run(plan, start, x, y, SquaredError(), SGD(), 100, 3) == Run(plan, start, x, y, SquaredError(), SGD(), 9, 3)


def test_steps_may_have_more_rows_than_was_said():
    plan, start = network((3, 4, 1))
    x, y = data(plan, 70, SquaredError())
    run = Run(plan, start, x, y, SquaredError(), Adam(), 60, 4, rows=2)
    check_training(plan, start, x, y, SquaredError(), Adam(), 60, 2)
    np.testing.assert_allclose(run.parameters, Run(plan, start, x, y, SquaredError(), Adam(), 60, 4).parameters)


def test_rows_of_an_order_may_repeat():
    """An order is a list of rows: any rows, as often as they stand in it."""
    plan, start = network((3, 4, 1))
    x, y = data(plan, 6, SquaredError())
    order = np.array([[5, 5, 0, 1, 0, 5]])
    repeated = Run(plan, start, x, y, SquaredError(), SGD(0.1), 4, 2, order)
    straight = Run(plan, start, x[order[0]], y[order[0]], SquaredError(), SGD(0.1), 4, 2)
    assert repeated == straight


# The same bits


CASES = {
    # sizes, activation, output, loss, rows, batch, shuffled, panel_rows, chunk_rows
    "one row": ((33, 100, 3), "relu", "softmax", CrossEntropy(), 9, 1, True, None, None),
    "few rows": ((33, 130, 17), "tanh", "identity", SquaredError(), 14, 4, True, None, None),
    "row-major": ((33, 130, 3), "gelu", "softmax", CrossEntropy(), 50, 12, True, 1000, None),
    "panels": ((33, 143, 31, 15), "silu", "softmax", CrossEntropy(), 90, 40, False, None, None),
    "panels, shuffled": ((100, 143, 31, 15), "relu", "softmax", CrossEntropy(), 90, 40, True, None, None),
    "one layer": ((33, 130), "relu", "sigmoid", BinaryCrossEntropy(), 70, 30, True, None, None),
    "strips": ((70, 100, 66, 3), "tanh", "softmax", CrossEntropy(), 90, 40, False, None, None),
    "strips, chunks": ((70, 104, 70), "gelu", "identity", SquaredError(), 90, 45, True, None, 16),
    "narrow strips": ((40, 4, 30, 1), "tanh", "identity", SquaredError(), 90, 40, True, None, None),
    "narrow strips of one vector": ((100, 16, 3), "tanh", "identity", SquaredError(), 90, 40, True, None, None),
    "narrow strips, chunks": ((100, 17, 3), "tanh", "identity", SquaredError(), 90, 45, True, None, 16),
    "chunks": ((33, 143, 15), "gelu", "softmax", CrossEntropy(), 90, 45, True, None, 16),
    "chunks, row-major": ((17, 33, 3), "elu", "tanh", SquaredError(), 90, 45, False, 1000, 16),
}


def prepared(case, dtype, engine_room):
    sizes, activation, output, loss, rows, batch, shuffled, panel_rows, chunk_rows = CASES[case]
    engine_room(panel_rows=panel_rows, chunk_rows=chunk_rows)
    plan, start = network(sizes, activation, output, True, dtype)
    x, y = data(plan, rows, loss)
    epochs, order = 2, orders(2, rows) if shuffled else None
    return (plan, start, x, y, loss), (batch, epochs * -(-rows // batch), order)


@dtypes
@pytest.mark.parametrize("case", CASES)
def test_threads_give_the_same_bits(case, dtype, engine_room):
    for optimizer in ("sgd", "nesterov_decay", "adam"):
        what, how = prepared(case, dtype, engine_room)
        runs = []
        for threads in (1, 2, 3):
            engine_room(threads=threads)
            runs.append(Run(*what, OPTIMIZERS[optimizer], *how))
        assert runs[0].done == len(runs[0].losses)
        assert runs[1] == runs[0]
        assert runs[2] == runs[0]


@pytest.mark.portable
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_threads_give_the_same_bits_in_a_small_network(optimizer, engine_room):
    plan, start = network((3, 4, 2), "relu", "softmax")
    x, y = data(plan, 7, CrossEntropy(), labels=True)
    runs = []
    for threads in (1, 2, 3):
        engine_room(threads=threads)
        runs.append(Run(plan, start, x, y, CrossEntropy(), OPTIMIZERS[optimizer], 3, 3, orders(1, 7)))
    assert runs[1] == runs[0]
    assert runs[2] == runs[0]


@dtypes
@pytest.mark.parametrize("panels", [True, False])
@pytest.mark.parametrize(
    ("sizes", "activation", "layers"),
    [
        ((33, 130, 97, 65, 3), "tanh", 3),
        ((20, 70, 200, 96), "relu", 3),  # the last layer, too
        ((64, 128, 5, 128, 7), "silu", 1),  # up to the first that has too few columns
        ((17, 100, 100), "leaky_relu", 2),
        ((80, 100, 200, 66), "silu", 3),
    ],
)
def test_columns_of_several_layers(sizes, activation, layers, panels, dtype, engine_room, monkeypatch):
    """Threads that own columns, whatever the weights' layout and the rule, make the bits of one thread."""
    monkeypatch.setattr(engine_module, "ROWS_SHARED", 0)
    monkeypatch.setattr(engine_module, "UNEVEN", 3)
    if not panels:
        monkeypatch.setattr(workspace_module, "PANEL_LIMIT", 0)
        monkeypatch.setattr(workspace_module, "LARGE_PANEL_LIMIT", 0)
    plan, start = network(sizes, activation, "softmax", True, dtype)
    x, y = data(plan, 73, CrossEntropy(), labels=True)
    for optimizer, order in itertools.product(("sgd", "sgd_decay", "nesterov_decay", "adam"), (None, orders(2, 73))):
        results = []
        for threads in (1, 2, 3):
            engine_room(threads=threads)
            one = Run(plan, start, x, y, CrossEntropy(), OPTIMIZERS[optimizer], 36, 6, order)
            assert one.done == 6
            by_columns = one.engine._workspace.frame[frame_.BY_COLUMNS]
            assert threads == 3 or by_columns == (layers if threads == 2 else 0)
            gradient = np.empty_like(start)
            value = one.engine.loss_and_gradients(one.parameters, x, y, gradient)
            assert one.engine.loss(one.parameters, x, y) == value
            results.append((one, value, gradient))
        for one, value, gradient in results[1:]:
            assert one == results[0][0]
            assert value == results[0][1]
            np.testing.assert_array_equal(gradient, results[0][2])


def test_threads_give_the_same_gradients(engine_room):
    plan, parameters = network((33, 130, 17), "tanh", "softmax", True, "float32")
    x, y = data(plan, 45, CrossEntropy())
    engine_room(chunk_rows=16)
    results = []
    for threads in (1, 2, 3):
        engine_room(threads=threads)
        results.append(check_gradients(plan, parameters, x, y, CrossEntropy()))
    for value, gradient in results[1:]:
        assert value == results[0][0]
        np.testing.assert_array_equal(gradient, results[0][1])


def test_memory_for_threads_does_not_change_the_bits(engine_room, monkeypatch):
    """Where large buffers make chunks smaller, the number of threads has no say in it."""
    plan, start = network((17, 130, 3), "tanh", "softmax", True, "float32")
    x, y = data(plan, 900, CrossEntropy(), labels=True)
    monkeypatch.setattr(workspace_module, "CHUNK_BYTES", 1 << 20)
    runs = []
    for threads in (1, 2, 3):
        engine_room(threads=threads)
        runs.append(Run(plan, start, x, y, CrossEntropy(), SGD(0.1), 900, 4))
    assert runs[1] == runs[0]
    assert runs[2] == runs[0]


@dtypes
@pytest.mark.parametrize("case", CASES)
def test_any_split_into_calls_gives_the_same_bits(case, dtype, engine_room):
    for optimizer in ("sgd_decay", "momentum", "adam"):
        what, how = prepared(case, dtype, engine_room)
        whole = Run(*what, OPTIMIZERS[optimizer], *how)
        steps = how[1]
        for splits in ((steps // 2,), tuple(range(1, steps))):
            assert Run(*what, OPTIMIZERS[optimizer], *how, splits=splits) == whole


@pytest.mark.portable
@pytest.mark.parametrize("where", ["_describe_layers", "_clear_padding", "_copies_of", "copy_to_odd"])
def test_making_tables_may_be_broken_off(where, monkeypatch):
    """Ctrl-C between any two lines of Python: the next step makes anew what is not complete."""
    plan, start = network((70, 100, 3), "silu", "identity")
    x, y = data(plan, 40, SquaredError())
    engine, wanted, parameters = Engine(plan, SquaredError(), SGD(0.1), 40), start.copy(), start.copy()
    Engine(plan, SquaredError(), SGD(0.1), 40).run(wanted, x, y, None, 40, 0, 3, np.zeros(3))

    def pressed(*arguments, **named):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(workspace_module.Workspace, where, pressed)
        with pytest.raises(KeyboardInterrupt):
            engine.run(parameters, x, y, None, 40, 0, 3, np.zeros(3))
    np.testing.assert_array_equal(parameters, start)
    assert engine.run(parameters, x, y, None, 40, 0, 3, np.zeros(3)) == 3
    np.testing.assert_array_equal(parameters, wanted)


@pytest.mark.portable
def test_an_engine_goes_from_one_way_of_making_steps_to_another():
    """Rows one by one on padded copies, a few in lanes, many in tables: as by engines of their own."""
    plan, start = network((3, 8, 4), "tanh", "identity")
    x, y = data(plan, 100, SquaredError())
    shared, alone = start.copy(), start.copy()
    engine = Engine(plan, SquaredError(), SGD(0.1), 64)
    for rows, steps in ((1, 20), (5, 3), (1, 20), (64, 2), (100, 2), (5, 3), (1, 1), (64, 1)):
        for parameters, each in ((shared, engine), (alone, Engine(plan, SquaredError(), SGD(0.1), 64))):
            assert each.run(parameters, x, y, None, rows, 0, steps, np.zeros(steps)) == steps
        np.testing.assert_array_equal(shared, alone)
        if rows == 64:
            assert engine.loss(shared, x, y) == Engine(plan, SquaredError(), SGD(), 64).loss(shared, x, y)


@pytest.mark.portable
@pytest.mark.parametrize("optimizer", ["momentum", "adam"])
def test_looking_at_the_loss_does_not_change_a_training(optimizer):
    """Losses and gradients of other rows between two calls, more of them than a step has."""
    plan, start = network((3, 4, 2), "silu", "identity")
    x, y = data(plan, 12, SquaredError())
    arguments = plan, start, x, y, SquaredError(), OPTIMIZERS[optimizer], 5
    whole, run = Run(*arguments, 6), Run(*arguments, 3)
    more_x, more_y = data(plan, 80, SquaredError(), seed=9)
    before = run.parameters.copy(), run.engine.state.copy()
    run.engine.loss(run.parameters, more_x, more_y)
    run.engine.loss_and_gradients(run.parameters, more_x, more_y, plan.empty())
    np.testing.assert_array_equal(run.parameters, before[0])
    np.testing.assert_array_equal(run.engine.state, before[1])
    losses = np.zeros(3)
    assert run.engine.run(run.parameters, x, y, None, 5, 3, 3, losses) == 3
    np.testing.assert_array_equal(run.parameters, whole.parameters)
    np.testing.assert_array_equal(losses, whole.losses[3:])


@pytest.mark.portable
@pytest.mark.parametrize("copy", [lambda e: pickle.loads(pickle.dumps(e)), None], ids=["pickled", "state copied"])
@pytest.mark.parametrize("batch", [2, 30])
def test_another_engine_goes_on_where_one_stopped(copy, batch):
    plan, start = network((3, 4, 2), "tanh", "identity")
    x, y = data(plan, 30, SquaredError())
    arguments = plan, start, x, y, SquaredError(), Adam(0.01), batch
    whole, run = Run(*arguments, 8), Run(*arguments, 5)
    if copy is None:
        other = Engine(plan, SquaredError(), Adam(0.01), batch)
        other.state[...] = run.engine.state
        other.t = run.engine.t
    else:
        other = copy(run.engine)
        assert other.t == 5
    losses = np.zeros(3)
    assert other.run(run.parameters, x, y, None, batch, 5, 3, losses) == 3
    np.testing.assert_array_equal(run.parameters, whole.parameters)
    np.testing.assert_array_equal(losses, whole.losses[5:])


@pytest.mark.portable
def test_going_back_to_a_kept_state():
    """Parameters, state and clock written back: the steps made again have the same bits, in other arrays too."""
    plan, start = network((3, 4, 2), "tanh", "identity")
    x, y = data(plan, 30, SquaredError())
    run = Run(plan, start, x, y, SquaredError(), Adam(0.01), 30, 3)
    kept, state = run.parameters.copy(), run.engine.state.copy()
    results = []
    for replace in (False, True, False):
        losses = np.zeros(4)
        run.engine.run(run.parameters, x, y, None, 30, 3, 4, losses)
        results.append((run.parameters.copy(), losses))
        if replace:
            run.parameters = plan.empty()
            run.engine.state = state.copy()
        run.parameters[...] = kept
        run.engine.state[...] = state
        run.engine.t = 3
    for parameters, losses in results[1:]:
        np.testing.assert_array_equal(parameters, results[0][0])
        np.testing.assert_array_equal(losses, results[0][1])


@dtypes
@pytest.mark.parametrize("case", ["row-major", "panels", "panels, shuffled", "chunks"])
def test_room_between_the_numbers_of_the_state_is_the_same_in_every_run(case, dtype, engine_room, monkeypatch):
    """Whatever new buffers held before: a pickled trainer is the same bytes."""
    buffers = workspace_module.aligned
    for optimizer, threads in itertools.product(("momentum", "adam"), (1, 2)):
        what, how = prepared(case, dtype, engine_room)
        engine_room(threads=threads)
        states = []
        for content in (0, 1, 0xFF):

            def used(n_bytes, content=content):
                buffer = buffers(n_bytes)
                buffer[...] = content
                return buffer

            monkeypatch.setattr(workspace_module, "aligned", used)
            states.append(Run(*what, OPTIMIZERS[optimizer], *how).engine.state.tobytes())
        assert states[1] == states[0]
        assert states[2] == states[0]


@pytest.mark.portable
@pytest.mark.parametrize("rate", [0.0, 1e-50])
@pytest.mark.parametrize("rows", [1, 3, 30])
def test_a_learning_rate_of_zero_changes_nothing(rate, rows, engine_room):
    """Nor does one that the dtype rounds to zero."""
    for threads, chunk_rows in ((1, None), (2, None), (1, 16)):
        engine_room(threads=threads, chunk_rows=chunk_rows)
        plan, start = network((3, 5, 2), dtype="float32")
        x, y = data(plan, 60, SquaredError())
        run = Run(plan, start, x, y, SquaredError(), SGD(rate), rows, 60 // rows)
        assert run.done == 60 // rows
        np.testing.assert_array_equal(run.parameters, start)


@pytest.mark.portable
@dtypes
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "nesterov_decay", "adam"])
@pytest.mark.parametrize("sizes", [(7, 33, 15), (70, 33, 5), (33, 4, 20, 4)], ids=["", "strips", "narrow strips"])
def test_an_engine_grows(sizes, optimizer, dtype, engine_room, monkeypatch):
    """Steps of one row, then of more, single ones and a fit's, which want another layout: the state goes along."""
    rule = OPTIMIZERS[optimizer]
    if dtype == "float32" and optimizer == "adam":
        rule = Adam(0.01, epsilon=1e-2)
    plan, start = network(sizes, "tanh", "identity", optimizer != "momentum", dtype)
    x, y = data(plan, 50, SquaredError())
    engine, parameters = Engine(plan, SquaredError(), rule, 1, True), plan.empty()
    parameters[...] = start
    wanted, states = start.astype("f8"), np.zeros((rule.n_states, plan.n_parameters))
    small = plan.n_parameters * plan.dtype.itemsize * (1 + rule.n_states) + 1
    single_steps = [(1, True, 0), (10, True, 0)]
    fits = [(1, False, 0), (10, False, small), (11, False, 0), (50, False, 0)]
    layouts = []
    for t, (rows, single, small_state) in enumerate([*single_steps, *fits, (2, True, 0)], 1):
        monkeypatch.setattr(workspace_module, "SMALL_STATE", small_state)
        engine.grow(rows, single)
        layouts.append(engine._layout.panels)
        losses = np.zeros(1)
        assert engine.run(parameters, x[:rows], y[:rows], None, rows, 0, 1, losses) == 1
        exact = x[:rows].astype("f8"), y[:rows].astype("f8")
        loss, gradient = reference.loss_and_gradient(plan, wanted, *exact, SquaredError())
        reference.update(rule, wanted, gradient, states, t)
        assert losses[0] == pytest.approx(loss, rel=1000 * float(np.finfo(dtype).eps))
    np.testing.assert_allclose(parameters, wanted, rtol=0, atol=1000 * np.finfo(dtype).eps * np.abs(wanted).max())
    # ten rows want panels in a fit, but not where they are single steps, nor with little state
    assert layouts == [False, False, False, rule.n_states == 0, True, True, True]


@pytest.mark.parametrize(
    ("rows", "single_rows", "n_states", "mega", "panels"),
    [
        (4, 0, 0, 1, False),
        (5, 0, 0, 1, True),
        (5, 0, 2, 1.1, True),
        (5, 0, 2, 0.25, False),
        (24, 0, 2, 0.25, True),
        (1, 23, 0, 1, False),
        (1, 24, 0, 1, True),
        (64, 0, 0, 15, True),
        (65, 0, 0, 15, False),
        (64, 65, 0, 15, False),
        (0, 64, 0, 15, False),
        (64, 0, 0, 70, False),
    ],
)
def test_where_weights_stand_in_panels(rows, single_rows, n_states, mega, panels):
    """By the rows of a step and the megabytes of parameters and state."""
    plan = make_plan((1024, round(mega * 256 / (1 + n_states)), 3), "relu", "identity", False, "float32")
    assert workspace_module.Layout.of(plan, rows, single_rows, n_states).panels == panels


# Divergence


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("batch", "row"), [(1, 11), (3, 7), (30, 70), (45, 80)])
def test_a_loss_that_is_not_finite_stops_before_its_update(value, batch, row, engine_room):
    """The steps before are made, the loss is written, its step is not made: on any number of threads."""
    engine_room(chunk_rows=32)
    plan, start = network((17, 33, 3), "relu")
    for threads, optimizer in itertools.product((1, 2), ("sgd", "adam")):
        engine_room(threads=threads)
        x, y = data(plan, 90, SquaredError())
        y[row, 1] = value
        bad = row // batch
        run = Run(plan, start, x, y, SquaredError(), OPTIMIZERS[optimizer], batch, 90 // batch)
        assert run.done == bad
        assert np.isfinite(run.losses[:bad]).all()
        assert not np.isfinite(run.losses[bad])
        if bad:
            assert Run(plan, start, x, y, SquaredError(), OPTIMIZERS[optimizer], batch, bad).parameters.tolist() == (
                run.parameters.tolist()
            )
        else:
            np.testing.assert_array_equal(run.parameters, start)


def test_a_loss_that_is_not_finite_with_columns_of_several_layers(engine_room, monkeypatch):
    """Its gradients show it, and its step is not made."""
    monkeypatch.setattr(engine_module, "ROWS_SHARED", 0)
    plan, start = network((17, 96, 128, 64), "relu")
    x, y = data(plan, 60, SquaredError())
    y[50, 1] = np.inf
    for threads in (1, 2):
        engine_room(threads=threads)
        run = Run(plan, start, x, y, SquaredError(), SGD(0.01), 20, 3)
        assert run.engine._workspace.frame[frame_.BY_COLUMNS] == (3 if threads == 2 else 0)
        assert run.done == 2
        assert Run(plan, start, x[:40], y[:40], SquaredError(), SGD(0.01), 20, 2).parameters.tolist() == (
            run.parameters.tolist()
        )
        gradient = np.zeros_like(start)
        assert not np.isfinite(run.engine.loss_and_gradients(run.parameters, x, y, gradient))
        assert not np.isfinite(gradient).all()


@pytest.mark.portable
def test_divergence_of_a_learning_rate():
    plan, start = network((3, 4, 2), "identity")
    x, y = data(plan, 5, SquaredError())
    run = Run(plan, start, x, y, SquaredError(), SGD(1e8), 5, 100)
    assert 0 < run.done < 100
    assert not np.isfinite(run.losses[run.done])
    assert np.isnan(run.losses[run.done + 1 :]).all()  # as they were
    value = run.engine.loss(run.parameters, x, y)
    np.testing.assert_equal(value, run.losses[run.done])


# One compilation, many networks


def test_another_network_compiles_nothing():
    plan, start = network((3, 4, 1))
    Run(plan, start, *data(plan, 5, SquaredError()), SquaredError(), SGD(), 5, 1)
    before = _jit.compilations()
    plan, start = network((7, 40, 30, 2), "gelu", "softmax", False)
    Run(plan, start, *data(plan, 90, CrossEntropy()), CrossEntropy(), Adam(), 40, 3, orders(2, 90))
    Engine(plan, CrossEntropy("sum"), SGD(momentum=0.5), 9).loss(start, *data(plan, 9, CrossEntropy()))
    assert _jit.compilations() == before


def test_two_trainings_at_once(engine_room):
    """Two Python threads, an engine each with a team of its own: the bits of one after the other."""
    engine_room(threads=2)
    jobs = []
    for dtype, rows in (("float64", 60), ("float32", 90)):
        plan, start = network((17, 33, 3), "tanh", "softmax", True, dtype)
        jobs.append((plan, start, *data(plan, rows, CrossEntropy()), CrossEntropy(), Adam(), 30, 60, orders(30, rows)))
    alone = [Run(*job) for job in jobs]
    together = [None] * len(jobs)

    def one(place):
        together[place] = Run(*jobs[place])

    team = [threading.Thread(target=one, args=(place,)) for place in range(len(jobs))]
    for thread in team:
        thread.start()
    for thread in team:
        thread.join()
    assert together[0] == alone[0]
    assert together[1] == alone[1]


def test_python_runs_meanwhile(engine_room):
    """The GIL is released: another thread goes on while one is training."""
    engine_room(threads=1)
    plan, start = network((100, 130, 100), "tanh")
    job = plan, start, *data(plan, 60, SquaredError()), SquaredError(), SGD(1e-6), 60, 6000
    turns, training = 0, threading.Thread(target=Run, args=job)
    training.start()
    while training.is_alive():
        turns += 1
        training.join(0.001)
    assert turns > 5


@dtypes
@pytest.mark.parametrize("rows", [2, 32])
@pytest.mark.parametrize("parts", [(3, 20, 2), (1, 1, 23)])
def test_holding_the_weights_between_calls_changes_no_bit(dtype, rows, parts):
    plan = make_plan((5, 90, 3), "tanh", "softmax", True, dtype)
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((25 * rows, 5)).astype(dtype), rng.integers(0, 3, 25 * rows)
    start = (rng.standard_normal(plan.n_parameters) / 2).astype(dtype)
    whole, held = start.copy(), start.copy()
    losses, held_losses = np.empty(25), np.empty(25)
    Engine(plan, CrossEntropy(), Adam(0.01), rows).run(whole, x, y, None, rows, 0, 25, losses)
    engine, first = Engine(plan, CrossEntropy(), Adam(0.01), rows), 0
    with engine.holding():
        for steps in parts:
            engine.run(held, x, y, None, rows, first, steps, held_losses[first:])
            first += steps
    np.testing.assert_array_equal(held, whole)
    np.testing.assert_array_equal(held_losses, losses)
    # and the engine reads the parameters again afterwards
    held[...] = start
    assert engine.loss(held, x[:rows], y[:rows]) == losses[0]


def test_a_held_engine_grows():
    plan = make_plan((5, 40, 3), "tanh", "identity", True, "float64")
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((200, 5)), rng.standard_normal((200, 3))
    parts, held = (rng.standard_normal(plan.n_parameters) for _ in range(2))
    held[...] = parts
    losses = np.empty(4)
    for batch in (30, 120):
        engine = Engine(plan, SquaredError(), SGD(0.1), 30)
        engine.run(parts, x, y, None, batch, 0, 1, losses)
    engine = Engine(plan, SquaredError(), SGD(0.1), 30)
    with engine.holding():
        for batch in (30, 120):
            engine.run(held, x, y, None, batch, 0, 1, losses)
    np.testing.assert_array_equal(held, parts)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("rows", "sizes", "batch"),
    [
        (9, (45, 7, 3), 9),
        (21, (61, 100, 5), 10),  # the last batch has one row
        (23, (61, 100, 5), 10),
        (270, (700, 96, 3), 270),
        (200, (700, 9, 3), 90),
        (70, (33, 80, 2), 70),
    ],
)
def test_data_kept_in_tiles(rows, sizes, batch, dtype, threads, optimizer, engine_room):
    """Epochs that all have the same rows read them from a copy; single steps make none: the bits are the same."""
    engine_room(threads, panel_rows=1, chunk_rows=32 if rows == 70 else None)
    plan, start = network(sizes, dtype=dtype)
    loss, per_epoch = SquaredError(), -(-rows // batch)
    total, parts = 3 * per_epoch, []
    for steps in (total, 1):
        engine, flat, losses = Engine(plan, loss, OPTIMIZERS[optimizer], batch), start.copy(), np.empty(total)
        for seed in (4, 5):  # other data in another call
            x, y = data(plan, rows, loss, seed)
            for at in range(0, total, steps):
                assert engine.run(flat, x, y, None, batch, at, steps, losses[at : at + steps]) == steps
            assert (engine._workspace.frame[frame_.TILES] != 0) == (steps > per_epoch)
            # gradients of yet other rows, more than are kept
            gradient = np.empty_like(flat)
            engine.loss_and_gradients(flat, *data(plan, rows + 30, loss, 6), gradient)
            parts.append((flat.copy(), losses.copy(), gradient))
    for one, other in zip(parts[:2], parts[2:], strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)
