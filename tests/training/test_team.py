"""The number of threads of a call: enough work for each, and nobody who waits for a core that is taken."""

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


WAITS, WORK = 10**7, 1e9


def sizes(team, calls):
    return [team.size(2, WORK, 10) for _ in range(calls)]


def test_a_team_that_waits_tries_one_thread_and_keeps_what_is_faster():
    team = Team()
    team.record(2, WORK, yields=1000, seconds=1.0)
    assert sizes(team, 2) == [2, 2]
    for kept in (4, 8, 16, 32, 64, 64):
        team.record(2, WORK, WAITS, seconds=1.0)
        assert sizes(team, 1) == [1]
        team.record(1, WORK, 0, seconds=0.9)
        assert sizes(team, kept + 1) == [1] * kept + [2]
    team.record(2, WORK, 0, seconds=1.0)
    team.record(2, WORK, WAITS, seconds=1.0)
    assert sizes(team, 1) == [1]
    team.record(1, WORK, 0, seconds=1.1)
    for _ in range(4):
        assert sizes(team, 1) == [2]
        team.record(2, WORK, WAITS, seconds=1.0)
    assert sizes(team, 1) == [2]
    team.record(2, WORK, WAITS, seconds=1.0)
    assert sizes(team, 1) == [1]


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
