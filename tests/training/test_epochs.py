"""The way back to the last good epoch, on an engine whose steps can be counted by eye."""

import contextlib
import math

import numpy as np
import pytest

from fastff.training import epochs as epochs_module
from fastff.training.epochs import Epochs, NotFiniteError

pytestmark = pytest.mark.portable


class Counter:
    """An engine: each step adds 1 to the parameters, and the row number to the state; some steps are bad."""

    def __init__(self, bad_loss=None, bad_update=None):
        self.state, self.t = np.zeros(2), 0
        self.bad_loss, self.bad_update = bad_loss, bad_update
        self.orders = []

    holding = staticmethod(contextlib.nullcontext)
    patience = math.inf

    def run(self, parameters, x, y, order, rows_per_step, first, steps, losses):
        per_epoch = -(-len(x) // rows_per_step)
        assert order is None or order.shape == (-(-(first + steps) // per_epoch), len(x))
        for i in range(steps):
            losses[i] = np.nan if self.t == self.bad_loss else self.t
            if self.t == self.bad_loss:
                return i
            epoch, batch = divmod(first + i, per_epoch)
            self.orders.append(order[epoch, batch * rows_per_step] if order is not None else 0)
            parameters += np.inf if self.t == self.bad_update else 1
            self.state[0] = self.state[0] * 3 + self.orders[-1]
            self.t += 1
        return steps


@pytest.fixture(params=[1, 3, 4, 9, 1000])
def steps(request, monkeypatch):
    """Steps of a call, whatever it takes."""
    monkeypatch.setattr("fastff.training.pace.Pace.steps", request.param, raising=False)
    monkeypatch.setattr("fastff.training.pace.Pace.__init__", lambda self, flops, overhead: None)
    monkeypatch.setattr("fastff.training.pace.Pace.record", lambda self, steps, seconds: None)
    monkeypatch.setattr("fastff.training.pace.Pace.target", 0.1, raising=False)


STEPS_PER_EPOCH = 4


def start(engine, parameters, rng=None):
    x = np.zeros((10, 2))
    return Epochs(engine, parameters, x, x, 3, rng)


def never():
    return False


@pytest.mark.usefixtures("steps")
def test_good_epochs():
    engine, parameters, seen = Counter(), np.zeros(3), []
    run = start(engine, parameters)
    run.run(6, never, lambda done, loss: seen.append((done, loss)))
    assert run.done == 6
    assert run.steps_per_epoch == STEPS_PER_EPOCH
    np.testing.assert_array_equal(parameters, 24)
    np.testing.assert_array_equal(run.loss, np.arange(24).reshape(6, 4).mean(axis=1))
    assert seen[-1] == (6, run.loss[-1])
    assert sorted(seen) == seen


@pytest.mark.parametrize("step", range(13))
@pytest.mark.parametrize("kind", ["loss", "update"])
@pytest.mark.usefixtures("steps")
def test_bad_step(kind, step):
    """Whatever step is bad, and however the steps were cut into calls: the epochs before it remain, and only they."""
    engine, parameters = Counter(**{f"bad_{kind}": step}), np.zeros(3)
    run = start(engine, parameters, np.random.default_rng(5))
    with pytest.raises(NotFiniteError) as caught:
        run.run(6, never, None)
    good = step // STEPS_PER_EPOCH
    assert run.done == good
    assert engine.t == STEPS_PER_EPOCH * good
    np.testing.assert_array_equal(parameters, STEPS_PER_EPOCH * good)
    np.testing.assert_array_equal(run.loss, np.arange(good * 4).reshape(good, 4).mean(axis=1))
    if kind == "loss":
        assert (caught.value.epoch, caught.value.step) == divmod(step, STEPS_PER_EPOCH)
        assert np.isnan(caught.value.loss)
    else:
        assert (caught.value.epoch, caught.value.step, caught.value.loss) == (good, STEPS_PER_EPOCH - 1, None)
    # state and random stream are those of a run that never met the bad step
    other, clean = Counter(), np.random.default_rng(5)
    start(other, np.zeros(3), clean).run(good, never, None)
    np.testing.assert_array_equal(engine.state, other.state)
    assert run.rng.bit_generator.state == clean.bit_generator.state


@pytest.mark.usefixtures("steps")
def test_bad_loss_of_an_earlier_bad_update():
    """The loss shows it two epochs later, as with saturated units: the parameters decide what was good."""
    engine, parameters = Counter(bad_loss=17, bad_update=6), np.zeros(3)
    run = start(engine, parameters)
    with pytest.raises(NotFiniteError):
        run.run(6, never, None)
    assert run.done == 1
    np.testing.assert_array_equal(parameters, 4)


@pytest.mark.parametrize("after", range(12))
@pytest.mark.usefixtures("steps")
def test_interrupt(after):
    engine, parameters, asked = Counter(), np.zeros(3), []

    def interrupted():
        asked.append(engine.t)
        return engine.t >= after

    run = start(engine, parameters, np.random.default_rng(5))
    run.run(6, interrupted, None)
    assert run.done == engine.t // STEPS_PER_EPOCH == len(run.loss)
    assert engine.t == STEPS_PER_EPOCH * run.done
    np.testing.assert_array_equal(parameters, engine.t)
    rest = start(engine, parameters, run.rng)
    rest.run(6 - run.done, never, None)
    whole, rng = Counter(), np.random.default_rng(5)
    start(whole, np.zeros(3), rng).run(6, never, None)
    np.testing.assert_array_equal(engine.state, whole.state)
    assert rng.bit_generator.state == run.rng.bit_generator.state


@pytest.mark.usefixtures("steps")
def test_large_state_starts_anew(monkeypatch):
    monkeypatch.setattr(epochs_module, "LARGEST_KEPT_STATE", 8)
    engine, parameters = Counter(bad_loss=10), np.zeros(3)
    run = start(engine, parameters, np.random.default_rng(5))
    with pytest.raises(NotFiniteError):
        run.run(6, never, None)
    assert run.done == 2
    np.testing.assert_array_equal(parameters, 8)
    np.testing.assert_array_equal(engine.state, 0)
    assert engine.t == 0


@pytest.mark.usefixtures("steps")
def test_orders_are_drawn_within_their_bound(monkeypatch):
    monkeypatch.setattr(epochs_module, "LARGEST_ORDER", 200)
    few = Counter()
    start(few, np.zeros(3), np.random.default_rng(5)).run(9, never, None)
    monkeypatch.undo()
    many = Counter()
    start(many, np.zeros(3), np.random.default_rng(5)).run(9, never, None)
    assert few.orders == many.orders
