"""What every family of benchmarks has in common: asv's parameters and methods, made from the registry.

Two views of the same entries:

- `Timed`: asv's own timing of NumPy and fastff, with its statistics; what ``asv continuous`` compares between commits.
- `Compared`: all implementations that are installed, timed turn about (see `turns`), and what follows from the rounds:
  speedup over NumPy, GFLOP/s, part of peak. A ratio of rounds does not change when the machine gets slower.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import FunctionType
from typing import Any, ClassVar

import fastff as ff

from . import conditions, turns
from .registry import IMPLEMENTATIONS, LABELS, Entry, find, of_family

# asv forks every case from a process that has imported this (launch_method): numba need not be loaded each time
PRELOADED = (ff.Network, ff.Trainer, ff.kernels)

THREADS = ("1", "2")


class _Family(ABC):
    """A family of the registry as asv's parameters: the entry's name, its own parameters, the implementation."""

    family: ClassVar[str]
    by_threads: ClassVar[bool] = False
    implementations: ClassVar[tuple[str, ...]]
    params: ClassVar[tuple[tuple[str, ...], ...]] = ()
    param_names: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        if not hasattr(cls, "family"):
            return
        entries = of_family(cls.family)
        own = {
            name: tuple(dict.fromkeys(value for entry in entries for value in entry.params[name]))
            for name in entries[0].params
        }
        threads = {"threads": THREADS} if cls.by_threads else {}
        impls = tuple(impl for impl in cls.implementations if any(impl in entry.works for entry in entries))
        grid = {LABELS[cls.family]: tuple(entry.name for entry in entries), **own, **threads, "impl": impls}
        cls.param_names, cls.params = tuple(grid), tuple(grid.values())

    @abstractmethod
    def setup(self, *values: Any) -> None:
        """Make ready."""

    def _read(self, values: tuple[str, ...]) -> tuple[Entry, dict[str, str], int, str]:
        given: dict[str, str] = dict(zip(self.param_names, values, strict=True))
        entry, impl = find(self.family, given.pop(LABELS[self.family])), given.pop("impl")
        threads = int(given.pop("threads", "1"))
        if threads > conditions.cores():
            raise NotImplementedError(f"there are {conditions.cores()} cores here")
        return entry, given, threads, impl


class Timed(_Family):
    """asv's own timing."""

    implementations = ("numpy", "fastff")
    timeout = 600  # the first of all compiles

    @abstractmethod
    def setup(self, *values: Any) -> None:
        """Check the answer, warm up."""
        from threadpoolctl import threadpool_limits

        entry, params, threads, impl = self._read(values)
        ff.set_num_threads(threads)
        self.limits = threadpool_limits(threads)
        self.run = entry.prepare(impl, **params)

    def time_call(self, *values: str) -> None:
        self.run()


class Compared(_Family):
    """All implementations, turn about. A subclass has a ``setup_cache`` that returns `compare`; asv runs it once."""

    implementations = IMPLEMENTATIONS
    timeout = 600

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if not hasattr(cls, "family"):
            return
        # a function of the family's own, without NumPy: asv asks it for its parameters before it asks its class
        method = cls.track_speedup_over_numpy
        own = FunctionType(method.__code__, method.__globals__, method.__name__)
        *others, impls = cls.params
        own.params = (*others, tuple(impl for impl in impls if impl != "numpy"))  # type: ignore[attr-defined]
        own.unit = method.unit  # type: ignore[attr-defined]
        cls.track_speedup_over_numpy = own  # type: ignore[method-assign]

    def compare(self) -> dict[tuple[str, ...], Any]:
        """Time every case of the family."""
        cases = []
        for entry in of_family(self.family):
            grid: list[dict[str, str]] = [{}]
            for name, choices in entry.params.items():
                grid = [{**params, name: value} for params in grid for value in choices]
            cases += [turns.Case(entry, params) for params in grid]
        impls = self.params[-1]
        results = {}
        for threads in [int(text) for text in THREADS] if self.by_threads else [1]:
            if threads <= conditions.cores():
                for key, result in turns.compare(cases, impls, threads).items():
                    results[(*key, str(threads))] = result
        return results

    @abstractmethod
    def setup(self, cache: Any, *values: str) -> None:
        """Find the rounds of these parameters."""
        self.entry, self.own, threads, self.impl = self._read(values)
        key = (self.entry.name, *self.own.values(), str(threads))
        if key not in cache:
            raise NotImplementedError("there is no such benchmark")
        self.result = cache[key]
        # asv skips what is not implemented here, and fails what is raised later
        if self.impl in turns.missing(self.result):
            raise NotImplementedError(self.result[self.impl])

    def track_speedup_over_numpy(self, cache: Any, *values: str) -> float:
        return turns.speedup(self.result, self.impl)

    track_speedup_over_numpy.unit = "x"  # type: ignore[attr-defined]


class ComparedProducts(Compared):
    """The same for work that has matrix products: their operations can be counted."""

    def track_gflops(self, cache: Any, *values: str) -> float:
        return turns.rate(self.result, self.impl, self.entry.operations(**self.own)) / 1e9

    def track_part_of_peak(self, cache: Any, *values: str) -> float:
        return 100 * turns.part_of_peak(self.result, self.impl, self.entry.operations(**self.own))

    track_gflops.unit = "GFLOP/s"  # type: ignore[attr-defined]
    track_part_of_peak.unit = "% of peak"  # type: ignore[attr-defined]
