"""One implementation in a process of its own, told over its standard input what to time; see `turns`.

Started as a script: it makes the package that it lies in importable, and nothing else of that folder, so that the
fastff that is measured is the one installed, or the one that ``PYTHONPATH`` names.
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

SAMPLE_SECONDS = 0.004
SAMPLES = 3
# what the processor gave this process, or what the user waited for
CLOCKS = {"cpu": time.process_time, "wall": time.perf_counter}


def import_suite() -> None:
    """Import the package ``benchmarks`` from this file's folder."""
    if "benchmarks" in sys.modules:
        return
    folder = Path(__file__).resolve().parent
    spec = importlib.util.spec_from_file_location(
        "benchmarks", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    sys.modules["benchmarks"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


class Worker:
    """Prepares one benchmark at a time and takes samples of it."""

    def __init__(self, impl: str, threads: int, clock: Callable[[], float] = time.perf_counter) -> None:
        self.impl, self.threads, self.clock = impl, threads, clock
        self.run: Callable[[], object] = lambda: None
        self.number = 1
        self.samples = SAMPLES
        if impl == "torch" and importlib.util.find_spec("torch"):
            import torch

            torch.set_num_threads(threads)

    def prepare(self, family: str, name: str, params: dict[str, str]) -> None:
        """Check the answer and warm up."""
        from benchmarks import registry

        self.run = registry.find(family, name).prepare(self.impl, **params)
        self.number = 0

    def go(self) -> float:
        """Return the seconds of one run: the least of a few samples of several runs, or of one where it takes long."""
        if self.number == 0:
            seconds = self._time(1)
            self.number = max(1, math.ceil(SAMPLE_SECONDS / max(seconds, 1e-9)))
            self.samples = SAMPLES if seconds < 10 * SAMPLE_SECONDS else 1
            if self.samples == 1:
                return seconds
        return min(self._time(self.number) for _ in range(self.samples)) / self.number

    def _time(self, number: int) -> float:
        run, clock = self.run, self.clock
        begin = clock()
        for _ in range(number):
            run()
        return clock() - begin


class Peak:
    """The processor's own speed, measured in the same turns: seconds of a floating-point operation."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.dtype = "float32"

    def prepare(self, family: str, name: str, params: dict[str, str]) -> None:
        """Note the dtype."""
        self.dtype = "float64" if params.get("dtype") == "float64" or name.endswith("f64") else "float32"
        self.go()

    def go(self) -> float:
        """Return the seconds of an operation."""
        from fastff.comparison.peak import peak_rate

        return 1 / max(peak_rate(self.dtype, self.threads, SAMPLE_SECONDS) for _ in range(SAMPLES))


def peak_memory() -> int:
    """Return the most bytes that this process has had in memory at once."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    raise NotImplementedError("no peak of memory is kept here")


def answer(worker: Worker | Peak, order: list[Any]) -> dict[str, Any]:
    """Do what an order says; its errors are the answer."""
    try:
        if order[0] == "prepare":
            worker.prepare(*order[1:])
            return {"ready": True}
        if order[0] == "memory":
            return {"bytes": peak_memory()}
        return {"seconds": worker.go()}
    except NotImplementedError as error:
        return {"missing": str(error)}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


def main(impl: str, threads: str, clock: str = "wall", confined: str = "0") -> None:
    """Answer orders until there are no more."""
    if confined == "1" and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(threads)])
    # libraries may print: what they print must not be taken for an answer
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    import_suite()
    from benchmarks import conditions

    conditions.apply()
    worker = Peak(int(threads)) if impl == "peak" else Worker(impl, int(threads), CLOCKS[clock])
    for line in sys.stdin:
        answers.write(json.dumps(answer(worker, json.loads(line))) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
