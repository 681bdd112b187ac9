"""A step allocates nothing: neither in compiled code nor in Python."""

import gc
import tracemalloc

import numba
import numpy as np
import pytest
from numba.core.runtime import _nrt_python, rtsys

import fastff as ff
from fastff._jit import DISABLED
from fastff.losses import CrossEntropy
from fastff.network.plan import make_plan
from fastff.optim import SGD, Adam
from fastff.training import team as team_module
from fastff.training.engine import Engine

pytestmark = pytest.mark.skipif(DISABLED, reason="nothing is compiled")


@pytest.fixture(autouse=True)
def statistics(monkeypatch):
    before, counted = ff.get_num_threads(), _nrt_python.memsys_stats_enabled()
    monkeypatch.setattr(team_module, "STEP_OPERATIONS", 1e-9)
    monkeypatch.setattr(team_module, "CALL_OPERATIONS", 0)
    _nrt_python.memsys_enable_stats()
    yield
    if not counted:
        _nrt_python.memsys_disable_stats()
    ff.set_num_threads(before)


def allocations():
    return rtsys.get_allocation_stats().alloc


class Training:
    def __init__(self, optimizer, batch, threads=1):
        ff.set_num_threads(threads)
        self.plan, rng = make_plan((17, 40, 3), "gelu", "softmax", True, "float32"), np.random.default_rng(0)
        self.parameters = self.plan.empty()
        self.parameters[...] = rng.normal(0, 0.1, self.plan.n_parameters)
        self.x, self.y = rng.normal(size=(50, 17)).astype("f4"), rng.integers(0, 3, 50)
        self.order = np.array([rng.permutation(50) for _ in range(500)])
        self.batch, self.engine = batch, Engine(self.plan, CrossEntropy(), optimizer, batch)
        self.losses = np.zeros(1000)
        self.steps(1)

    def steps(self, count):
        losses = self.losses[:count]
        arguments = self.parameters, self.x, self.y, self.order, self.batch, 0, count, losses
        assert self.engine.run(*arguments) == count


kinds = pytest.mark.parametrize(
    "optimizer", [SGD(1e-3), SGD(1e-3, momentum=0.9), Adam(1e-4)], ids=["sgd", "momentum", "adam"]
)


def test_the_count_counts():
    @numba.njit
    def allocate(n):
        return np.empty(n).size

    before = allocations()
    allocate(3)
    assert allocations() > before


@kinds
@pytest.mark.parametrize("batch", [3, 25])
def test_compiled_code_allocates_nothing(optimizer, batch):
    training = Training(optimizer, batch)
    before = allocations()
    training.steps(200)
    training.engine.loss(training.parameters, training.x, training.y)
    assert allocations() == before


@kinds
@pytest.mark.parametrize("threads", [1, 2])
def test_memory_does_not_grow_with_steps(optimizer, threads):
    """What Python allocates for a call does not depend on how many steps it makes, nor stays behind."""
    training = Training(optimizer, 25, threads)
    training.steps(2)
    peaks = []
    tracemalloc.start()
    try:
        for count in (10, 1000):
            gc.collect()
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            training.steps(count)
            after, peak = tracemalloc.get_traced_memory()
            assert after - before < 10_000
            peaks.append(peak - before)
    finally:
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 10_000
