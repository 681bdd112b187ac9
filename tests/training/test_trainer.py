"""Training: against the definition, from seed to bits, and what is left when it ends early."""

import pickle
import signal
import threading

import numpy as np
import pytest

import fastff as ff
from fastff import _jit, _threads, reference
from fastff.ops.activations import ACTIVATIONS
from fastff.training.engine import Engine

EPS = np.finfo(np.float64).eps


def data(rows=25, inputs=5, outputs=3, labels=False):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(rows, inputs))
    return X, rng.integers(outputs, size=rows) if labels else np.tanh(X @ rng.normal(size=(inputs, outputs)))


def make(output="identity", dtype="float64", sizes=(5, 8, 3), **changes):
    return ff.Network(
        **{"sizes": sizes, "activation": "tanh", "output": output, "dtype": dtype, "random_state": 7, **changes}
    )


def train(trainer, *calls, rows=None):
    X, y = rows or data()
    losses = [trainer.fit(X, y, epochs).loss for epochs in calls]
    return trainer.network.parameters.copy(), np.concatenate(losses)


@pytest.fixture
def threads():
    """Set the number of threads; the process's own number comes back afterwards."""
    before = _threads._chosen
    yield ff.set_num_threads
    _threads._chosen = before


@pytest.fixture
def steps_a_call(monkeypatch):
    """Fix the number of steps of a compiled call."""

    def fix(steps):
        monkeypatch.setattr("fastff.training.pace.Pace.steps", steps, raising=False)
        monkeypatch.setattr("fastff.training.pace.Pace.__init__", lambda self, flops, overhead: None)
        monkeypatch.setattr("fastff.training.pace.Pace.record", lambda self, steps, seconds: None)
        monkeypatch.setattr("fastff.training.pace.Pace.target", 0.1, raising=False)

    return fix


OPTIMIZERS = [
    ff.SGD(0.1),
    ff.SGD(0.05, momentum=0.9),
    ff.SGD(0.05, momentum=0.9, nesterov=True, weight_decay=0.01),
    ff.Adam(0.01),
    ff.Adam(0.01, beta1=0.8, weight_decay=0.1),
]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
@pytest.mark.parametrize("batch_size", [1, 10, 24, None])
def test_fit_is_the_definitions_loop(optimizer, batch_size):
    """With shuffled batches of which the last is smaller: 25 rows by 10, and by 24."""
    net, (X, y) = make(), data()
    parameters = net.parameters.copy()
    history = net.fit(X, y, optimizer=optimizer, epochs=4, batch_size=batch_size, random_state=11)
    order = np.array([np.random.default_rng(11).permutation(25)] * 4)
    rng = np.random.default_rng(11)
    for epoch in range(4):
        order[epoch] = rng.permutation(25)
    steps = reference.train(net.plan, parameters, X, y, ff.losses.SquaredError(), optimizer, 4, batch_size, order)
    bound = 4e4 * EPS  # 100 steps of sums of some ten products, and Adam's divisions by small roots
    np.testing.assert_allclose(history.loss, steps.reshape(4, -1).mean(axis=1), rtol=bound)
    np.testing.assert_allclose(net.parameters, parameters, rtol=bound, atol=bound)


@pytest.mark.parametrize(
    ("output", "loss", "labels"),
    [
        ("softmax", "auto", True),
        ("softmax", "cross_entropy", False),
        ("sigmoid", "auto", False),
        ("sigmoid", ff.losses.SquaredError("sum", 0.5), False),
    ],
)
def test_losses(output, loss, labels):
    net, (X, y) = make(output), data(labels=labels)
    if not labels:
        y = abs(y) / abs(y).sum(axis=1, keepdims=True)
    parameters = net.parameters.copy()
    trainer = ff.Trainer(net, loss, ff.SGD(0.05), batch_size=10, shuffle=False)
    history = trainer.fit(X, y, 3)
    steps = reference.train(net.plan, parameters, X, y, trainer.loss, trainer.optimizer, 3, 10)
    np.testing.assert_allclose(history.loss, steps.reshape(3, 3).mean(axis=1), rtol=1e4 * EPS)
    np.testing.assert_allclose(net.parameters, parameters, rtol=1e4 * EPS, atol=1e4 * EPS)


@pytest.mark.portable
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_same_seed_same_bits(dtype):
    X, y = data()
    nets = [make(dtype=dtype) for _ in range(3)]
    losses = [net.fit(X, y, epochs=3, batch_size=10, random_state=seed).loss for net, seed in zip(nets, (1, 1, 2))]
    np.testing.assert_array_equal(nets[0].parameters, nets[1].parameters)
    np.testing.assert_array_equal(losses[0], losses[1])
    assert (nets[0].parameters != nets[2].parameters).any()


@pytest.mark.parametrize("optimizer", OPTIMIZERS[1:4], ids=str)
def test_fit_in_parts_is_fit(optimizer):
    def trainer():
        return ff.Trainer(make(), optimizer=optimizer, batch_size=10, random_state=5)

    whole, losses = train(trainer(), 10)
    for calls in [(5, 5), (1, 2, 3, 4), (0, 10)]:
        parts, losses_of_parts = train(trainer(), *calls)
        np.testing.assert_array_equal(parts, whole)
        np.testing.assert_array_equal(losses_of_parts, losses)


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 1000])
def test_same_bits_however_cut_into_calls(steps_a_call, steps):
    whole, losses = train(ff.Trainer(make(), batch_size=10), 6)
    steps_a_call(steps)
    cut, losses_of_cut = train(ff.Trainer(make(), batch_size=10), 6)
    np.testing.assert_array_equal(cut, whole)
    np.testing.assert_array_equal(losses_of_cut, losses)


def test_pickled_trainer_goes_on():
    first, second = (ff.Trainer(make(), batch_size=10) for _ in range(2))
    train(first, 3)
    train(second, 3)
    again = pickle.loads(pickle.dumps(first))
    np.testing.assert_array_equal(train(again, 4)[0], train(second, 4)[0])
    assert (again.epochs, again.steps) == (7, 21)
    assert np.shares_memory(again.network.weights[0], again.network.parameters)


@pytest.mark.portable
def test_history_and_counters():
    net, (X, y) = make(), data()
    trainer = ff.Trainer(net, batch_size=10)
    assert (trainer.epochs, trainer.steps, trainer.history.epochs) == (0, 0, 0)
    history = trainer.fit(X, y, 4)
    assert trainer.history is history
    assert history.loss.shape == (4,)
    assert history.loss.dtype == np.float64
    assert history.steps_per_epoch == 3
    assert history.seconds > 0
    assert not history.interrupted
    assert not history.diverged
    assert (trainer.epochs, trainer.steps) == (4, 12)
    assert trainer.fit(X, y, 0).loss.shape == (0,)


def test_large_batch_takes_all_rows():
    X, y = data()
    nets = [make() for _ in range(3)]
    for net, batch_size in zip(nets, (None, 25, 1000)):
        net.fit(X, y, epochs=3, batch_size=batch_size)
    np.testing.assert_array_equal(nets[0].parameters, nets[1].parameters)
    np.testing.assert_array_equal(nets[0].parameters, nets[2].parameters)


@pytest.mark.portable
@pytest.mark.parametrize("rows", [1, 25])
def test_step(rows):
    X, y = data(rows)
    net, whole = make(), make()
    trainer = ff.Trainer(net, optimizer=ff.Adam(0.01), batch_size=None, shuffle=False)
    losses = [trainer.step(X, y) for _ in range(4)]
    assert all(type(loss) is float for loss in losses)
    history = whole.fit(X, y, optimizer=ff.Adam(0.01), epochs=4, batch_size=None)
    np.testing.assert_array_equal(losses, history.loss)
    np.testing.assert_array_equal(net.parameters, whole.parameters)
    assert trainer.steps == 4


def test_steps_of_growing_size():
    X, y = data(40)
    net, parameters = make(), make().parameters
    trainer = ff.Trainer(net, optimizer=ff.SGD(0.1, momentum=0.9))
    state = np.zeros((1, parameters.size))
    for t, rows in enumerate((1, 3, 40, 2), 1):
        loss, gradient = reference.loss_and_gradient(net.plan, parameters, X[:rows], y[:rows], trainer.loss)
        assert trainer.step(X[:rows], y[:rows]) == pytest.approx(loss, rel=1e3 * EPS)
        reference.update(trainer.optimizer, parameters, gradient, state, t)
    np.testing.assert_allclose(net.parameters, parameters, rtol=1e3 * EPS, atol=1e3 * EPS)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_steps_of_one_row_and_then_a_fit(optimizer):
    """The layout of few rows is left, and the optimizer's state comes along."""
    X, y = data(60)
    net, parameters = make(sizes=(5, 40, 3)), make(sizes=(5, 40, 3)).parameters
    trainer = ff.Trainer(net, optimizer=optimizer, batch_size=30, shuffle=False)
    state = np.zeros((optimizer.n_states, parameters.size))
    for t in range(1, 8):
        rows = slice(t, t + 1) if t < 4 else slice(30 * (t % 2), 30 * (t % 2) + 30)
        if t < 4:
            trainer.step(X[rows], y[rows])
        elif t == 4:
            trainer.fit(X, y, 2)
        _, gradient = reference.loss_and_gradient(net.plan, parameters, X[rows], y[rows], trainer.loss)
        reference.update(trainer.optimizer, parameters, gradient, state, t)
    assert (trainer.steps, trainer.epochs) == (7, 2)
    assert trainer._engine._layout.panels
    np.testing.assert_allclose(net.parameters, parameters, rtol=1e4 * EPS, atol=1e4 * EPS)


@pytest.mark.parametrize("form", [list, lambda a: a.astype("float16"), np.asfortranarray, lambda a: a[::-1][::-1]])
def test_forms_of_data(form):
    X, y = (np.round(8 * array) / 8 for array in data())
    expected, given = make(), make()
    expected.fit(X, y, epochs=2, batch_size=10)
    given.fit(form(X), form(y), epochs=2, batch_size=10)
    np.testing.assert_array_equal(given.parameters, expected.parameters)


def test_read_only_data_is_not_changed():
    X, y = data()
    before = X.copy(), y.copy()
    X.flags.writeable = y.flags.writeable = False
    make().fit(X, y, epochs=2, batch_size=10)
    np.testing.assert_array_equal((X, y)[0], before[0])
    np.testing.assert_array_equal((X, y)[1], before[1])


# ---- threads


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_same_bits_for_every_number_of_threads(threads, dtype):
    X, y = data(200, 40, 10)
    results = []
    for count in (1, 2, 3):
        threads(count)
        net = make(dtype=dtype, sizes=(40, 120, 70, 10))
        losses = net.fit(X, y, epochs=2, batch_size=90).loss
        results.append((net.parameters, losses, net.predict(np.tile(X, (40, 1)))))
    for other in results[1:]:
        for mine, theirs in zip(results[0], other):
            np.testing.assert_array_equal(mine, theirs)


def test_two_python_threads_fit_two_networks(threads):
    threads(2)
    X, y = data(200, 40, 10)

    def fit(net):
        net.fit(X, y, epochs=5, batch_size=90)

    alone = make(sizes=(40, 120, 70, 10))
    fit(alone)
    nets = [make(sizes=(40, 120, 70, 10)) for _ in range(2)]
    workers = [threading.Thread(target=fit, args=(net,)) for net in nets]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for net in nets:
        np.testing.assert_array_equal(net.parameters, alone.parameters)


def test_second_network_compiles_nothing():
    X, y = data()
    net = make()
    net.fit(X, y, epochs=1)
    net.predict(X)
    before = _jit.compilations()
    labels = np.arange(25) % 4
    for activation, optimizer in (("gelu", ff.Adam()), (("relu", "elu"), ff.SGD(0.1, 0.9, True))):
        other = ff.Network((5, 13, 6, 4), activation, "softmax", dtype="float64")
        other.fit(X, labels, epochs=2, batch_size=7, optimizer=optimizer)
        other.predict(X[:1])
        other.loss_and_gradients(X, labels, "auto")
    assert _jit.compilations() == before


# ---- bad input


@pytest.mark.portable
@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"network": "net"}, TypeError, "network must be a fastff.Network, not 'net'"),
        ({"loss": "hinge"}, ValueError, "loss 'hinge' is not known; choose one of"),
        ({"optimizer": "adam"}, TypeError, "optimizer must be an object"),
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1, not 0"),
        ({"batch_size": 2.5}, TypeError, "batch_size must be an integer, not 2.5"),
        ({"shuffle": "yes"}, TypeError, "shuffle must be True or False, not 'yes'"),
        ({"random_state": -3}, ValueError, "random_state must be an integer of at least 0"),
    ],
)
def test_bad_trainer(wrong, error, message):
    with pytest.raises(error, match=message):
        ff.Trainer(**{"network": make(), **wrong})


@pytest.mark.portable
@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"X": np.zeros((25, 4))}, ValueError, "X must have 5 columns"),
        ({"X": np.full((25, 5), np.nan)}, ValueError, r"X must be finite: X\[0, 0\] is nan"),
        ({"X": [[1, 2, 3, 4, 5]] * 24 + [[1]]}, ValueError, "X must be a table of numbers; its rows differ in length"),
        ({"X": np.zeros((0, 5)), "y": np.zeros((0, 3))}, ValueError, "X must have at least one row"),
        ({"X": np.full((25, 5), "a")}, TypeError, "X must be an array of real numbers"),
        ({"y": np.zeros((24, 3))}, ValueError, "X has 25, y has 24"),
        ({"y": np.full((25, 3), np.inf)}, ValueError, r"y\[0, 0\] is inf"),
        ({"epochs": -1}, ValueError, "epochs must be at least 0, not -1"),
        ({"epochs": 1.5}, TypeError, "epochs must be an integer, not 1.5"),
    ],
)
def test_bad_rows_write_nothing(wrong, error, message):
    X, y = data()
    trainer = ff.Trainer(make())
    before = trainer.network.parameters.copy()
    with pytest.raises(error, match=message):
        trainer.fit(**{"X": X, "y": y, **wrong})
    if "epochs" not in wrong:
        with pytest.raises(error, match=message):
            trainer.step(**{"X": X, "y": y, **wrong})
    np.testing.assert_array_equal(trainer.network.parameters, before)
    assert (trainer.epochs, trainer.steps) == (0, 0)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [(0, 0), (1999, 4), (700, 2)])
def test_bad_value_in_a_large_array(activation, bad, place):
    """It is found by what it does to the weights; all is as it was before then."""
    X, y = data(2000)
    X[place] = bad
    rng = np.random.default_rng(1)
    trainer = ff.Trainer(make(activation=activation), optimizer=ff.SGD(1e-3), batch_size=64, random_state=rng)
    before = trainer.network.parameters.copy()
    with pytest.raises(ValueError, match=rf"X must be finite: X\[{place[0]}, {place[1]}\] is {bad}"):
        trainer.fit(X, y, 3)
    np.testing.assert_array_equal(trainer.network.parameters, before)
    assert (trainer.epochs, trainer.steps) == (0, 0)
    assert rng.bit_generator.state == np.random.default_rng(1).bit_generator.state


@pytest.mark.portable
def test_parameters_that_are_not_finite():
    net, (X, y) = make(), data()
    net.weights[0][0, 0] = np.nan
    with pytest.raises(ValueError, match=r"network\.parameters must be finite before a training"):
        net.fit(X, y)


# ---- divergence


def diverging():
    """Linear regression with too high a rate: the loss grows by a factor a step, and passes 1e308 in some epochs."""
    net = ff.Network((5, 3), dtype="float64", random_state=7)
    return ff.Trainer(net, optimizer=ff.SGD(8.0), batch_size=10, random_state=2)


@pytest.mark.parametrize("steps", [1, 2, 50, 10_000])
def test_divergence_keeps_the_last_good_epoch(steps_a_call, steps):
    steps_a_call(steps)
    trainer = diverging()
    with pytest.raises(ff.DivergedError) as caught:
        train(trainer, 100_000)
    error = caught.value
    assert 3 < error.epoch < 100_000
    assert 1 <= error.step <= 3
    assert f"step {error.step} of epoch {error.epoch}; the learning rate, 8.0, is likely too high" in str(error)
    assert f"the parameters from the end of epoch {trainer.epochs}" in str(error)
    assert error.history is trainer.history
    assert error.history.diverged
    assert error.epoch - 2 <= error.history.epochs == trainer.epochs < error.epoch
    good, losses = train(diverging(), trainer.epochs)
    np.testing.assert_array_equal(trainer.network.parameters, good)
    np.testing.assert_array_equal(error.history.loss, losses)
    assert np.isfinite(good).all()
    assert trainer.steps == 3 * trainer.epochs


def test_overflow_of_the_very_last_update():
    net = ff.Network((1, 1), init="ones", dtype="float64")
    before = net.parameters.copy()
    with pytest.raises(ff.DivergedError, match="the parameters were not finite after step 1 of epoch 1") as caught:
        net.fit([[1e10]], [0.0], optimizer=ff.SGD(1e300), epochs=1)
    np.testing.assert_array_equal(net.parameters, before)
    assert (caught.value.epoch, caught.value.step, caught.value.history.epochs) == (1, 1, 0)
    assert "the inputs reach 1e+10: scale them" in str(caught.value)


def test_divergence_before_any_update():
    net, (X, y) = make(init=1e200, activation="identity"), data()
    with pytest.raises(ff.DivergedError, match="step 1 of epoch 1; no update had been made: the initial parameters"):
        net.fit(X, y, batch_size=10)
    trainer = ff.Trainer(net)
    with pytest.raises(ff.DivergedError, match=r"step 1; .*The update was not made") as caught:
        trainer.step(X, y)
    assert caught.value.step == 1
    assert (net.weights[0] == 1e200).all()
    assert trainer.steps == 0


def test_divergence_blames_a_sum():
    net, (X, y) = ff.Network((5, 3), random_state=7), data()
    with pytest.raises(ff.DivergedError, match="likely too high for a loss that sums over the rows"):
        net.fit(X, y, ff.losses.SquaredError("sum"), ff.SGD(5.0), epochs=1000)


# ---- Ctrl-C, and callbacks


def press_at(call):
    """Return a callback that presses Ctrl-C when it is called for the n-th time."""
    calls = []

    def callback(epochs_done, loss):
        calls.append(epochs_done)
        if len(calls) == call:
            signal.raise_signal(signal.SIGINT)

    return callback


def interrupted_run(trainer, epochs, callback):
    with pytest.warns(UserWarning, match=rf"fit was interrupted; \d+ of {epochs} epochs are complete"):
        return trainer.fit(*data(), epochs, callback)


@pytest.mark.parametrize(("steps", "call", "complete"), [(1, 5, 1), (2, 1, 0), (3, 2, 2), (7, 2, 4), (2, 4, 2)])
def test_interrupt_keeps_complete_epochs(steps_a_call, steps, call, complete):
    steps_a_call(steps)
    trainer = ff.Trainer(make(), batch_size=10)
    history = interrupted_run(trainer, 9, press_at(call))
    assert history.interrupted
    assert history.epochs == trainer.epochs == complete
    expected, losses = train(ff.Trainer(make(), batch_size=10), complete)
    np.testing.assert_array_equal(trainer.network.parameters, expected)
    np.testing.assert_array_equal(history.loss, losses)
    # and it goes on as if nothing had happened
    np.testing.assert_array_equal(train(trainer, 9 - complete)[0], train(ff.Trainer(make(), batch_size=10), 9)[0])


def test_keyboard_interrupt_from_elsewhere(steps_a_call, monkeypatch):
    """Another handler of the signal may raise the exception inside a call."""
    steps_a_call(2)
    trainer = ff.Trainer(make(), batch_size=10)
    run, calls = Engine.run, []

    def raising(self, *arguments):
        made = run(self, *arguments)
        calls.append(made)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return made

    monkeypatch.setattr(Engine, "run", raising)
    history = interrupted_run(trainer, 9, None)
    monkeypatch.undo()
    assert history.interrupted
    assert history.epochs == 1
    np.testing.assert_array_equal(trainer.network.parameters, train(ff.Trainer(make(), batch_size=10), 1)[0])


def test_exception_of_a_callback(steps_a_call):
    steps_a_call(2)

    def callback(epochs_done, loss):
        if epochs_done == 2:
            raise LookupError("mine")

    trainer = ff.Trainer(make(), batch_size=10)
    with pytest.raises(LookupError, match="mine"):
        trainer.fit(*data(), 9, callback)
    assert trainer.history.epochs == trainer.epochs == 2
    assert not trainer.history.interrupted
    np.testing.assert_array_equal(trainer.network.parameters, train(ff.Trainer(make(), batch_size=10), 2)[0])


def test_callback_hears_of_progress(steps_a_call):
    steps_a_call(2)
    heard = []
    history = make().fit(*data(), epochs=3, batch_size=10, callback=lambda done, loss: heard.append((done, loss)))
    assert [done for done, _ in heard] == [0, 1, 1, 2, 2, 3]
    assert all(type(done) is int and type(loss) is float for done, loss in heard)
    assert [loss for _, loss in heard[1::2]] == history.loss.tolist()
