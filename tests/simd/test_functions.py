"""Vector functions against mpmath: 4 units in the last place over the whole range, limits, NaN."""

import mpmath as mp
import numpy as np
import pytest
from llvmlite import ir
from numba import njit, types

from fastff._jit import DISABLED, intrinsic
from fastff.simd import functions as f
from fastff.simd.arrays import Arrays
from fastff.simd.lanes import Vectors
from fastff.simd.memory import view
from fastff.simd.sweep import sweep, switch

DTYPES = [np.float32, np.float64]
FORMULAS = {
    "exp": f.exp,
    "exp_negative": f.exp_negative,
    "expm1_negative": f.expm1_negative,
    "log": f.log,
    "log1p_unit": f.log1p_unit,
    "sigmoid": f.sigmoid,
    "tanh": f.tanh,
    "elu": f.elu,
    "silu": f.silu,
    "softplus": f.softplus,
    "gelu": f.gelu,
}
TRUE = {
    "exp": mp.exp,
    "exp_negative": mp.exp,
    "expm1_negative": mp.expm1,
    "log": mp.log,
    "log1p_unit": mp.log1p,
    "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
    "tanh": mp.tanh,
    "elu": lambda x: x if x > 0 else mp.expm1(x),
    "silu": lambda x: x / (1 + mp.exp(-x)),
    "softplus": lambda x: mp.log1p(mp.exp(x)),
    "gelu": lambda x: x * mp.erfc(-x / mp.sqrt(2)) / 2,
}
INF, NAN = np.inf, np.nan
LIMITS = {
    "exp": [(-INF, 0), (INF, INF), (0, 1), (-1e4, 0), (1e4, INF), (NAN, NAN)],
    "exp_negative": [(-INF, 0), (0, 1), (-1e4, 0), (NAN, NAN)],
    "expm1_negative": [(-INF, -1), (0, 0), (-1e4, -1), (NAN, NAN)],
    "log": [(0, -INF), (-0.0, -INF), (-1, NAN), (-INF, NAN), (INF, INF), (1, 0), (NAN, NAN)],
    "log1p_unit": [(0, 0), (NAN, NAN)],
    "sigmoid": [(-INF, 0), (INF, 1), (0, 0.5), (-1e4, 0), (1e4, 1), (NAN, NAN)],
    "tanh": [(-INF, -1), (INF, 1), (0, 0), (-1e4, -1), (1e4, 1), (NAN, NAN)],
    "elu": [(-INF, -1), (INF, INF), (0, 0), (-1e4, -1), (1e4, 1e4), (NAN, NAN)],
    "silu": [(-INF, 0), (INF, INF), (0, 0), (-1e4, 0), (1e4, 1e4), (NAN, NAN)],
    "softplus": [(-INF, 0), (INF, INF), (-1e4, 0), (1e4, 1e4), (NAN, NAN)],
    "gelu": [(-INF, 0), (INF, INF), (0, 0), (-1e4, 0), (1e4, 1e4), (NAN, NAN)],
}
CODES = {name: code for code, name in enumerate(FORMULAS)}


def _probe_twin(like, code, n, x, y):
    with np.errstate(all="ignore"):
        view(y, like, n)[:] = list(FORMULAS.values())[code](Arrays(type(like)), view(x, like, n))


@intrinsic(_probe_twin)
def _probe(typing_context, like, code, n, x, y):
    def codegen(context, builder, signature, values):
        def emit(case):
            formula = list(FORMULAS.values())[case]
            sweep(
                Vectors(builder, like), values[2], [values[3]], [values[4]], lambda o, x, *_: ([formula(o, x[0])], [])
            )

        switch(builder, values[1], range(len(FORMULAS)), emit)
        return ir.Constant(ir.IntType(64), 0)

    return types.int64(like, *[types.int64] * 4), codegen


@njit
def _compiled(like, code, n, x, y):
    _probe(like, code, n, x, y)


def compiled(name, x):
    y = np.full_like(x, NAN)
    _compiled(x.dtype.type(0), CODES[name], len(x), x.ctypes.data, y.ctypes.data)
    return y


def interpreted(name, x):
    with np.errstate(all="ignore"):
        return FORMULAS[name](Arrays(x.dtype), x)


INTERPRETERS = [interpreted] if DISABLED else [compiled, interpreted]


def samples(name, dtype, count):
    """Points of every kind: ordinary, of every magnitude, to where results leave the range."""
    draw = np.random.default_rng(7)
    info = np.finfo(dtype)
    wide = -float(np.log(info.smallest_subnormal)) + 5
    magnitudes = np.exp(draw.uniform(np.log(float(info.smallest_subnormal)), np.log(wide), count))
    x = np.concatenate(
        [
            draw.normal(0, 2, count),
            draw.uniform(-wide, wide, count),
            draw.uniform(-40, 10, count),
            magnitudes * draw.choice([-1, 1], count),
        ]
    )
    if name == "log":
        x = np.concatenate([np.exp(x[x < np.log(info.max)]), np.abs(x), draw.uniform(0.7, 1.5, count)])
    elif name == "log1p_unit":
        x = np.exp(-np.abs(x))
    elif name.endswith("_negative"):
        x = -np.abs(x)
    return x.astype(dtype)


def units(got, x, name):
    """Errors in units in the last place of the dtype, of its smallest number where results are subnormal."""
    with mp.workprec(240):
        errors = []
        for value, point in zip(got, x):
            true = TRUE[name](mp.mpf(float(point)))
            with np.errstate(over="ignore"):
                near = x.dtype.type(float(true))
            if not np.isfinite(near):
                errors.append(0.0 if value == near else INF)
                continue
            errors.append(float(abs(mp.mpf(float(value)) - true) / mp.mpf(float(np.spacing(np.abs(near))))))
    return np.array(errors)


@pytest.mark.parametrize("interpreter", INTERPRETERS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FORMULAS)
def test_at_most_four_units_in_the_last_place(name, dtype, interpreter):
    x = samples(name, dtype, 300)
    errors = units(interpreter(name, x), x, name)
    worst = errors.argmax()
    assert errors[worst] <= 4, (x[worst], errors[worst])


@pytest.mark.portable
@pytest.mark.parametrize("interpreter", INTERPRETERS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FORMULAS)
def test_limits_are_exact_and_nan_is_kept(name, dtype, interpreter):
    x, expected = np.array(LIMITS[name], dtype).T.copy()
    np.testing.assert_array_equal(interpreter(name, x), expected)


@pytest.mark.portable
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FORMULAS)
def test_interpreters_agree(name, dtype):
    x = samples(name, dtype, 100)
    a, b = compiled(name, x), interpreted(name, x)
    finite = np.isfinite(b)
    np.testing.assert_array_equal(a[~finite], b[~finite])
    a, b, x = a[finite], b[finite], x[finite]
    close = np.abs(a - b) <= 6 * np.spacing(np.abs(b))
    assert np.all(close), x[~close]


@pytest.mark.parametrize("dtype", DTYPES)
def test_exp_of_a_difference_keeps_what_the_difference_rounds_off(dtype):
    draw = np.random.default_rng(3)
    top = draw.uniform(-50, 50, 400).astype(dtype)
    x = np.minimum(top, draw.uniform(-80, 50, 400).astype(dtype))
    got = f.exp_difference(Arrays(dtype), x, top)
    with mp.workprec(200):
        for value, a, b in zip(got, x, top):
            true = mp.exp(mp.mpf(float(a)) - mp.mpf(float(b)))
            assert abs(mp.mpf(float(value)) - true) <= 2 * mp.mpf(float(np.spacing(dtype(float(true)))))
