"""The plain NumPy definition against central differences, hand-worked steps and the textbook's formulas."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest

from fastff import losses, reference
from fastff.ops.activations import ACTIVATIONS, OUTPUTS
from fastff.optim import SGD, Adam
from fastff.reference import Plan

EPS = float(np.finfo(np.float64).eps)
LOSSES = [
    losses.SquaredError(),
    losses.SquaredError("sum", 0.5),
    losses.CrossEntropy(),
    losses.CrossEntropy("sum"),
    losses.BinaryCrossEntropy(),
    losses.BinaryCrossEntropy("sum"),
]
PAIRS = list(itertools.product(OUTPUTS, LOSSES))


def problem(plan, rows=6, seed=0):
    """Small weights; output logits near 0.3, where every output activation is between 0 and 1."""
    rng = np.random.default_rng(seed)
    parameters = rng.normal(0, 0.3, sum((m + plan.bias) * n for m, n in zip(plan.sizes, plan.sizes[1:])))
    weights, biases = reference.split(plan, parameters)
    weights[-1] *= 0.1
    if plan.bias:
        biases[-1][:] = rng.uniform(0.25, 0.35, plan.sizes[-1])
    x = rng.normal(size=(rows, plan.sizes[0]))
    y = rng.dirichlet(np.ones(plan.sizes[-1]), rows)
    return parameters, x, y


def central_differences(value, parameters):
    step = EPS ** (1 / 3)
    gradient = np.empty_like(parameters)
    for k in range(parameters.size):
        ahead, behind = parameters.copy(), parameters.copy()
        ahead[k] += step
        behind[k] -= step
        gradient[k] = (value(ahead) - value(behind)) / (ahead[k] - behind[k])
    return gradient


def check_gradient(plan, loss):
    parameters, x, y = problem(plan)
    logits, _ = reference.forward(plan, parameters, x)
    assert all((abs(z) > 1e-4).all() for z in logits), "a logit at a kink proves nothing"
    value, gradient = reference.loss_and_gradient(plan, parameters, x, y, loss)
    expected = central_differences(lambda w: reference.loss_and_gradient(plan, w, x, y, loss)[0], parameters)
    # truncation and rounding of a central difference are both of the order eps^(2/3)
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=100 * EPS ** (2 / 3) * max(1, abs(value)))


@pytest.mark.parametrize(("output", "loss"), PAIRS, ids=str)
def test_gradient_of_every_output_and_loss(output, loss):
    check_gradient(Plan((4, 5, 3), ("tanh", output)), loss)


@pytest.mark.parametrize("hidden", ACTIVATIONS)
def test_gradient_of_every_hidden_activation(hidden):
    check_gradient(Plan((3, 5, 4, 3), (hidden, hidden, "softmax")), losses.CrossEntropy())


def test_gradient_without_bias():
    check_gradient(Plan((4, 5, 3), ("relu", "identity"), bias=False), losses.SquaredError())


@pytest.mark.parametrize(("output", "loss"), PAIRS, ids=str)
def test_loss_is_its_formula(output, loss):
    plan = Plan((4, 5, 3), ("tanh", output))
    parameters, x, y = problem(plan)
    p = reference.predict(plan, parameters, x)
    rows, outputs = p.shape
    if loss.name == "squared_error":
        terms, count = loss.scale * (p - y) ** 2, rows * outputs
    elif loss.name == "cross_entropy":
        terms, count = -y * np.log(p), rows
    else:
        terms, count = -y * np.log(p) - (1 - y) * np.log(1 - p), rows * outputs
    expected = math.fsum(terms.ravel()) / (count if loss.reduction == "mean" else 1)
    assert reference.loss_and_gradient(plan, parameters, x, y, loss)[0] == pytest.approx(expected, rel=50 * EPS)


VALUES = {
    "identity": lambda z: z,
    "relu": lambda z: max(z, 0.0),
    "leaky_relu": lambda z: z if z > 0 else 0.01 * z,
    "sigmoid": lambda z: 1 / (1 + math.exp(-z)),
    "tanh": math.tanh,
    "elu": lambda z: z if z > 0 else math.expm1(z),
    "gelu": lambda z: z * (1 + math.erf(z / math.sqrt(2))) / 2,
    "silu": lambda z: z / (1 + math.exp(-z)),
    "softplus": lambda z: math.log1p(math.exp(z)),
}
# value at -inf, at inf
LIMITS = {
    "identity": (-math.inf, math.inf),
    "relu": (0, math.inf),
    "leaky_relu": (-math.inf, math.inf),
    "sigmoid": (0, 1),
    "tanh": (-1, 1),
    "elu": (-1, math.inf),
    "gelu": (0, math.inf),
    "silu": (0, math.inf),
    "softplus": (0, math.inf),
}


def activate(name, z, dtype="float64"):
    """Through a network of one weight of one."""
    z = np.asarray(z, dtype).reshape(-1, 1)
    return reference.predict(Plan((1, 1), (name,), bias=False), np.ones(1, dtype), z)[:, 0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_values(name, dtype):
    points = np.array([-30, -5, -1.5, -0.25, 0, 0.25, 1.5, 5, 30], dtype)
    values = activate(name, points, dtype)
    assert values.dtype == dtype
    eps = np.finfo(dtype).eps
    # the formula of gelu above cancels to the left of zero: absolute there
    np.testing.assert_allclose(values, [VALUES[name](float(z)) for z in points], rtol=8 * eps, atol=8 * eps)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_limits(name, dtype):
    values = activate(name, [-np.inf, np.inf, np.nan, -1e4, 1e4], dtype)
    assert tuple(values[:2]) == LIMITS[name]
    assert np.isnan(values[2])
    assert np.isfinite(values[3:]).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_slopes_are_finite_far_out(name, dtype):
    points = np.array([-1e4, -100, 100, 1e4], dtype)
    with np.errstate(all="ignore"):
        slope = reference.SLOPE[name](points, reference.ACTIVATION[name](points))
    right = {"sigmoid": 0, "tanh": 0}.get(name, 1)
    left = {"identity": 1, "leaky_relu": np.asarray(0.01, dtype)}.get(name, 0)
    np.testing.assert_allclose(slope, [left, left, right, right], rtol=0, atol=EPS**2)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("output", "loss", "z", "y", "value"),
    [
        ("softmax", losses.CrossEntropy(), [1e4, -1e4, 0], [1, 0, 0], 0),
        ("softmax", losses.CrossEntropy(), [1e4, -1e4, 0], [0, 1, 0], 2e4),
        ("sigmoid", losses.BinaryCrossEntropy("sum"), [1e4, -1e4, 0], [1, 0, 1], math.log(2)),
        ("sigmoid", losses.BinaryCrossEntropy("sum"), [1e4, -1e4, 0], [0, 1, 1], 2e4 + math.log(2)),
    ],
)
def test_closed_forms_of_huge_logits(output, loss, z, y, value, dtype):
    plan, parameters = Plan((3, 3), (output,), bias=False), np.eye(3, dtype=dtype).ravel()
    x, y = np.array([z], dtype), np.array([y], dtype)
    given, gradient = reference.loss_and_gradient(plan, parameters, x, y, loss)
    assert given == pytest.approx(value, rel=4 * float(np.finfo(dtype).eps))
    assert np.isfinite(gradient).all()


def test_labels_are_rows_of_the_unit_matrix():
    plan = Plan((4, 3), ("softmax",))
    parameters, x, _ = problem(plan)
    labels = np.array([0, 2, 1, 1, 0, 2])
    by_label = reference.loss_and_gradient(plan, parameters, x, labels, losses.CrossEntropy())
    by_row = reference.loss_and_gradient(plan, parameters, x, np.eye(3)[labels], losses.CrossEntropy())
    assert by_label[0] == by_row[0]
    assert np.array_equal(by_label[1], by_row[1])


def test_a_step_of_two_neurons_by_hand():
    """x = 1, y = 3. Hidden: 2 * 1 + 1 = 3. Output: 0.5 * 3 - 0.5 = 1. Loss: (1 - 3)^2 = 4.

    Backwards: 2 (1 - 3) = -4 at the output, so -12 for its weight, -4 for its bias; 0.5 * -4 = -2 for both of the
    hidden neuron. With rate 0.1: 2.2, 1.2, 1.7, -0.1. Then 2.2 + 1.2 = 3.4; 1.7 * 3.4 - 0.1 = 5.68; loss 7.1824.
    """
    plan, parameters = Plan((1, 1, 1), ("relu", "identity")), np.array([2, 1, 0.5, -0.5])
    x, y = np.array([[1.0]]), np.array([3.0])
    value, gradient = reference.loss_and_gradient(plan, parameters, x, y, losses.SquaredError())
    assert value == 4
    assert np.array_equal(gradient, [-2, -2, -12, -4])
    steps = reference.train(plan, parameters, x, y, losses.SquaredError(), SGD(0.1))
    assert np.array_equal(steps, [4])
    np.testing.assert_allclose(parameters, [2.2, 1.2, 1.7, -0.1], rtol=4 * EPS)
    assert reference.loss_and_gradient(plan, parameters, x, y, losses.SquaredError())[0] == pytest.approx(7.1824)


def run_updates(optimizer, gradients):
    """Two parameters that start at 1 and -2."""
    parameters, state = np.array([1.0, -2.0]), np.zeros((optimizer.n_states, 2))
    for t, gradient in enumerate(gradients, start=1):
        reference.update(optimizer, parameters, np.array(gradient, float), state, t)
    return parameters


def test_update_rules_by_hand():
    gradients = [(1, 2), (3, 0)]
    expected = {
        SGD(0.1): (1 - 0.1 - 0.3, -2 - 0.2 - 0),
        # velocities (1, 2) and (0.5 + 3, 1)
        SGD(0.1, momentum=0.5): (1 - 0.1 - 0.35, -2 - 0.2 - 0.1),
        # directions (1 + 0.5, 2 + 1) and (3 + 0.5 * 3.5, 0 + 0.5 * 1)
        SGD(0.1, momentum=0.5, nesterov=True): (1 - 0.15 - 0.475, -2 - 0.3 - 0.05),
        # 1 - 0.1 * 0.5 = 0.95 before each step
        SGD(0.1, weight_decay=0.5): ((0.95 - 0.1) * 0.95 - 0.3, (-1.9 - 0.2) * 0.95),
    }
    for optimizer, parameters in expected.items():
        np.testing.assert_allclose(run_updates(optimizer, gradients), parameters, rtol=4 * EPS)


def test_adam_by_hand():
    rate, beta1, beta2, epsilon, decay = 0.1, 0.5, 0.75, 1e-3, 0.2
    w, m, u = 1.0, 0.0, 0.0
    for t, g in enumerate([4.0, -2.0, 1.0], start=1):
        m = beta1 * m + (1 - beta1) * g
        u = beta2 * u + (1 - beta2) * g * g
        step = rate * (m / (1 - beta1**t)) / (math.sqrt(u / (1 - beta2**t)) + epsilon)
        w = w * (1 - rate * decay) - step
    given = run_updates(Adam(rate, beta1, beta2, epsilon, decay), [(4, 4), (-2, -2), (1, 1)])
    assert given[0] == pytest.approx(w, rel=8 * EPS)


def test_first_step_of_adam_is_the_rate():
    """Both moments are the gradient's, bias-corrected: the step is rate * g / (abs(g) + epsilon)."""
    np.testing.assert_allclose(run_updates(Adam(0.1), [(1e-3, -5)]), [0.9, -1.9], rtol=1e-5)


@pytest.mark.parametrize("optimizer", [SGD(0.1, 0.9), Adam(0.01)], ids=str)
def test_batches_follow_the_order(optimizer):
    """Three epochs of seven rows in batches of three: the last batch of one row is trained on, its mean its own."""
    plan = Plan((4, 5, 3), ("relu", "identity"))
    start, x, y = problem(plan, rows=7)
    order = np.array([np.random.default_rng(e).permutation(7) for e in range(3)])
    given = start.copy()
    steps = reference.train(plan, given, x, y, losses.SquaredError(), optimizer, 3, 3, order)

    expected, state, t = start.copy(), np.zeros((optimizer.n_states, start.size)), 0
    for rows in order:
        for batch in (rows[:3], rows[3:6], rows[6:]):
            p = reference.predict(plan, expected, x[batch])
            assert steps[t] == pytest.approx(np.mean((p - y[batch]) ** 2), rel=50 * EPS)
            t += 1
            _, gradient = reference.loss_and_gradient(plan, expected, x[batch], y[batch], losses.SquaredError())
            reference.update(optimizer, expected, gradient, state, t)
    assert t == len(steps)
    assert np.array_equal(given, expected)


def test_batch_size_larger_than_the_data_is_the_whole():
    plan = Plan((4, 3), ("identity",))
    start, x, y = problem(plan)
    one, other = start.copy(), start.copy()
    arguments = plan, x, y, losses.SquaredError(), SGD(0.1)
    reference.train(arguments[0], one, *arguments[1:], epochs=2, batch_size=100)
    reference.train(arguments[0], other, *arguments[1:], epochs=2)
    assert np.array_equal(one, other)


def test_divergence_ends_before_the_update():
    plan = Plan((2, 1), ("identity",), bias=False)
    parameters, x, y = np.ones(2), np.full((1, 2), 10.0), np.zeros(1)
    steps = reference.train(plan, parameters, x, y, losses.SquaredError(), SGD(1e100), epochs=10)
    assert np.isfinite(steps[:-1]).all()
    assert not np.isfinite(steps[-1])
    assert len(steps) < 10
    assert np.isfinite(parameters).all()


@pytest.mark.parametrize("output", OUTPUTS)
def test_float32_stays_float32(output):
    plan = Plan((4, 5, 3), ("gelu", output))
    parameters, x, y = problem(plan)
    value, gradient = reference.loss_and_gradient(plan, parameters, x, y, losses.SquaredError())
    given, low = reference.loss_and_gradient(plan, parameters.astype("float32"), x, y, losses.SquaredError())
    assert low.dtype == np.float32
    eps = float(np.finfo(np.float32).eps)
    assert given == pytest.approx(value, rel=50 * eps)
    np.testing.assert_allclose(low, gradient, rtol=0, atol=50 * eps * abs(gradient).max())


def test_it_imports_numpy_alone():
    lines = Path(reference.__file__).read_text().splitlines()
    imports = [line.split()[1] for line in lines if line.startswith(("import ", "from "))]
    assert set(imports) <= {"math", "collections.abc", "typing", "numpy"}
