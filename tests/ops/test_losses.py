"""Loss objects, their names and codes, and how one is chosen."""

import dataclasses
import pickle

import pytest

from fastff import losses
from fastff.ops.activations import ACTIVATIONS, OUTPUTS, RELU_FAMILY
from fastff.ops.losses import LOSSES, resolve


def test_codes_are_what_compiled_code_expects():
    assert list(ACTIVATIONS.values()) == list(range(9))
    assert OUTPUTS == {**ACTIVATIONS, "softmax": 9}
    assert set(ACTIVATIONS) > RELU_FAMILY
    assert {name: kind.code for name, kind in LOSSES.items()} == {
        "squared_error": 0,
        "cross_entropy": 1,
        "binary_cross_entropy": 2,
    }


@pytest.mark.parametrize("output", sorted(OUTPUTS))
def test_auto_follows_the_output(output):
    expected = {"softmax": losses.CrossEntropy(), "sigmoid": losses.BinaryCrossEntropy()}
    assert resolve("auto", output) == expected.get(output, losses.SquaredError())


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_names_and_objects(name):
    loss = resolve(name, "identity")
    assert (loss.name, loss.reduction, loss.scale) == (name, "mean", 1.0)
    assert resolve(loss, "softmax") is loss
    assert pickle.loads(pickle.dumps(loss)) == loss
    with pytest.raises(dataclasses.FrozenInstanceError):
        loss.reduction = "sum"


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: resolve("mse", "identity"),
            ValueError,
            "'mse' is not known; choose one of: auto, squared_error, cross",
        ),
        (lambda: resolve(None, "identity"), TypeError, "loss must be a name .* not None of type NoneType"),
        (lambda: resolve(losses.SquaredError, "identity"), TypeError, "an object such as"),
        (lambda: losses.SquaredError("average"), ValueError, "reduction 'average' is not known"),
        (lambda: losses.CrossEntropy(None), TypeError, "reduction must be a name"),
        (lambda: losses.SquaredError(scale=0), ValueError, "scale must be a finite number above 0"),
        (lambda: losses.SquaredError(scale="1"), TypeError, "scale must be a number"),
    ],
)
def test_bad_input(make, error, message):
    with pytest.raises(error, match=message):
        make()
