"""The conditions of every measurement: NumPy at its best, a stated number of threads, compiled code in its own cache.

A shell may export ``OPENBLAS_CORETYPE``, which can halve NumPy's speed and flatter whoever is compared with it; so
the variables of the BLAS libraries are unset. Memory that a step frees stays with the process: otherwise the system
takes it back and each step pays for page faults, up to three quarters of its time.
"""

import ctypes
import os
import sys
from pathlib import Path

BLAS_PREFIXES = ("OPENBLAS_", "MKL_", "BLIS_", "VECLIB_")

# mallopt's numbers for what the environment calls MALLOC_..._; glibc only
_KEEP_BYTES = 2**31 - 1
_TOP_PAD_BYTES = 2**26
_MALLOPT = {"TRIM_THRESHOLD": (-1, _KEEP_BYTES), "TOP_PAD": (-2, _TOP_PAD_BYTES), "MMAP_THRESHOLD": (-3, _KEEP_BYTES)}


def without_blas_variables(environment: dict[str, str]) -> dict[str, str]:
    """Return the environment without what tells a BLAS library which kernels to take or how many threads."""
    return {name: value for name, value in environment.items() if not name.startswith(BLAS_PREFIXES)}


def apply() -> None:
    """Bring this process under the conditions; has its full effect only before NumPy is imported."""
    for name in set(os.environ) - set(without_blas_variables(dict(os.environ))):
        del os.environ[name]
    if "ASV_ENV_DIR" in os.environ:
        os.environ["NUMBA_CACHE_DIR"] = str(Path(os.environ["ASV_ENV_DIR"]) / "compiled")
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        for number, value in _MALLOPT.values():
            mallopt(number, value)


def environment(threads: int) -> dict[str, str]:
    """Return the environment of a process that computes with so many threads."""
    result = without_blas_variables(dict(os.environ))
    result.update({f"MALLOC_{name}_": str(value) for name, (_, value) in _MALLOPT.items()})
    for name in ("OMP", "OPENBLAS", "MKL", "NUMBA", "FASTFF"):
        result[f"{name}_NUM_THREADS"] = str(threads)
    if threads == 1:
        result["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    return result


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
