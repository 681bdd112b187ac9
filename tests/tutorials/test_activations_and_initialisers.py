"""Every initialiser and activation through a network: limits, deviations, and that such a network learns."""

import math

import numpy as np
import pytest

import fastff as ff

M, N, OUT = 200, 300, 50
LIMITS = {
    "uniform": lambda m, n: 1 / math.sqrt(m),
    "kaiming_uniform": lambda m, n: math.sqrt(6 / m),
    "xavier_uniform": lambda m, n: math.sqrt(6 / (m + n)),
}
DEVIATIONS = {
    "normal": lambda m, n: 1,
    "kaiming_normal": lambda m, n: math.sqrt(2 / m),
    "xavier_normal": lambda m, n: math.sqrt(2 / (m + n)),
}
CONSTANTS = {"zeros": 0, "ones": 1, 0.25: 0.25}


def weights(init):
    net = ff.Network((M, N, OUT), init=init, dtype="float64", random_state=0)
    assert not np.concatenate(net.biases).any()
    assert [w.shape for w in net.weights] == [(M, N), (N, OUT)]
    return net.weights


@pytest.mark.parametrize("name", LIMITS)
def test_uniform(name):
    for w in weights(name):
        limit = LIMITS[name](*w.shape)
        assert limit * (1 - 40 / w.size) < np.abs(w).max() <= limit
        assert abs(w.mean()) < 5 * limit / math.sqrt(3 * w.size)
        assert w.var() == pytest.approx(limit**2 / 3, rel=5 * math.sqrt(0.8 / w.size))


@pytest.mark.parametrize("name", DEVIATIONS)
def test_normal(name):
    for w in weights(name):
        std = DEVIATIONS[name](*w.shape)
        assert abs(w.mean()) < 5 * std / math.sqrt(w.size)
        assert w.var() == pytest.approx(std**2, rel=5 * math.sqrt(2 / w.size))


@pytest.mark.parametrize("init", CONSTANTS)
def test_constants(init):
    assert all((w == CONSTANTS[init]).all() for w in weights(init))


def test_gain_of_tanh():
    plain, gained = weights("xavier_normal"), weights(ff.init.XavierNormal(gain=5 / 3))
    for w, g in zip(plain, gained, strict=True):
        np.testing.assert_allclose(g, w * 5 / 3, rtol=4 * np.finfo(float).eps)


def test_auto_is_the_default_and_follows_the_activations():
    def start(activation, init="auto"):
        return ff.Network((M, N, OUT), activation, init=init, dtype="float64", random_state=3).parameters

    default = ff.Network((M, N, OUT), "relu", dtype="float64", random_state=3).parameters
    assert np.array_equal(default, start("relu"))
    assert np.array_equal(start("tanh"), start("tanh", "xavier_uniform"))
    first = slice(M * N)
    assert np.array_equal(start("relu")[first], start("relu", "kaiming_normal")[first])


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "sigmoid", "tanh", "elu", "gelu", "silu", "softplus"])
def test_every_activation_learns_xor(activation):
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    y = np.array([0, 1, 1, 0])
    net = ff.Network((2, 16, 1), activation, "sigmoid", dtype="float64", random_state=0)
    history = net.fit(x, y, optimizer=ff.Adam(0.05), epochs=400, batch_size=None)
    assert history.loss[-1] < 0.05
    assert np.array_equal(net.predict(x)[:, 0] > 0.5, y == 1)
