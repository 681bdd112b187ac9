"""The number of threads of a call: enough work for each, and nobody who waits for a core that is taken."""

import math

import numpy as np
import pytest

import fastff as ff
from fastff.training import team as module
from fastff.training.team import Team

pytestmark = pytest.mark.portable


def test_small_steps_and_short_calls_take_one_thread():
    team = Team()
    assert team.size(4, 1e5, 1000) == 1
    assert team.size(4, 1e7, 1) == 1
    assert team.size(4, 1e7, 100) == 2
    assert team.size(4, 1e9, 1) == 4
    assert team.size(1, 1e9, 100) == 1


WAITS, WORK, STEPS = 10**7, 1e8, 10


def size(team):
    return team.size(2, WORK, STEPS)


def test_a_team_that_waits_tries_one_thread_and_keeps_what_is_faster():
    team = Team()
    assert team.patience == math.inf
    team.record(2, WORK, STEPS, yields=1000, seconds=0.1)
    assert (size(team), team.patience) == (2, math.inf)
    for kept in (0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 6.4, 6.4):
        team.record(2, WORK, STEPS, WAITS, seconds=0.1)
        assert (size(team), team.patience) == (1, 0.02)
        team.record(1, WORK, STEPS, 0, seconds=0.09)
        assert (size(team), team.patience) == (1, kept)
        team.record(1, WORK, STEPS, 0, seconds=kept / 2)
        assert (size(team), team.patience) == (1, max(0.02, kept / 2))
        team.record(1, WORK, STEPS, 0, seconds=kept / 2)
        # a short call of two
        assert (size(team), team.patience) == (2, 0.02)
    # two threads that need not wait have their cores again
    team.record(2, WORK, STEPS, 0, seconds=0.1)
    assert (size(team), team.patience) == (2, math.inf)


def test_a_team_that_waits_goes_on_where_one_thread_is_no_faster():
    team = Team()
    team.record(2, WORK, STEPS, WAITS, seconds=0.1)
    assert size(team) == 1
    team.record(1, WORK, STEPS, 0, seconds=0.11)
    for _ in range(2):
        assert size(team) == 2
        team.record(2, WORK, STEPS, WAITS, seconds=0.01)
    assert size(team) == 1


def test_a_team_makes_long_steps_together():
    """A thread that has half of a core takes no longer for them than one alone."""
    team = Team()
    team.record(2, WORK, 2, WAITS, seconds=0.1)
    assert (size(team), team.patience) == (2, math.inf)
    team.record(2, WORK, 6, WAITS, seconds=0.1)
    assert size(team) == 1


def test_waiting_is_counted(monkeypatch):
    """Three threads on a machine of fewer cores, or a second that never gets one, change no bit."""
    monkeypatch.setattr(module, "STEP_OPERATIONS", 1e-9)
    monkeypatch.setattr(module, "CALL_OPERATIONS", 0)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((60, 40)), rng.standard_normal((60, 3))
    results = []
    threads = ff.get_num_threads()
    try:
        for waiting in (1e9, -1.0):
            monkeypatch.setattr(module, "_WAITING", waiting)
            ff.set_num_threads(3)
            net = ff.Network((40, 70, 3), activation="tanh", dtype="float64", random_state=0)
            trainer = ff.Trainer(net, optimizer=ff.SGD(0.1), batch_size=30)
            for _ in range(4):
                trainer.fit(x, y, epochs=2)
            results.append(net.parameters.copy())
    finally:
        ff.set_num_threads(threads)
    np.testing.assert_array_equal(*results)
