"""The 1000-100-10 network of the ReLU tutorial, step by step against its NumPy loop."""

import numpy as np

import fastff as ff

RATE, STEPS = 1e-6, 500


def start():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((60, 1000)), rng.standard_normal((60, 10))
    return x, y, rng.standard_normal((1000, 100)), rng.standard_normal((100, 10))


def tutorial_losses():
    x, y, first, second = start()
    losses = []
    for _ in range(STEPS):
        hidden = np.maximum(x @ first, 0)
        error = hidden @ second - y
        losses.append(np.square(error).sum())
        grad_output = 2 * error
        grad_hidden = grad_output @ second.T
        grad_hidden[hidden <= 0] = 0
        second -= RATE * (hidden.T @ grad_output)
        first -= RATE * (x.T @ grad_hidden)
    return np.array(losses)


def train(dtype):
    x, y, first, second = start()
    net = ff.Network((1000, 100, 10), bias=False, init=[first, second], dtype=dtype)
    history = net.fit(
        x, y, loss=ff.losses.SquaredError(reduction="sum"), optimizer=ff.SGD(RATE), epochs=STEPS, batch_size=None
    )
    return history.loss


def test_every_step_has_the_loss_of_numpy():
    expected, losses = tutorial_losses(), train("float64")
    assert losses.shape == (STEPS,)
    above = expected > 1
    # the bound is the tutorial's promise; another order of summation in NumPy itself gives about 3e-13
    np.testing.assert_allclose(losses[above], expected[above], rtol=1e-9)
    assert 2e7 < losses[0] < 4e7
    assert losses[-1] < 1e-5


def test_float32_falls_as_far_as_its_rounding_lets_it():
    losses = train("float32")
    expected = tutorial_losses()
    eps = np.finfo(np.float32).eps
    np.testing.assert_allclose(losses[:10], expected[:10], rtol=100 * eps)
    assert losses[-1] < 1e-3
