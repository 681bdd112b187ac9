"""Any number of layers with biases, forward only, and the three losses of their output, against plain NumPy."""

import numpy as np
import pytest

import fastff as ff

RNG_SEED, ROWS = 7, 9
SIZES = [(4, 3), (4, 6, 3), (5, 8, 7, 2), (3, 4, 5, 6, 5, 4, 1), (2, *[9] * 9, 3)]
FUNCTIONS = {
    "identity": lambda z: z,
    "relu": lambda z: np.maximum(z, 0),
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "tanh": np.tanh,
    "softmax": lambda z: np.exp(z) / np.exp(z).sum(axis=1, keepdims=True),
}


def problem(sizes, dtype):
    rng = np.random.default_rng(RNG_SEED)
    weights = [rng.normal(0, 1 / np.sqrt(m), (m, n)) for m, n in zip(sizes, sizes[1:])]
    biases = [rng.normal(0, 0.1, n) for n in sizes[1:]]
    x = rng.normal(size=(ROWS, sizes[0])).astype(dtype)
    return [w.astype(dtype) for w in weights], [b.astype(dtype) for b in biases], x


def forward(weights, biases, activations, x):
    """In float64, whatever the network's dtype."""
    values = x.astype(float)
    for weight, bias, activation in zip(weights, biases, activations, strict=True):
        values = FUNCTIONS[activation](values @ weight.astype(float) + bias.astype(float))
    return values


def tolerance(sizes, dtype):
    """Every layer adds the rounding of its sums: a few eps for each."""
    return 8 * len(sizes) * float(np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("output", FUNCTIONS)
@pytest.mark.parametrize("hidden", ["sigmoid", "tanh", "relu"])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_predict(sizes, hidden, output, dtype):
    weights, biases, x = problem(sizes, dtype)
    net = ff.Network(sizes, hidden, output, init=[*weights, *biases], dtype=dtype)
    activations = [hidden] * (len(sizes) - 2) + [output]
    given = net.predict(x)
    assert given.dtype == dtype
    expected = forward(weights, biases, activations, x)
    bound = tolerance(sizes, dtype)
    np.testing.assert_allclose(given, expected, rtol=bound, atol=bound)


def test_an_activation_for_each_hidden_layer():
    sizes = (5, 7, 6, 4, 3)
    weights, biases, x = problem(sizes, "float64")
    hidden = ["tanh", "relu", "sigmoid"]
    net = ff.Network(sizes, hidden, "softmax", init=[*weights, *biases], dtype="float64")
    expected = forward(weights, biases, [*hidden, "softmax"], x)
    bound = tolerance(sizes, "float64")
    np.testing.assert_allclose(net.predict(x), expected, rtol=bound, atol=bound)
    np.testing.assert_allclose(net.predict(x).sum(axis=1), 1, rtol=bound)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_half_squared_error(dtype):
    sizes = (4, 6, 3)
    weights, biases, x = problem(sizes, dtype)
    net = ff.Network(sizes, "tanh", "identity", init=[*weights, *biases], dtype=dtype)
    y = np.random.default_rng(1).normal(size=(ROWS, 3)).astype(dtype)
    half = ((forward(weights, biases, ["tanh", "identity"], x) - y) ** 2 / 2).sum()
    bound = tolerance(sizes, dtype)
    assert net.loss(x, y, loss=ff.losses.SquaredError("sum", 0.5)) == pytest.approx(half, rel=bound)
    assert net.loss(x, y, loss=ff.losses.SquaredError("mean", 0.5)) == pytest.approx(half / y.size, rel=bound)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_cross_entropy_with_two_classes(dtype):
    sizes = (4, 6, 1)
    weights, biases, x = problem(sizes, dtype)
    net = ff.Network(sizes, "relu", "sigmoid", init=[*weights, *biases], dtype=dtype)
    y = np.arange(ROWS) % 2
    p = forward(weights, biases, ["relu", "sigmoid"], x)[:, 0]
    expected = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
    assert net.loss(x, y, loss="binary_cross_entropy") == pytest.approx(expected, rel=tolerance(sizes, dtype))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_cross_entropy_with_many_classes(dtype):
    sizes = (4, 6, 5)
    weights, biases, x = problem(sizes, dtype)
    net = ff.Network(sizes, "sigmoid", "softmax", init=[*weights, *biases], dtype=dtype)
    labels = np.arange(ROWS) % 5
    p = forward(weights, biases, ["sigmoid", "softmax"], x)
    expected = -np.mean(np.log(p[np.arange(ROWS), labels]))
    bound = tolerance(sizes, dtype)
    assert net.loss(x, labels, loss="cross_entropy") == pytest.approx(expected, rel=bound)
    assert net.loss(x, np.eye(5)[labels], loss="cross_entropy") == pytest.approx(expected, rel=bound)
