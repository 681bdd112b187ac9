"""How many threads a training may use."""

from __future__ import annotations

import operator
import os

__all__ = ["get_num_threads", "set_num_threads"]

VARIABLE = "FASTFF_NUM_THREADS"

_chosen: int | None = None


def set_num_threads(n: int) -> None:
    """Set how many threads every later training and prediction of this process may use.

    Results are the same bits for every number. A job too small to gain from several runs on one.

    Parameters
    ----------
    n : int
        At least 1. More than the machine has cores is allowed, and slower.

    Raises
    ------
    TypeError
        If `n` is not an integer.
    ValueError
        If it is below 1.

    Examples
    --------
    >>> import fastff as ff
    >>> before = ff.get_num_threads()
    >>> ff.set_num_threads(1)
    >>> ff.get_num_threads()
    1
    >>> ff.set_num_threads(before)
    """
    global _chosen
    try:
        count = operator.index(n)
    except TypeError:
        raise TypeError(f"n, the number of threads, must be an integer, not {n!r} of type {type(n).__name__}") from None
    if count < 1:
        raise ValueError(f"n, the number of threads, must be at least 1, not {count}")
    _chosen = count


def get_num_threads() -> int:
    """Return how many threads a training may use.

    It is what `set_num_threads` was given; before that, the environment variable ``FASTFF_NUM_THREADS``; without it,
    the number of cores this process may use.

    Raises
    ------
    ValueError
        If ``FASTFF_NUM_THREADS`` is in use and not an integer of at least 1.
    """
    if _chosen is None:
        set_num_threads(_from_environment(os.environ.get(VARIABLE)))
        return get_num_threads()
    return _chosen


def _from_environment(text: str | None) -> int:
    """Return the number of threads that the variable's text stands for; unset or empty means all cores."""
    if text is None or not text.strip():
        return _cores()
    try:
        count = int(text)
    except ValueError:
        count = 0
    if count < 1:
        raise ValueError(f"{VARIABLE} must be an integer of at least 1, not {text!r}")
    return count


def _cores() -> int:
    """Return the number of cores this process may use."""
    if hasattr(os, "process_cpu_count"):  # Python 3.13
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
