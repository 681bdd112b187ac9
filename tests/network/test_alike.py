"""Calls in a loop: predictions of rows like those before, and of rows that are not."""

import threading

import numpy as np
import pytest

import fastff as ff
from fastff.network import forward
from fastff.network.memory import PEEKS
from tests.kinds import KINDS, changed

pytestmark = pytest.mark.portable
needs_peeking = pytest.mark.skipif(not PEEKS, reason="array objects look otherwise here")


def make(dtype="float64"):
    return ff.Network((3, 5, 2), "tanh", dtype=dtype, random_state=4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_of_another_kind_after_some_of_one(kind, dtype):
    net, x = make(dtype), np.array([[1, -2, 3], [2, 0, 1]], dtype)
    usual = net.predict(x)
    for _ in range(2):
        np.testing.assert_array_equal(net.predict(x), usual)
        np.testing.assert_array_equal(net.predict(changed(x, kind)), usual)


def test_rows_of_another_shape():
    net, x = make(), np.random.default_rng(0).normal(size=(9, 3))
    for rows in (1, 1, 3, 3, 1, 9, 3):
        np.testing.assert_array_equal(net.predict(x[:rows]), make().predict(x)[:rows])
    for wrong in (x[0], x[:1, :2], x[:0], x[None], x[:1].reshape(3, 1), np.zeros((1, 0))):
        net.predict(x[:1])
        with pytest.raises(ValueError, match="X must"):
            net.predict(wrong)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_rows_that_are_not_finite(bad):
    net, x = make(), np.ones((2, 3))
    net.predict(x)
    for place in ((0, 0), (1, 2)):
        wrong = x.copy()
        wrong[place] = bad
        with pytest.raises(ValueError, match=rf"X must be finite: X\[{place[0]}, {place[1]}\] is {bad}"):
            net.predict(wrong)
    largest = np.finfo("f8").max
    net.predict(np.full((2, 3), largest))
    net.predict(np.full((2, 3), -largest))


def test_what_is_no_array():
    net, x = make(), np.ones((1, 3))
    for wrong, error in ((None, TypeError), ("x", TypeError), (3.0, ValueError), (object(), TypeError)):
        net.predict(x)
        with pytest.raises(error, match="X must"):
            net.predict(wrong)


def test_outputs_are_new_arrays():
    net, x = make(), np.ones((1, 3))
    first, second = net.predict(x), net.predict(x)
    third = net.predict(2 * x)
    assert not np.shares_memory(first, second)
    np.testing.assert_array_equal(first, second)
    assert (third != second).all()


def test_networks_in_turn():
    nets, x = [make(), make("float32"), make()], np.ones((1, 3))
    nets[2].parameters[...] *= 2
    wanted = [net.predict(x) for net in nets]
    for _ in range(3):
        for net, out in zip(nets, wanted):
            np.testing.assert_array_equal(net.predict(x.astype(net.dtype)), out)
    nets[0].parameters[...] = nets[2].parameters
    np.testing.assert_array_equal(nets[0].predict(x), wanted[2])


def test_threads_ask_one_network():
    net, jobs = make(), np.random.default_rng(0).normal(size=(4, 200, 1, 3))
    wanted, found = [make().predict(job[:, 0]) for job in jobs], [None] * len(jobs)

    def ask(place):
        found[place] = np.concatenate([net.predict(x) for x in jobs[place]])

    team = [threading.Thread(target=ask, args=(place,)) for place in range(len(jobs))]
    for thread in team:
        thread.start()
    for thread in team:
        thread.join()
    np.testing.assert_array_equal(found, wanted)


@needs_peeking
def test_a_second_call_is_not_examined(monkeypatch):
    net, x = make(), np.ones((2, 3))
    first = net.predict(x)
    monkeypatch.setattr("fastff.network.network.as_rows", None)
    np.testing.assert_array_equal(net.predict(np.ones((2, 3))), first)


def test_without_looking_into_objects(monkeypatch):
    monkeypatch.setattr(forward, "PEEKS", False)
    net, x = make(), np.ones((2, 3))
    monkeypatch.setattr(forward._latest, "part", None, raising=False)
    np.testing.assert_array_equal(net.predict(x), net.predict(x))
    assert forward.forward_again(net.parameters, x) is None
