"""A network as its user holds it: views, predictions, losses, gradients, copies."""

import copy
import math
import pickle

import numpy as np
import pytest

import fastff as ff
from fastff import reference
from fastff.losses import BinaryCrossEntropy, CrossEntropy, SquaredError

EPS = {"float32": np.finfo(np.float32).eps, "float64": np.finfo(np.float64).eps}


def make(**changes):
    return ff.Network(**{"sizes": (5, 7, 6, 3), "activation": ("tanh", "relu"), "random_state": 1, **changes})


def rows(count, width, seed=0, dtype="float64"):
    return np.random.default_rng(seed).normal(size=(count, width)).astype(dtype)


def check_views(net):
    """Every weight and bias is a window on the one flat vector."""
    net.parameters[...] = np.arange(net.parameters.size)
    flat, place = np.arange(net.parameters.size), 0
    for layer, weight in enumerate(net.weights):
        np.testing.assert_array_equal(weight.ravel(), flat[place : place + weight.size])
        place += weight.size
        if net.biases:
            np.testing.assert_array_equal(net.biases[layer], flat[place : place + net.biases[layer].size])
            place += net.biases[layer].size
    assert place == flat.size
    net.weights[-1][...] = -1
    assert (net.parameters == -1).sum() == net.weights[-1].size


@pytest.mark.parametrize("bias", [True, False])
def test_views(bias):
    net = make(bias=bias)
    assert len(net.weights) == 3
    assert len(net.biases) == 3 * bias
    check_views(net)
    net.weights[0] = None  # the list is the caller's; the network's views stay
    assert net.weights[0].shape == (5, 7)
    with pytest.raises(AttributeError):
        net.parameters = np.zeros(3)


@pytest.mark.parametrize(
    "duplicate", [ff.Network.copy, copy.copy, copy.deepcopy, lambda n: pickle.loads(pickle.dumps(n))]
)
def test_duplicates_are_of_their_own(duplicate):
    net = make()
    before = net.parameters.copy()
    twin = duplicate(net)
    np.testing.assert_array_equal(twin.parameters, before)
    assert twin.plan == net.plan
    check_views(twin)
    np.testing.assert_array_equal(net.parameters, before)
    assert not np.shares_memory(twin.parameters, net.parameters)


def test_random_state():
    np.testing.assert_array_equal(make().parameters, make().parameters)
    assert (make(random_state=2).parameters != make().parameters).any()
    generator = np.random.default_rng(1)
    np.testing.assert_array_equal(make(random_state=generator).parameters, make().parameters)
    assert (make(random_state=None).parameters != make(random_state=None).parameters).any()


def test_repr_builds_the_same_network():
    for net in (make(), make(activation="relu"), ff.Network((2, 1), bias=False, dtype="float64")):
        assert eval(repr(net), {"Network": ff.Network}).plan == net.plan


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("count", [1, 33, 300])
def test_predict(dtype, count):
    net = make(output="softmax", dtype=dtype)
    X = rows(count, 5, dtype=dtype)
    before = X.copy()
    predicted = net.predict(X)
    assert predicted.dtype == dtype
    assert predicted.shape == (count, 3)
    expected = reference.predict(net.plan, net.parameters, X)
    np.testing.assert_allclose(predicted, expected, rtol=64 * EPS[dtype], atol=8 * EPS[dtype])
    np.testing.assert_array_equal(X, before)


def test_predict_takes_what_fit_takes():
    net = make()
    X = np.arange(20).reshape(4, 5)
    for form in (X.tolist(), X.astype("float16"), np.asfortranarray(X, "float32"), X.astype("float64")):
        np.testing.assert_array_equal(net.predict(form), net.predict(X))
    with pytest.raises(ValueError, match="X must have 5 columns"):
        net.predict(np.zeros((2, 4)))
    with pytest.raises(ValueError, match=r"X\[1, 0\] is nan"):
        net.predict([[0] * 5, [np.nan] * 5])


PAIRS = [
    ("identity", "squared_error", SquaredError()),
    ("sigmoid", SquaredError("sum", 0.5), SquaredError("sum", 0.5)),
    ("softmax", "cross_entropy", CrossEntropy()),
    ("softmax", "auto", CrossEntropy()),
    ("sigmoid", "auto", BinaryCrossEntropy()),
    ("softmax", "squared_error", SquaredError()),
    ("sigmoid", CrossEntropy("sum"), CrossEntropy("sum")),
]


@pytest.mark.parametrize("labels", [False, True])
@pytest.mark.parametrize(("output", "loss", "same"), PAIRS)
def test_loss_and_gradients(output, loss, same, labels):
    if labels and same.name != "cross_entropy":
        pytest.skip("labels are cross entropy's")
    net = make(output=output, dtype="float64")
    X, y = rows(30, 5), np.random.default_rng(1).random((30, 3))
    y /= y.sum(axis=1, keepdims=True)
    if labels:
        y = np.arange(30) % 3
    before = net.parameters.copy()
    value, gradients = net.loss_and_gradients(X, y, loss)
    expected, gradient = reference.loss_and_gradient(net.plan, net.parameters, X, y, same)
    assert isinstance(value, float)
    assert value == pytest.approx(expected, rel=200 * EPS["float64"])
    assert net.loss(X, y, loss) == pytest.approx(expected, rel=200 * EPS["float64"])
    np.testing.assert_allclose(gradients.flat, gradient, rtol=0, atol=300 * EPS["float64"] * abs(gradient).max())
    for mine, theirs in zip((gradients.weights, gradients.biases), reference.split(net.plan, gradient), strict=True):
        assert [array.shape for array in mine] == [array.shape for array in theirs]
        for a, b in zip(mine, theirs, strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=300 * EPS["float64"] * abs(gradient).max())
    np.testing.assert_array_equal(net.parameters, before)


def test_loss_default_is_squared_error():
    net, X, y = make(output="sigmoid"), rows(9, 5), np.ones((9, 3))
    assert net.loss(X, y) == net.loss(X, y, "squared_error") != net.loss(X, y, "auto")
    assert math.isclose(net.loss(X, y), float(((net.predict(X) - y) ** 2).mean()), rel_tol=1e-5)


def test_without_biases():
    net = make(bias=False)
    gradients = net.loss_and_gradients(rows(4, 5), rows(4, 3))[1]
    assert net.biases == gradients.biases == []
    assert "5 x 7" in net.summary()


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"sizes": (3,)}, ValueError, "at least two"),
        ({"activation": "rulu"}, ValueError, "choose one of: identity, relu"),
        ({"init": "henormal"}, ValueError, "choose one of: auto"),
        ({"random_state": "seed"}, TypeError, "random_state must be an integer of at least 0, None or .*, not 'seed'"),
        ({"random_state": -1}, ValueError, "random_state must be an integer of at least 0, None or .*, not -1"),
    ],
)
def test_bad_arguments(wrong, error, message):
    with pytest.raises(error, match=message):
        make(**wrong)


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"X": np.zeros((4, 6))}, ValueError, "X must have 5 columns"),
        ({"y": np.zeros((3, 3))}, ValueError, "X has 4, y has 3"),
        ({"loss": "hinge"}, ValueError, "loss 'hinge' is not known; choose one of: auto, squared_error"),
        ({"loss": 3}, TypeError, "loss must be a name"),
    ],
)
def test_bad_calls(wrong, error, message):
    net, call = make(), {"X": np.zeros((4, 5)), "y": np.zeros((4, 3)), **wrong}
    for method in (net.loss, net.loss_and_gradients, net.fit):
        before = net.parameters.copy()
        with pytest.raises(error, match=message):
            method(**call)
        np.testing.assert_array_equal(net.parameters, before)
