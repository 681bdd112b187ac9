"""Mini-batches and epochs: forward, loss, backward, update, repeat; by hand in NumPy, and to a quality on real data."""

import numpy as np
import pytest

import fastff as ff

EPS = float(np.finfo(float).eps)


def test_batches_in_row_order_equal_the_numpy_loop():
    """50 rows in batches of 16: the last has 2."""
    rng = np.random.default_rng(5)
    x, labels = rng.normal(size=(50, 6)), rng.integers(0, 3, 50)
    w1, w2 = rng.normal(0, 0.5, (6, 8)), rng.normal(0, 0.5, (8, 3))
    b1, b2 = rng.normal(0, 0.1, 8), rng.normal(0, 0.1, 3)
    net = ff.Network((6, 8, 3), "tanh", "softmax", init=[w1, b1, w2, b2], dtype="float64")
    history = net.fit(x, labels, optimizer=ff.SGD(0.3), epochs=20, batch_size=16, shuffle=False)

    epochs = []
    for _ in range(20):
        losses = []
        for first in range(0, 50, 16):
            rows, target = x[first : first + 16], np.eye(3)[labels[first : first + 16]]
            hidden = np.tanh(rows @ w1 + b1)
            powers = np.exp(hidden @ w2 + b2)
            p = powers / powers.sum(axis=1, keepdims=True)
            losses.append(-np.sum(target * np.log(p)) / len(rows))
            grad_output = (p - target) / len(rows)
            grad_hidden = (grad_output @ w2.T) * (1 - hidden**2)
            w2 -= 0.3 * hidden.T @ grad_output
            b2 -= 0.3 * grad_output.sum(axis=0)
            w1 -= 0.3 * rows.T @ grad_hidden
            b1 -= 0.3 * grad_hidden.sum(axis=0)
        epochs.append(np.mean(losses))
    np.testing.assert_allclose(history.loss, epochs, rtol=1000 * EPS)
    for given, expected in zip([*net.weights, *net.biases], [w1, w2, b1, b2], strict=True):
        np.testing.assert_allclose(given, expected, rtol=1000 * EPS, atol=1000 * EPS)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_classifier_of_digits(dtype):
    """1,797 scans of digits, a fifth held out: at least 95 %."""
    datasets = pytest.importorskip("sklearn.datasets")
    x, labels = datasets.load_digits(return_X_y=True)
    x = x / 16
    held_out = np.arange(len(x)) % 5 == 0
    net = ff.Network((64, 64, 10), "relu", "softmax", dtype=dtype, random_state=0)
    history = net.fit(
        x[~held_out], labels[~held_out], optimizer=ff.Adam(3e-3), epochs=30, batch_size=32, random_state=0
    )
    assert history.loss.shape == (30,)
    assert history.loss[-1] < history.loss[0] / 20
    assert (net.predict(x[held_out]).argmax(axis=1) == labels[held_out]).mean() >= 0.95


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_regressor_of_diabetes(dtype):
    """442 patients, a fifth held out: explains at least 0.4 of the variance (linear regression: 0.45)."""
    datasets = pytest.importorskip("sklearn.datasets")
    x, y = datasets.load_diabetes(return_X_y=True)
    held_out = np.arange(len(x)) % 5 == 0
    x = x / x[~held_out].std(axis=0)
    mean, std = y[~held_out].mean(), y[~held_out].std()
    net = ff.Network((10, 16, 1), "tanh", dtype=dtype, random_state=0)
    optimizer = ff.SGD(0.01, momentum=0.9, weight_decay=0.1)
    net.fit(x[~held_out], (y[~held_out] - mean) / std, optimizer=optimizer, epochs=40, batch_size=16, random_state=0)
    error = net.predict(x[held_out])[:, 0] * std + mean - y[held_out]
    assert 1 - np.mean(error**2) / np.var(y[held_out]) >= 0.4
