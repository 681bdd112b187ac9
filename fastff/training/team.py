"""How many threads a call of the compiled loop takes; its results are the same bits for any number."""

from __future__ import annotations

import math

#: Floating-point operations of a step that are worth a second thread: some 45 us of one. What threads write and others
#: read changes cores at 2 or 3 GB/s, which takes 10 to 20, barriers 1 each.
STEP_OPERATIONS = 5.5e6
#: Floating-point operations of a call that are worth starting one, which takes some 100 us of 400.
CALL_OPERATIONS = 5e7
# Giving the core away takes about so long. A thread does so when it has waited longer than steps are uneven.
_YIELD_SECONDS = 4e-7
# Where each thread but one waits for such a part of the time, one alone is tried for a call.
_WAITING = 0.3
# Seconds for which the faster of the two is kept before the other is tried again: twice as many each time. Threads of a
# BLAS that spin on after their last product, for 100 ms, are gone after the second.
_SHORTEST, _LONGEST = 0.02, 6.4


class Team:
    """Chooses the number of threads, call after call.

    A second thread whose core is taken holds up the first. Waiting tells, and a call by one thread alone is compared.

    Examples
    --------
    >>> team = Team()
    >>> team.size(2, operations=1e9, steps=10)
    2
    >>> team.record(threads=2, operations=1e9, steps=10, yields=200_000, seconds=0.1)
    >>> team.size(2, operations=1e9, steps=10)
    1
    """

    def __init__(self) -> None:
        self._alone = self._together = 0.0  # seconds left to be worked so
        self._tries = False
        self._kept = _SHORTEST
        self._rate = 0.0

    @property
    def patience(self) -> float:
        """Seconds that the next call should take at most, so that the team can think again."""
        if self._tries:
            return _SHORTEST
        if self._alone <= 0 and self._kept == _SHORTEST:
            return math.inf
        return max(_SHORTEST, self._alone, self._together)

    def size(self, most: int, operations: float, steps: int) -> int:
        """Return the number of threads for so many steps, each of so many floating-point operations."""
        if most == 1 or operations * steps < CALL_OPERATIONS:
            return 1
        while most > 1 and operations <= STEP_OPERATIONS * (most - 1):
            most -= 1
        return 1 if self._tries or self._alone > 0 else most

    def record(self, threads: int, operations: float, steps: int, yields: int, seconds: float) -> None:
        """Take note of a call: the operations of a step, steps, and how often threads gave cores away while waiting."""
        rate = operations * steps / max(seconds, 1e-9)
        if threads == 1:
            self._alone -= seconds
            if self._tries:
                self._tries = False
                self._alone, self._together = (self._kept, 0.0) if rate > self._rate else (0.0, self._kept)
                self._kept = min(2 * self._kept, _LONGEST)
            return
        self._rate = rate
        self._together -= seconds
        if yields * _YIELD_SECONDS <= _WAITING * seconds * (threads - 1):
            self._kept = _SHORTEST
        elif self._together <= 0 and seconds < _SHORTEST * steps:
            # a thread that has half of a core takes as long for a long step as one alone: no loss, and nothing to try
            self._tries = True
