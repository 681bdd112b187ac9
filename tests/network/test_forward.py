"""The compiled forward pass against the definition, and the same bits for every number of threads."""

import threading

import numpy as np
import pytest

import fastff as ff
from fastff import _jit, reference
from fastff.network import forward as module
from fastff.network.forward import forward
from fastff.network.plan import make_plan
from fastff.ops.activations import ACTIVATIONS, OUTPUTS

DTYPES = ("float32", "float64")
dtypes = pytest.mark.parametrize("dtype", DTYPES)


@pytest.fixture
def threads(monkeypatch):
    """Set the number of threads, for jobs of any size."""
    before = ff.get_num_threads()
    monkeypatch.setattr(module, "THREAD_OPERATIONS", 1e-9)
    yield ff.set_num_threads
    ff.set_num_threads(before)


def network(sizes, activation="tanh", output="identity", bias=True, dtype="float64"):
    plan = make_plan(sizes, activation, output, bias, dtype)
    flat, rng = plan.empty(), np.random.default_rng(1)
    for weight in plan.weights(flat):
        weight[...] = rng.normal(0, len(weight) ** -0.5, weight.shape)
    for b in plan.biases(flat):
        b[...] = rng.normal(0, 0.5, b.shape)
    return plan, flat


def rows(count, plan, seed=0):
    return np.random.default_rng(seed).normal(size=(count, plan.n_inputs)).astype(plan.dtype)


def computed(plan, parameters, x):
    """The outputs, with guards before and after them; nothing else has changed."""
    memory = np.full((len(x) + 2, plan.n_outputs), -77, plan.dtype)
    before = parameters.copy(), x.copy()
    assert forward(plan, parameters, x, memory[1:-1]) is None
    np.testing.assert_array_equal(memory[[0, -1]], -77)
    np.testing.assert_array_equal(parameters, before[0])
    np.testing.assert_array_equal(x, before[1])
    return memory[1:-1].copy()


def check(plan, parameters, count):
    x = rows(count, plan)
    wanted = reference.predict(plan, parameters.astype("f8"), x)
    out = computed(plan, parameters, x)
    bound = 40 * plan.n_layers * np.finfo(plan.dtype).eps
    np.testing.assert_allclose(out, wanted, rtol=bound, atol=bound * max(1, np.abs(wanted).max(initial=0)))
    return out


@pytest.mark.portable
@dtypes
@pytest.mark.parametrize("output", OUTPUTS)
def test_every_activation(dtype, output):
    activation = "tanh" if output == "softmax" else output
    for bias in (True, False):
        check(*network((3, 5, 2), activation, output, bias, dtype), 3)


@dtypes
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_of_wide_layers(dtype, activation):
    check(*network((33, 100, 17, 130), activation, "softmax", True, dtype), 70)


@dtypes
@pytest.mark.parametrize("sizes", [(1, 1), (3, 4, 1), (130, 1, 2), (17, 33, 100, 3)], ids=str)
def test_every_number_of_rows(dtype, sizes):
    packed = module.PACKED_ROWS
    for count in (0, 1, 2, 3, 5, 17, packed - 1, packed, packed + 1, 3 * packed + 5):
        check(*network(sizes, "relu", "sigmoid", True, dtype), count)


@pytest.mark.portable
@dtypes
def test_no_rows(dtype):
    assert check(*network((3, 2), dtype=dtype), 0).shape == (0, 2)


@dtypes
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_many_rows_are_blocks(dtype, activation, monkeypatch):
    """Blocks of any size give the same bits."""
    plan, parameters = network((33, 100, 17, 3), activation, "softmax", True, dtype)
    whole = check(plan, parameters, 1000)
    monkeypatch.setattr(module, "L2_BYTES", 1 << 14)
    np.testing.assert_array_equal(check(plan, parameters, 1000), whole)


@pytest.mark.portable
@dtypes
def test_threads_give_the_same_bits(dtype, threads):
    plan, parameters = network((3, 5, 2), "silu", "softmax", True, dtype)
    packed = module.PACKED_ROWS
    for count in (1, 2, 7, packed, packed + 2):
        results = []
        for n in (1, 2, 3):
            threads(n)
            results.append(check(plan, parameters, count))
        np.testing.assert_array_equal(results[1], results[0])
        np.testing.assert_array_equal(results[2], results[0])


@dtypes
def test_threads_give_the_same_bits_of_wide_layers(dtype, threads):
    plan, parameters = network((130, 100, 33), "gelu", "identity", True, dtype)
    for count in (module.PACKED_ROWS + 1, 301):
        results = []
        for n in (1, 2, 3):
            threads(n)
            results.append(computed(plan, parameters, rows(count, plan)))
        np.testing.assert_array_equal(results[1], results[0])
        np.testing.assert_array_equal(results[2], results[0])


@pytest.mark.portable
def test_changed_parameters_are_seen():
    """Whether in place or another vector: nothing of an earlier call is kept that could be old."""
    plan, parameters = network((3, 4, 2))
    for count in (2, module.PACKED_ROWS + 1):
        check(plan, parameters, count)
        parameters[...] *= -1.5
        check(plan, parameters, count)
        for _ in range(5):  # memory of a vector that is gone may be given to the next
            check(plan, parameters * np.random.default_rng(count).normal(), count)
        other = make_plan((3, 4, 2), "relu", "sigmoid", True, "float64")
        check(other, parameters, count)


@pytest.mark.portable
def test_not_finite_numbers_show():
    plan, parameters = network((3, 4, 2), "relu", "softmax")
    x = rows(3, plan)
    x[1, 2] = np.nan
    out = computed(plan, parameters, x)
    np.testing.assert_array_equal(np.isnan(out).any(axis=1), [False, True, False])


def test_threads_that_predict_at_once():
    nets = [network((33, 100, 3), "tanh", "softmax", True, dtype) for dtype in DTYPES for _ in range(2)]
    alone = [computed(*net, rows(count, net[0])) for net in nets for count in (3, 200)]
    together = [None] * len(alone)

    def one(place):
        net, count = nets[place // 2], (3, 200)[place % 2]
        for _ in range(20):
            together[place] = computed(*net, rows(count, net[0]))

    team = [threading.Thread(target=one, args=(place,)) for place in range(len(alone))]
    for thread in team:
        thread.start()
    for thread in team:
        thread.join()
    for out, wanted in zip(together, alone, strict=True):
        np.testing.assert_array_equal(out, wanted)


def test_another_network_compiles_nothing():
    check(*network((3, 4, 1)), 2)
    before = _jit.compilations()
    check(*network((7, 9, 8, 2), "elu", "softmax", False), 100)
    assert _jit.compilations() == before
