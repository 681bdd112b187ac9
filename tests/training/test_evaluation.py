"""The loss beside a training: engines that are kept for the next evaluation."""

import copy
import gc
import threading

import numpy as np
import pytest

import fastff as ff
from fastff.training import evaluation


def numbers(rows, columns, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, columns))


def network(sizes=(70, 100, 3), **how):
    return ff.Network(sizes, activation="tanh", dtype="float64", **how)


def anew(net, X, y, loss):
    """What an engine makes of it that has seen nothing yet."""
    fresh = copy.deepcopy(net)
    value, gradients = fresh.loss_and_gradients(X, y, loss)
    assert copy.deepcopy(net).loss(X, y, loss) == value
    return value, gradients.flat


@pytest.mark.portable
@pytest.mark.parametrize("rows", [3, 40])
def test_a_kept_engine_sees_what_has_changed(rows):
    net = network(random_state=1)
    for seed in range(3):
        X, y = numbers(rows, 70, seed), numbers(rows, 3, seed + 9)
        for loss in ("squared_error", ff.losses.SquaredError("sum"), ff.losses.SquaredError("sum")):
            wanted = anew(net, X, y, loss)
            assert net.loss(X, y, loss) == wanted[0]
            value, gradients = net.loss_and_gradients(X, y, loss)
            assert value == wanted[0]
            np.testing.assert_array_equal(gradients.flat, wanted[1])
            net.parameters[:] -= 0.01 * gradients.flat
        net.fit(X, y, epochs=1)


@pytest.mark.portable
def test_which_engine_is_kept():
    net, X, y = network(), numbers(6, 70), numbers(6, 3)
    net.loss(X, y)
    first = evaluation._spare[net][2]
    net.loss_and_gradients(X, y, ff.losses.SquaredError())
    assert evaluation._spare[net][2] is first
    net.loss(X[:5], y[:5])
    second = evaluation._spare[net][2]
    assert second is not first
    net.loss(X[:5], y[:5], ff.losses.SquaredError("sum"))
    assert evaluation._spare[net][2] is not second


def test_large_engines_are_not_kept(monkeypatch):
    net, X, y = network(), numbers(6, 70), numbers(6, 3)
    net.loss(X, y)
    assert net in evaluation._spare
    monkeypatch.setattr(evaluation, "LARGEST_SPARE", evaluation._spare[net][2].n_bytes - 1)
    net.loss(X, y)
    assert net not in evaluation._spare


@pytest.mark.portable
def test_an_engine_is_not_kept_longer_than_its_network():
    net = network()
    net.loss(numbers(6, 70), numbers(6, 3))
    before = len(evaluation._spare)
    del net
    gc.collect()
    assert len(evaluation._spare) == before - 1


def test_two_threads_may_ask_one_network():
    net = network()
    places = [(numbers(20, 70, seed), numbers(20, 3, seed)) for seed in range(4)]
    wanted = [net.loss(*place) for place in places]
    wrong = []

    def ask(place, value):
        for _ in range(200):
            if net.loss(*place) != value:
                wrong.append(place)

    threads = [threading.Thread(target=ask, args=each) for each in zip(places, wanted, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
