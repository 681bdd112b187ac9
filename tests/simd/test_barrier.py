"""The barrier and its atomic counter, with real threads."""

import sys
import threading

import numpy as np
import pytest

from fastff._jit import DISABLED, Unit
from fastff.simd.barrier import BARRIER_BYTES, atomic_add, atomic_get, give_way, pause, wait
from fastff.simd.memory import get_int, put_int
from tests.calls import DTYPES

pytestmark = pytest.mark.portable
FLOAT64 = DTYPES[1]


@pytest.fixture(autouse=True)
def restless():
    """Python changes threads at every chance: what is not atomic shows, also without compilation."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def barrier_of_tests(like, barrier, threads, me, slots, rounds):
    """Each round: say that I am here, wait, count who is not. Returns how many were missed."""
    missed = 0
    for turn in range(rounds):
        put_int(slots + 8 * me, turn + 1)
        wait(barrier, threads)
        for other in range(threads):
            if get_int(slots + 8 * other) != turn + 1:
                missed += 1
        wait(barrier, threads)
    return missed


def counter_of_tests(like, counter, turns):
    for _ in range(turns):
        pause()
        atomic_add(counter, 2)
        atomic_add(counter, -1)
    give_way()
    return atomic_get(counter)


BARRIER, COUNTER = Unit(barrier_of_tests, "iiiii"), Unit(counter_of_tests, "ii")


def barriers(count):
    """Closed barriers, which live on should a thread wait at one for ever."""
    made = np.zeros((count + 1) * BARRIER_BYTES // 8, np.int64)
    _kept.append(made)
    return [made.ctypes.data + place * BARRIER_BYTES for place in range(count)]


_kept = []


def together(threads, call):
    """Results of ``call(0) .. call(threads - 1)``, each in a thread of its own."""
    results = [None] * threads

    def one(me):
        results[me] = call(me)

    team = [threading.Thread(target=one, args=(me,), daemon=True) for me in range(threads)]
    for thread in team:
        thread.start()
    for thread in team:
        thread.join(600)
    return results


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_nobody_is_missed(threads):
    rounds = 3 if DISABLED else 300
    [barrier], slots = barriers(1), np.zeros(threads, np.int64)
    unit = BARRIER[FLOAT64]
    missed = together(threads, lambda me: unit(0, barrier, threads, me, slots.ctypes.data, rounds))
    assert missed == [0] * threads
    np.testing.assert_array_equal(slots, rounds)


def test_two_teams_at_once():
    both, slots = barriers(2), np.zeros((2, 2), np.int64)
    unit, rounds = BARRIER[FLOAT64], 3 if DISABLED else 100

    def call(me):
        team, place = divmod(me, 2)
        return unit(0, both[team], 2, place, slots[team].ctypes.data, rounds)

    assert together(4, call) == [0] * 4


def test_no_addition_is_lost():
    counter, turns = np.array([5]), 1000 if DISABLED else 20_000
    unit = COUNTER[FLOAT64]
    together(3, lambda me: unit(0, counter.ctypes.data, turns))
    assert counter[0] == 5 + 3 * turns
