"""The 3-4-1 network of the sigmoid tutorial: five rows, 60,000 steps, the means that it prints."""

import numpy as np
import pytest

import fastff as ff

# The rows that give the tutorial's figures; the first two are the same.
X = np.array([[0, 0, 1], [0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1]], float)
Y = np.array([[0], [0], [1], [1], [0]], float)
STEPS = 60_000
PRINTED = [0.121479, 0.00164288, 0.000469889, 0.000257786, 0.000173722, 0.000129528]


def start():
    """What ``np.random.seed(1)`` and ``2 * np.random.random(...) - 1`` give."""
    random = np.random.RandomState(1).random_sample
    return 2 * random((3, 4)) - 1, 2 * random((4, 1)) - 1


def tutorial_losses(steps):
    first, second = start()
    losses = []
    for _ in range(steps):
        hidden = 1 / (1 + np.exp(-(X @ first)))
        output = 1 / (1 + np.exp(-(hidden @ second)))
        error = output - Y
        losses.append(np.sum(error**2) / 2)
        grad_output = error * output * (1 - output)
        grad_hidden = (grad_output @ second.T) * hidden * (1 - hidden)
        second -= 0.1 * (hidden.T @ grad_output)
        first -= 0.1 * (X.T @ grad_hidden)
    return np.array(losses)


def make():
    return ff.Network((3, 4, 1), "sigmoid", "sigmoid", bias=False, init=list(start()), dtype="float64")


HALF = ff.losses.SquaredError(reduction="sum", scale=0.5)


def test_the_printed_means():
    net = make()
    history = net.fit(X, Y, loss=HALF, optimizer=ff.SGD(0.1), epochs=STEPS, batch_size=None)
    assert history.loss.shape == (STEPS,)
    means = history.loss[::10_000] / len(X)
    # six digits were printed
    assert [float(f"{mean:.6g}") for mean in means] == PRINTED
    np.testing.assert_allclose(net.predict(X), Y, atol=0.03)


def test_every_step_has_the_loss_of_numpy():
    steps = 12_000
    history = make().fit(X, Y, loss=HALF, optimizer=ff.SGD(0.1), epochs=steps, batch_size=None)
    # rounding grows along the way: about eps a step
    np.testing.assert_allclose(history.loss, tutorial_losses(steps), rtol=10 * steps * np.finfo(float).eps)


def test_one_step_at_a_time():
    trainer = ff.Trainer(make(), loss=HALF, optimizer=ff.SGD(0.1), batch_size=None)
    losses = [trainer.step(X, Y[:, 0]) for _ in range(50)]
    np.testing.assert_allclose(losses, tutorial_losses(50), rtol=500 * np.finfo(float).eps)
    assert losses[0] / 5 == pytest.approx(PRINTED[0], rel=5e-6)
