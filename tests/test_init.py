"""Every initialiser: limits, mean and variance over many draws, and what `initialise` does with them."""

import math
from typing import NamedTuple

import numpy as np
import pytest

from fastff import init, reference

FAN_IN, FAN_OUT = 300, 200
COUNT = FAN_IN * FAN_OUT


class Plan(NamedTuple):
    sizes: tuple[int, ...]
    activations: tuple[str, ...]
    bias: bool = True
    dtype: np.dtype = np.dtype("float64")

    @property
    def n_parameters(self):
        return sum((m + self.bias) * n for m, n in zip(self.sizes, self.sizes[1:]))

    def weights(self, flat):
        return reference.split(self, flat)[0]

    def biases(self, flat):
        return reference.split(self, flat)[1]


def draw(rule, fan_in=FAN_IN, fan_out=FAN_OUT, seed=0, **plan):
    plan = Plan((fan_in, fan_out), ("identity",), **plan)
    flat = init.initialise(plan, rule, np.random.default_rng(seed))
    assert flat.dtype == plan.dtype
    assert flat.shape == (plan.n_parameters,)
    if plan.bias:
        assert not plan.biases(flat)[0].any()
    return plan.weights(flat)[0]


UNIFORM = {
    "uniform": (init.Uniform(), 1 / math.sqrt(FAN_IN)),
    "kaiming_uniform": (init.KaimingUniform(), math.sqrt(6 / FAN_IN)),
    "xavier_uniform": (init.XavierUniform(), math.sqrt(6 / (FAN_IN + FAN_OUT))),
}
NORMAL = {
    "normal": (init.Normal(), 1.0),
    "kaiming_normal": (init.KaimingNormal(), math.sqrt(2 / FAN_IN)),
    "xavier_normal": (init.XavierNormal(), math.sqrt(2 / (FAN_IN + FAN_OUT))),
}
LIMITS = [
    *UNIFORM.items(),
    ("gain", (init.KaimingUniform(gain=3), 3 * math.sqrt(3 / FAN_IN))),
    ("gain", (init.XavierUniform(gain=5 / 3), 5 / 3 * math.sqrt(6 / (FAN_IN + FAN_OUT)))),
]
DEVIATIONS = [
    *NORMAL.items(),
    ("gain", (init.KaimingNormal(gain=3), 3 / math.sqrt(FAN_IN))),
    ("gain", (init.XavierNormal(gain=5 / 3), 5 / 3 * math.sqrt(2 / (FAN_IN + FAN_OUT)))),
]


def check_moments(values, mean, std, kurtosis):
    """Sample mean and variance within five of their own standard deviations."""
    assert abs(values.mean() - mean) < 5 * std / math.sqrt(COUNT)
    assert abs(values.var() / std**2 - 1) < 5 * math.sqrt((kurtosis - 1) / COUNT)


@pytest.mark.parametrize(("name", "rule"), LIMITS)
def test_uniform_limits_mean_and_variance(name, rule):
    rule, limit = rule
    values = draw(rule)
    assert np.abs(values).max() <= limit
    # the largest of COUNT draws misses the limit by more than this with a chance of exp(-20)
    assert values.max() > limit * (1 - 40 / COUNT)
    assert values.min() < -limit * (1 - 40 / COUNT)
    check_moments(values, 0, limit / math.sqrt(3), kurtosis=1.8)


@pytest.mark.parametrize(("name", "rule"), DEVIATIONS)
def test_normal_mean_and_variance(name, rule):
    rule, std = rule
    values = draw(rule)
    check_moments(values, 0, std, kurtosis=3)
    inside = (np.abs(values) < std).mean()
    assert abs(inside - math.erf(math.sqrt(0.5))) < 5 * 0.5 / math.sqrt(COUNT)


def test_uniform_and_normal_with_numbers():
    values = draw(init.Uniform(2, 5))
    assert values.min() >= 2
    assert values.max() <= 5
    check_moments(values, 3.5, 3 / math.sqrt(12), kurtosis=1.8)
    check_moments(draw(init.Normal(mean=-1, std=0.25)), -1, 0.25, kurtosis=3)
    assert (draw(init.Normal(mean=2, std=0)) == 2).all()


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ("zeros", 0),
        ("ones", 1),
        ("constant", 0.1),
        (init.Constant(-3), -3),
        (0.25, 0.25),
        (2, 2),
        (np.float32(0.5), 0.5),
    ],
)
def test_constants(rule, value):
    assert (draw(rule, 5, 4) == value).all()


@pytest.mark.parametrize("name", sorted(init.INITIALISERS))
def test_name_stands_for_the_default_object(name):
    same = {**UNIFORM, **NORMAL}.get(name)
    rule = same[0] if same else init.INITIALISERS[name]
    assert np.array_equal(draw(name), draw(rule))


@pytest.mark.parametrize("name", sorted(init.INITIALISERS))
def test_float32_starts_from_the_same_numbers(name):
    assert np.array_equal(draw(name, dtype=np.dtype("float32")), draw(name).astype("float32"))


def test_seed_decides():
    assert np.array_equal(draw("normal", seed=3), draw("normal", seed=3))
    assert not np.array_equal(draw("normal", seed=3), draw("normal", seed=4))


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "elu", "gelu", "silu", "softplus"])
def test_auto_is_kaiming_for_the_relu_family(activation):
    check_auto(activation, init.KaimingNormal())


@pytest.mark.parametrize("activation", ["identity", "sigmoid", "tanh", "softmax"])
def test_auto_is_xavier_for_the_rest(activation):
    check_auto(activation, init.XavierUniform())


def check_auto(activation, rule):
    """The second layer's own activation decides, not the first's."""
    plan = Plan((7, 6, 5), ("relu", activation))
    flat = init.initialise(plan, "auto", np.random.default_rng(1))
    rng = np.random.default_rng(1)
    assert np.array_equal(plan.weights(flat)[0], init.KaimingNormal()(rng, 7, 6))
    assert np.array_equal(plan.weights(flat)[1], rule(rng, 6, 5))


def test_callable_of_the_user():
    assert (draw(lambda rng, fan_in, fan_out: np.full((fan_in, fan_out), fan_in / 2), 6, 4) == 3).all()


PLAN = Plan((3, 4, 2), ("relu", "identity"))
WEIGHTS = [np.arange(12.0).reshape(3, 4), np.arange(8).reshape(4, 2)]
BIASES = [np.arange(4.0) - 9, np.array([5, 6])]


def test_weight_arrays_alone_leave_biases_zero():
    flat = init.initialise(PLAN, WEIGHTS, np.random.default_rng(0))
    assert np.array_equal(flat, np.concatenate([np.arange(12), np.zeros(4), np.arange(8), np.zeros(2)]))
    flat[0] = 99
    assert WEIGHTS[0][0, 0] == 0


@pytest.mark.parametrize(
    "arrays",
    [
        [*WEIGHTS, *BIASES],
        [WEIGHTS[0], BIASES[0], WEIGHTS[1], BIASES[1]],
        tuple(array.tolist() for array in [*WEIGHTS, *BIASES]),
        [np.asfortranarray(WEIGHTS[0]), WEIGHTS[1].astype("float16"), *BIASES],
    ],
)
def test_weights_and_biases_in_either_order(arrays):
    flat = init.initialise(PLAN, arrays, np.random.default_rng(0))
    assert np.array_equal(flat, np.concatenate([WEIGHTS[0].ravel(), BIASES[0], WEIGHTS[1].ravel(), BIASES[1]]))


BAD_ARRAYS = [
    (PLAN, WEIGHTS[:1], "2 weight arrays, or 4"),
    (PLAN, [*WEIGHTS, BIASES[0]], "it holds 3 arrays"),
    (PLAN._replace(bias=False), [*WEIGHTS, *BIASES], "no biases"),
    (
        PLAN,
        [WEIGHTS[0].T, WEIGHTS[1]],
        r"init\[0\], the network's weights\[0\], must have shape \(3, 4\), not \(4, 3\)",
    ),
    (PLAN, [*WEIGHTS, BIASES[1], BIASES[0]], r"init\[2\], the network's biases\[0\]"),
    (PLAN, [WEIGHTS[0], WEIGHTS[1] * np.nan], "must be finite"),
    (PLAN._replace(dtype=np.dtype("float32")), [WEIGHTS[0], WEIGHTS[1] * 1e300], "finite in float32"),
]


@pytest.mark.parametrize(("plan", "arrays", "message"), BAD_ARRAYS)
def test_arrays_that_do_not_fit(plan, arrays, message):
    with pytest.raises(ValueError, match=message):
        init.initialise(plan, arrays, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("rule", "error", "message"),
    [
        ("xavier", ValueError, "init 'xavier' is not known; choose one of: auto, zeros, .*xavier_normal"),
        (float("nan"), ValueError, "finite"),
        (True, TypeError, "init must be a name"),
        (None, TypeError, "init must be a name"),
        (init.Zeros, TypeError, "an object such as"),
        ([np.array([["a"] * 4] * 3), WEIGHTS[1]], TypeError, "real numbers"),
        ([WEIGHTS[0] * 1j, WEIGHTS[1]], TypeError, "real numbers"),
        (lambda rng, fan_in, fan_out: np.ones((fan_out, fan_in)), ValueError, "what init.* returned must have shape"),
    ],
)
def test_what_cannot_be_an_initialiser(rule, error, message):
    with pytest.raises(error, match=message):
        init.initialise(PLAN, rule, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: init.XavierNormal(gain=0), ValueError, "gain must be a finite number above 0, not 0"),
        (lambda: init.KaimingUniform(gain="2"), TypeError, "gain must be a number"),
        (lambda: init.Uniform(1), ValueError, "together"),
        (lambda: init.Uniform(2, 1), ValueError, "high must be a finite number above 2, not 1"),
        (lambda: init.Normal(std=-1), ValueError, "std"),
        (lambda: init.Constant(math.inf), ValueError, "value"),
    ],
)
def test_numbers_of_initialisers_are_checked(make, error, message):
    with pytest.raises(error, match=message):
        make()
