"""Memory: the most that a process with one training in it has held at once."""

from __future__ import annotations

from . import turns
from .registry import IMPLEMENTATIONS, find

JOBS = ("seed0-f64", "mnist-adam-b200-f32", "wide-sgd-b1024-f32")


class Fit:
    """One training, by asv's own count, imports included."""

    params = (JOBS,)
    param_names = ("job",)

    def setup(self, job: str) -> None:
        self.run = find("epochs", job).prepare("fastff")

    def peakmem_fit(self, job: str) -> None:
        self.run()


class Comparison:
    """One training in a process that has imported this implementation only."""

    params = (JOBS, IMPLEMENTATIONS)
    param_names = ("job", "impl")
    timeout = 600

    def setup(self, job: str, impl: str) -> None:
        process = turns.Process(impl, 1)
        try:
            result = turns.rounds({impl: process}, turns.Case(find("epochs", job), {}), most=1)
            # asv skips what is not implemented here, and fails what is raised later
            if impl in turns.missing(result):
                raise NotImplementedError(result[impl])
            turns.measured(result, impl)
            answer = process.ask("memory")
        finally:
            process.close()
        if "bytes" not in answer:
            raise NotImplementedError(answer["missing"])
        self.bytes = answer["bytes"]

    def track_peak_memory(self, job: str, impl: str) -> float:
        return self.bytes / 1e6

    track_peak_memory.unit = "MB"  # type: ignore[attr-defined]
