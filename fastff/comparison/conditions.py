"""The conditions of a comparison: every trainer at its best, and all on as many cores.

A shell may export ``OPENBLAS_CORETYPE``, which can halve NumPy's speed and flatter whoever is compared with it, so the
BLAS libraries' variables are unset. Memory that a step frees stays with the process: the system would take it back, and
each step would pay for page faults.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import fastff

__all__ = ["environment", "keep_to_cores"]

_BLAS = ("OPENBLAS_", "MKL_", "BLIS_", "VECLIB_", "GOTO_")
_THREADS = ("OMP", "OPENBLAS", "MKL", "BLIS", "NUMBA", "FASTFF")
_KEEP_BYTES = 2**31 - 1


def environment(threads: int, given: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment variables of a process that trains on so many threads.

    Parameters
    ----------
    threads : int
        How many.
    given : mapping of str to str, optional
        What to start from; this process's own by default.

    Examples
    --------
    >>> variables = environment(2, {"HOME": "/home/me", "OPENBLAS_CORETYPE": "Haswell"})
    >>> variables["HOME"], variables["OMP_NUM_THREADS"], "OPENBLAS_CORETYPE" in variables
    ('/home/me', '2', False)
    """
    source = os.environ if given is None else given
    variables = {name: value for name, value in source.items() if not name.startswith(_BLAS)}
    variables |= {f"{name}_NUM_THREADS": str(threads) for name in _THREADS}
    variables["VECLIB_MAXIMUM_THREADS"] = str(threads)
    variables |= {f"MALLOC_{name}_": str(_KEEP_BYTES) for name in ("TRIM_THRESHOLD", "MMAP_THRESHOLD")}
    variables["MALLOC_TOP_PAD_"] = str(2**26)
    if threads == 1:
        variables["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    # the fastff that is running, wherever the process starts
    here = str(Path(fastff.__file__).resolve().parent.parent)
    variables["PYTHONPATH"] = os.pathsep.join(filter(None, [here, variables.get("PYTHONPATH", "")]))
    return variables


def keep_to_cores(threads: int) -> None:
    """Keep this process to its first `threads` cores, where the system can.

    Some libraries start a thread for each core they see, whatever they are told.
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
