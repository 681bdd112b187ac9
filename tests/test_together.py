"""Threads beside the caller's: all calls are made, and none is left with fewer cores than it had."""

import os
import threading
import time

import pytest

from fastff import _together
from fastff._together import together

pytestmark = pytest.mark.portable


def test_calls_run_at_once():
    meeting = threading.Barrier(3, timeout=30)
    threads = set()

    def call():
        meeting.wait()
        threads.add(threading.get_ident())

    together(call, call, call)
    assert len(threads) == 3
    assert threading.get_ident() in threads


def test_others_have_ended_when_the_first_call_is_broken_off():
    begun, done = threading.Event(), []

    def mine():
        begun.wait(30)
        raise KeyboardInterrupt

    def other():
        begun.set()
        time.sleep(0.1)
        done.append(1)

    with pytest.raises(KeyboardInterrupt):
        together(mine, other)
    assert done == [1]


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system does not tell cores")
@pytest.mark.parametrize("forbidden", [False, True])
def test_a_thread_on_the_core_of_its_caller_moves_away(forbidden, monkeypatch):
    allowed, moves, seen = os.sched_getaffinity(0), [], []
    here = min(allowed)
    monkeypatch.setattr(_together, "_core", lambda: here)
    set_affinity = os.sched_setaffinity

    def move(thread, cores):
        moves.append(set(cores))
        if forbidden:
            raise PermissionError
        set_affinity(thread, cores)

    monkeypatch.setattr(os, "sched_setaffinity", move)
    together(lambda: None, lambda: seen.append(os.sched_getaffinity(0)))
    assert seen == [allowed]
    if len(allowed) > 1:
        assert moves == ([allowed - {here}] if forbidden else [allowed - {here}, allowed])
    else:
        assert not moves
