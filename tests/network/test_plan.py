"""Plans: the layout of the flat vector, and every bad description of a network."""

import pickle

import numpy as np
import pytest

from fastff.network.plan import Plan, make_plan

pytestmark = pytest.mark.portable


@pytest.mark.parametrize("bias", [True, False])
def test_views_tile_the_flat_vector(bias):
    plan = make_plan((3, 5, 2, 4), ("relu", "tanh"), "softmax", bias, "float64")
    flat = np.arange(plan.n_parameters, dtype=float)
    weights, biases = plan.weights(flat), plan.biases(flat)
    assert [w.shape for w in weights] == [(3, 5), (5, 2), (2, 4)]
    assert [b.shape for b in biases] == [(5,), (2,), (4,)] * bias
    assert all(np.shares_memory(view, flat) and view.flags.c_contiguous for view in weights + biases)
    parts = [part.ravel() for pair in zip(weights, biases) for part in pair] if bias else [w.ravel() for w in weights]
    np.testing.assert_array_equal(np.concatenate(parts), flat)


def test_plan_is_a_value():
    plan = make_plan([3, 4, 1], "relu", "identity", True, np.float32)
    assert plan == Plan((3, 4, 1), ("relu", "identity"), True, np.dtype("float32"))
    assert hash(plan) == hash(pickle.loads(pickle.dumps(plan)))
    assert (plan.n_inputs, plan.n_outputs, plan.n_layers, plan.n_parameters) == (3, 1, 2, 21)


def test_empty_is_aligned():
    for width in range(1, 9):
        flat = make_plan((3, width), (), "identity", True, "float32").empty()
        assert flat.shape == (4 * width,)
        assert flat.dtype == np.float32
        assert flat.ctypes.data % 64 == 0


DESCRIPTION = {"sizes": (3, 4, 1), "activation": "relu", "output": "identity", "bias": True, "dtype": "float32"}


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"sizes": (3,)}, ValueError, r"at least two, not \(3,\)"),
        ({"sizes": ()}, ValueError, "at least two"),
        ({"sizes": (3, -4, 1)}, ValueError, r"sizes\[1\] must be at least 1, not -4"),
        ({"sizes": (3, 0, 1)}, ValueError, r"sizes\[1\] must be at least 1, not 0"),
        ({"sizes": (3, 4.0, 1)}, TypeError, r"sizes\[1\] must be an integer, not 4.0 of type float"),
        ({"sizes": (True, 4, 1)}, TypeError, r"sizes\[0\] must be an integer, not True"),
        ({"sizes": 5}, TypeError, "widths, input first"),
        ({"sizes": "345"}, TypeError, "widths, input first"),
        (
            {"activation": "rleu"},
            ValueError,
            "activation 'rleu' is not known; choose one of: identity, relu, .*softplus",
        ),
        ({"activation": "softmax"}, ValueError, "activation 'softmax' is not known"),
        ({"activation": ("relu", "tanh")}, ValueError, "one for each of the 1 hidden layers; got 2"),
        ({"activation": ("relux",)}, ValueError, "activation 'relux' is not known"),
        ({"activation": (np.tanh,)}, TypeError, "activation must be a name"),
        ({"output": "sofmax"}, ValueError, "output 'sofmax' is not known; choose one of: identity, .*softmax"),
        ({"bias": "no"}, TypeError, "bias must be True or False, not 'no'"),
        ({"dtype": "float16"}, ValueError, "dtype must be 'float32' or 'float64', not 'float16'"),
        ({"dtype": "junk"}, ValueError, "not 'junk'"),
        ({"dtype": None}, ValueError, "not None"),
        ({"dtype": ">f4"}, ValueError, "not '>f4'"),
    ],
)
def test_bad_description(wrong, error, message):
    with pytest.raises(error, match=message):
        make_plan(**{**DESCRIPTION, **wrong})
