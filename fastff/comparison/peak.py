"""The machine's own peak: fused multiply-adds a second, on numbers that never leave the registers."""

from __future__ import annotations

import time
from functools import partial

import numpy as np

from fastff._together import together
from fastff.simd.chains import chain_numbers, multiply_add_chains

__all__ = ["peak_rate"]

#: Of one measurement; long enough that starting the threads does not count.
SECONDS = 0.04


def peak_rate(dtype: str, threads: int, seconds: float = SECONDS) -> float:
    """Return the floating-point operations a second that so many threads reach together.

    Parameters
    ----------
    dtype : {"float32", "float64"}
        Of the numbers.
    threads : int
        How many compute at once.
    seconds : float
        About how long, after looking for how much that is.

    Notes
    -----
    A multiply-add counts as two operations. No training can do more: nothing is loaded or stored here.
    """
    kind = np.dtype(dtype)
    run, count = multiply_add_chains[kind], chain_numbers(kind.itemsize)
    numbers = [np.linspace(0, 1, count, dtype=kind) for _ in range(threads)]
    run(0.0, 1, numbers[0].ctypes.data)
    repeats, taken = 1, 0.0
    while taken < seconds / 2:
        repeats = min(repeats * 8, int(repeats * seconds / taken)) if taken > seconds / 100 else repeats * 8
        begin = time.perf_counter()
        together(*(partial(run, 0.0, repeats, each.ctypes.data) for each in numbers))
        taken = time.perf_counter() - begin
    return 2.0 * count * repeats * threads / taken
