"""Loss and gradient at the output: every pair of activation and loss against the definition, central differences."""

import numpy as np
import pytest

from fastff import reference
from fastff._cpu import lanes
from fastff.ops.activations import OUTPUTS
from fastff.ops.head import head
from fastff.ops.losses import LOSSES
from tests.guarded import Guarded

DTYPES = [np.dtype(np.float32), np.dtype(np.float64)]
CLOSED = [("softmax", "cross_entropy"), ("sigmoid", "binary_cross_entropy")]
dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=str)
activations = pytest.mark.parametrize("activation", OUTPUTS)
losses = pytest.mark.parametrize("loss", LOSSES)


def by_unit(activation, loss, z, y, scale=1.0, gradient=True, gap=0):
    """Row losses and gradient, written between guards; the targets are labels where they have one dimension."""
    rows, columns = z.shape
    logits = Guarded(rows, columns, z.dtype, gap=gap, fill=z)
    delta = Guarded(rows, columns, z.dtype, gap=gap + 1, fill=0)
    values = Guarded(1, rows, np.dtype(float), fill=0)
    at, row = (delta.result.ctypes.data, delta.result.strides[0]) if gradient else (0, 0)
    head[z.dtype](
        0.0, OUTPUTS[activation], LOSSES[loss].code, int(y.ndim == 1), rows, columns, logits.result.ctypes.data,
        logits.result.strides[0], y.ctypes.data, y.strides[0], scale, values.result.ctypes.data, at, row,
    )  # fmt: skip
    for array in (logits, delta, values):
        array.check()
    return values.result[0].copy(), delta.result.copy()


def by_definition(activation, loss, z, y):
    summed = LOSSES[loss](reduction="sum")
    with np.errstate(all="ignore"):
        rows = [(row, reference.ACTIVATION[activation](row)) for row in np.split(z, len(z))]
        pairs = [reference._loss_and_delta(summed, activation, *row, y[i : i + 1]) for i, row in enumerate(rows)]
    return np.array([value for value, _ in pairs]), np.concatenate([delta for _, delta in pairs])


def logits_for(activation, loss, shape, draw):
    """Logits whose outputs the loss is well conditioned at: for the cross entropies well inside (0, 1)."""
    z = draw.normal(0, 2, shape)
    if loss == "squared_error" or activation in ("sigmoid", "softmax"):
        return z
    bounds = {"softplus": (-3, 0), "gelu": (0.3, 0.8), "silu": (0.3, 0.9)}
    return draw.uniform(*bounds.get(activation, (0.2, 0.8)), shape)


def targets(shape, draw):
    y = draw.random(shape)
    y[draw.random(shape) < 0.2] = 0
    y[draw.random(shape) < 0.2] = 1
    return y


def widths(dtype):
    width = lanes(dtype.itemsize)
    return sorted({1, 2, 3, width - 1, width, width + 1, 2 * width, 2 * width + 3, 3 * width + 1})


@pytest.mark.portable
@dtypes
@activations
@losses
def test_every_pair_is_the_definition(activation, loss, dtype):
    draw = np.random.default_rng(1)
    for columns in widths(dtype):
        z = logits_for(activation, loss, (3, columns), draw).astype(dtype)
        y = targets(z.shape, draw).astype(dtype)
        values, delta = by_definition(activation, loss, z.astype(float), y.astype(float))
        got, gradient = by_unit(activation, loss, z, y, scale=0.25, gap=2)
        eps = np.finfo(dtype).eps
        np.testing.assert_allclose(got, values, rtol=40 * eps, atol=40 * eps)
        np.testing.assert_allclose(gradient, 0.25 * delta, rtol=60 * eps, atol=60 * eps)
        np.testing.assert_array_equal(by_unit(activation, loss, z, y, gradient=False)[0], got)


@pytest.mark.portable
@dtypes
@activations
def test_labels_are_rows_with_a_single_one(activation, dtype):
    draw = np.random.default_rng(2)
    for columns in widths(dtype):
        z = logits_for(activation, "cross_entropy", (4, columns), draw).astype(dtype)
        labels = np.array([0, columns - 1, columns // 2, draw.integers(columns)])
        for a, b in zip(
            by_unit(activation, "cross_entropy", z, labels),
            by_unit(activation, "cross_entropy", z, np.eye(columns, dtype=dtype)[labels]),
        ):
            np.testing.assert_array_equal(a, b)


@activations
@losses
def test_gradient_is_the_central_difference(activation, loss):
    draw = np.random.default_rng(3)
    z = logits_for(activation, loss, (2, 5), draw)
    y = targets(z.shape, draw)
    _, gradient = by_unit(activation, loss, z, y)
    step = 2.0**-17
    for j in range(5):
        move = step * (np.arange(5) == j)
        up, down = (by_unit(activation, loss, z + sign * move, y)[0] for sign in (1, -1))
        np.testing.assert_allclose((up - down) / (2 * step), gradient[:, j], rtol=1e-7, atol=1e-7)


@pytest.mark.portable
@dtypes
def test_closed_forms_hold_for_large_logits(dtype):
    z = np.array([[1e4, -1e4, 0]], dtype)
    for label, expected in ((0, 0), (1, 2e4), (2, 1e4)):
        value, delta = by_unit("softmax", "cross_entropy", z, np.array([label]))
        assert value == expected
        np.testing.assert_array_equal(delta[0], np.eye(3)[0] - np.eye(3)[label])
    y = np.array([[1, 1, 0.5]], dtype)
    value, delta = by_unit("sigmoid", "binary_cross_entropy", z, y)
    np.testing.assert_allclose(value, 1e4 + np.log(2), rtol=np.finfo(dtype).eps)
    np.testing.assert_array_equal(delta, [[0, -1, 0]])


@dtypes
@pytest.mark.parametrize("pair", CLOSED)
def test_small_losses_of_certain_predictions_are_seen(pair, dtype):
    z = np.array([[30.0, 0.0]], dtype) if pair[0] == "softmax" else np.array([[30.0]], dtype)
    y = np.array([[1, 0]], dtype) if pair[0] == "softmax" else np.array([[1]], dtype)
    value, delta = by_unit(*pair, z, y)
    np.testing.assert_allclose(value, np.log1p(np.exp(-30.0)), rtol=1e-2)
    assert abs(delta[0, 0]) < 1e-12 or dtype.itemsize == 4


@pytest.mark.portable
@dtypes
@activations
@losses
def test_nan_shows_in_its_row_only(activation, loss, dtype):
    draw = np.random.default_rng(5)
    z = logits_for(activation, loss, (3, 4), draw).astype(dtype)
    z[1, 2] = np.nan
    value, delta = by_unit(activation, loss, z, np.full((3, 4), 0.5, dtype))
    np.testing.assert_array_equal(np.isnan(value), [False, True, False])
    np.testing.assert_array_equal(np.isnan(delta).any(axis=1), [False, True, False])


@dtypes
def test_overflow_shows(dtype):
    huge = np.full((1, 3), np.finfo(dtype).max / 2, dtype)
    assert by_unit("identity", "squared_error", huge, np.zeros((1, 3), dtype))[0] == np.inf


@dtypes
def test_a_row_does_not_depend_on_its_place(dtype):
    draw = np.random.default_rng(6)
    z, y = draw.normal(0, 2, (20, 10)).astype(dtype), draw.integers(10, size=20)
    value, delta = by_unit("softmax", "cross_entropy", z, y)
    for i in range(20):
        one = by_unit("softmax", "cross_entropy", z[i : i + 1], y[i : i + 1], gap=i)
        assert one[0][0] == value[i]
        np.testing.assert_array_equal(one[1][0], delta[i])


@dtypes
@activations
@losses
def test_one_output_in_many_rows(activation, loss, dtype):
    draw = np.random.default_rng(7)
    z = logits_for(activation, loss, (131, 1), draw).astype(dtype)
    y = targets(z.shape, draw).astype(dtype)
    value, delta = by_unit(activation, loss, z, y, gap=1)
    np.testing.assert_array_equal(by_unit(activation, loss, z, y, gradient=False)[0], value)
    for i in (0, 63, 64, 130):
        one = by_unit(activation, loss, z[i : i + 1], y[i : i + 1])
        np.testing.assert_array_equal(one[0], value[i : i + 1])
        np.testing.assert_array_equal(one[1], delta[i : i + 1])
    expected = by_definition(activation, loss, z.astype(float), y.astype(float))
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(value, expected[0], rtol=40 * eps, atol=40 * eps)
    np.testing.assert_allclose(delta, expected[1], rtol=60 * eps, atol=60 * eps)
