"""Activations and their slopes against the definition: every length around a vector, nothing else touched."""

import numpy as np
import pytest

from fastff import reference
from fastff._cpu import lanes
from fastff.ops.activate import activate, derivative
from fastff.ops.activations import ACTIVATIONS
from tests.guarded import Guarded, at_page_end

DTYPES = [np.dtype(np.float32), np.dtype(np.float64)]
FROM_INPUT = ("gelu", "silu")
dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=str)
names = pytest.mark.parametrize("name", ACTIVATIONS)


def lengths(dtype):
    return range(2 * lanes(dtype.itemsize) + 4)


def definition(name, z):
    """Activation and slope in float64."""
    z = z.astype(np.float64)
    with np.errstate(all="ignore"):
        h = reference.ACTIVATION[name](z)
        return h, reference.SLOPE[name](z, h)


def activated(name, z):
    n = len(z)
    out = Guarded(1, n, z.dtype)
    activate[z.dtype](0.0, ACTIVATIONS[name], n, z.ctypes.data, out.result.ctypes.data)
    out.check()
    return out.result[0]


def through(name, h, z, g):
    """``g * slope``, by the unit: from z for gelu and silu, from h for the others, whatever the other one holds."""
    n = len(g)
    out = Guarded(1, n, g.dtype, fill=g)
    unused = np.full(n, np.nan, g.dtype)
    sources = (unused, z) if name in FROM_INPUT else (h, unused)
    derivative[g.dtype](0.0, ACTIVATIONS[name], n, *(x.ctypes.data for x in sources), out.result.ctypes.data)
    out.check()
    return out.result[0]


@pytest.mark.portable
@dtypes
@names
def test_every_length_and_nothing_beyond(name, dtype):
    draw = np.random.default_rng(1)
    for n in lengths(dtype):
        z, g = (at_page_end(draw.normal(0, 3, n).astype(dtype)) for _ in range(2))
        eps = np.finfo(dtype).eps
        value, slope = definition(name, z)
        h = activated(name, z)
        np.testing.assert_allclose(h, value, rtol=6 * eps, atol=eps)
        np.testing.assert_allclose(through(name, at_page_end(h), z, g), g * slope, rtol=8 * eps, atol=60 * eps)


@pytest.mark.portable
@dtypes
@names
def test_in_place_gives_the_same_bits(name, dtype):
    z = np.random.default_rng(2).normal(0, 3, 2 * lanes(dtype.itemsize) + 3).astype(dtype)
    expected = activated(name, z)
    activate[dtype](0.0, ACTIVATIONS[name], len(z), z.ctypes.data, z.ctypes.data)
    np.testing.assert_array_equal(z, expected)


@dtypes
@names
def test_a_number_does_not_depend_on_its_place(name, dtype):
    z = np.random.default_rng(3).normal(0, 3, 3 * lanes(dtype.itemsize) + 1).astype(dtype)
    together = activated(name, z)
    np.testing.assert_array_equal(together, np.concatenate([activated(name, z[i : i + 1]) for i in range(len(z))]))
    np.testing.assert_array_equal(together[3:], activated(name, z[3:]))


@pytest.mark.portable
@dtypes
@names
def test_nan_shows(name, dtype):
    n = lanes(dtype.itemsize) + 2
    z, g = np.zeros(n, dtype), np.ones(n, dtype)
    z[[1, n - 1]] = np.nan
    h = activated(name, z)
    np.testing.assert_array_equal(np.isnan(h), np.isnan(z))
    slope = through(name, h, z, g)
    assert not np.isnan(slope[~np.isnan(z)]).any()
    if name != "identity":
        np.testing.assert_array_equal(np.isnan(slope), np.isnan(z))


@dtypes
@names
def test_slopes_at_the_ends(name, dtype):
    z = np.array([-np.inf, -1e4, 1e4, np.inf], dtype)
    h = activated(name, z)
    left = {"identity": 1.0, "leaky_relu": 0.01}.get(name, 0.0)
    right = 0.0 if name in ("sigmoid", "tanh") else 1.0
    with np.errstate(invalid="ignore"):
        expected = np.array([left, left, right, right], dtype)
    np.testing.assert_array_equal(through(name, h, z, np.ones(4, dtype)), expected)


@dtypes
@names
def test_slope_is_the_central_difference(name, dtype):
    if name in ("relu", "leaky_relu", "identity"):
        z = np.array([-2.5, -0.75, 0.5, 3.25], dtype)
    else:
        z = np.linspace(-6, 6, 42).astype(dtype)
    step = 2.0**-8 if dtype.itemsize == 4 else 2.0**-17
    difference = (activated(name, z + step).astype(float) - activated(name, z - step)) / (2 * step)
    tolerance = 8 * np.finfo(dtype).eps * 6 / step + step**2
    slope = through(name, activated(name, z), z, np.ones_like(z))
    np.testing.assert_allclose(slope, difference, rtol=0, atol=tolerance)
