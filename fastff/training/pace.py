"""How many steps one compiled call makes: enough to be fast, so few that Ctrl-C and a progress bar need not wait."""

from __future__ import annotations

__all__ = ["Pace"]

# Seconds of a call. Ten calls a second keep a progress bar moving and cost 0.1 % at 100 us of Python each.
TARGET = 0.1
# A call that copies and checks many parameters afterwards may take longer, so that these stay within 2 % of the time.
_LONGEST, _SHARE = 0.4, 0.02
# The first call is a guess of 20 ms: 0.2 s where the machine is ten times slower than guessed.
_FIRST = 0.02
_SECONDS_A_STEP, _FLOPS = 5e-7, 5e10
# A call makes at most so many times the steps of the one before, which may have been too short to be measured well.
_GROWTH = 8
# The losses of a call, one float64 a step, stay within 8 MB.
MOST_STEPS = 1 << 20


class Pace:
    """Number of steps of the next compiled call, learned from those before.

    Parameters
    ----------
    flops : float
        Floating-point operations of a step, for the first guess.
    overhead : float
        Seconds that are lost between two calls.

    Examples
    --------
    >>> pace = Pace(flops=1e6, overhead=0.0)
    >>> first = pace.steps
    >>> pace.record(first, seconds=first * 1e-3)
    >>> pace.steps
    100
    """

    def __init__(self, flops: float, overhead: float) -> None:
        self.target = min(max(TARGET, overhead / _SHARE), _LONGEST)
        self.steps = self._bounded(_FIRST / (_SECONDS_A_STEP + flops / _FLOPS))

    def record(self, steps: int, seconds: float) -> None:
        """Take note that `steps` steps took `seconds`."""
        fitting = self.target * steps / max(seconds, 1e-9)
        self.steps = self._bounded(min(round(fitting), _GROWTH * steps))

    def within(self, seconds: float) -> int:
        """Number of steps of a call that should not take longer than `seconds`, nor than usual."""
        return self.steps if seconds >= self.target else self._bounded(self.steps * seconds / self.target)

    @staticmethod
    def _bounded(steps: float) -> int:
        return int(min(max(steps, 1), MOST_STEPS))
