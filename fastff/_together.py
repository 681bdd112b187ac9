"""Threads that run compiled code beside the caller's, each on a core of its own from the start."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

__all__ = ["together"]

_getcpu = getattr(ctypes.CDLL(None), "sched_getcpu", None) if sys.platform == "linux" else None


def together(mine: Callable[[], Any], *others: Callable[[], Any]) -> None:
    """Make calls at once, the first of them in this thread; returns when all have ended.

    A thread that begins on the core of the one that waits for it stays there, as neither ever sleeps, until the system
    next looks whether its cores are equally busy: some 8 ms. So it moves away by itself.

    Parameters
    ----------
    mine, *others : callable
        What to call. They do not raise: exceptions of `others` go to `threading.excepthook`.

    Examples
    --------
    >>> done = []
    >>> together(lambda: done.append(1), lambda: done.append(2))
    >>> sorted(done)
    [1, 2]
    """
    core = [_core()]
    threads = [threading.Thread(target=_elsewhere, args=(core, call), daemon=True) for call in others]
    for thread in threads:
        thread.start()
        core[0] = _core()
    try:
        mine()
    finally:
        for thread in threads:
            thread.join()


def _elsewhere(core: list[int], call: Callable[[], Any]) -> None:
    if _core() == core[0]:
        _leave(core[0])
    call()


def _core() -> int:
    """Number of the core that this thread runs on; -1 where the system does not tell."""
    return _getcpu() if _getcpu is not None else -1


def _leave(core: int) -> None:
    """Have this thread moved to another core; afterwards it may run where it might before."""
    if core < 0:
        return
    try:
        allowed = os.sched_getaffinity(0)
        if len(allowed) > 1:
            os.sched_setaffinity(0, allowed - {core})
            os.sched_setaffinity(0, allowed)
    except OSError:  # it is a favour, and some containers forbid it
        pass
