"""One trainer in a process of its own: ``python -m fastff.comparison.worker NAME THREADS``.

Orders come over its standard input and answers leave over its standard output, as lines of JSON.
``["prepare", job, part]`` draws the data and trains once, ``["go"]`` trains and is timed.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from .conditions import keep_to_cores

__all__ = ["PEAK", "Peak", "Worker", "answer"]

#: The name of the process that measures the peak instead of training.
PEAK = "peak"
_LOOKS = 3


class Worker:
    """Trains one job at a time.

    Parameters
    ----------
    name : str
        One of `TRAINERS`.
    threads : int
        How many it may use.
    """

    def __init__(self, name: str, threads: int) -> None:
        from .trainers import TRAINERS

        if name == "torch":
            import torch

            torch.set_num_threads(threads)
        self.trainer = TRAINERS[name]
        self.train: Callable[[], Any] = lambda: None

    def prepare(self, job_name: str, part: float) -> dict[str, Any]:
        """Draw a job's data and train once; returns the losses before and after, and the seconds of this first time.

        Returns ``{"missing": why}`` where this trainer cannot do the job.
        """
        from .jobs import find, start
        from .plain import Trained, loss_of

        job = find(job_name).shortened(part)
        begin = start(job)
        before = loss_of(job, begin, Trained(begin.weights, begin.biases))
        train = self.trainer.prepare(job, begin)
        if train is None:
            return {"missing": "not offered"}
        self.train = train
        since = time.perf_counter()
        trained = train()
        return {"first": time.perf_counter() - since, "loss": loss_of(job, begin, trained), "before": before}

    def go(self) -> dict[str, Any]:
        """Train; returns the seconds it took."""
        since = time.perf_counter()
        self.train()
        return {"seconds": time.perf_counter() - since}


class Peak:
    """Measures the peak in the same turns."""

    def __init__(self, threads: int) -> None:
        self.threads, self.dtype = threads, "float32"

    def prepare(self, job_name: str, part: float) -> dict[str, Any]:
        """Note the job's dtype."""
        from .jobs import find

        self.dtype = find(job_name).dtype
        return {}

    def go(self) -> dict[str, Any]:
        """Return the operations a second, the best of some looks."""
        from .peak import peak_rate

        return {"rate": max(peak_rate(self.dtype, self.threads) for _ in range(_LOOKS))}


def answer(worker: Worker | Peak, order: list[Any]) -> dict[str, Any]:
    """Do what an order says; an error is an answer too."""
    try:
        return worker.prepare(*order[1:]) if order[0] == "prepare" else worker.go()
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"[:300]}


def main(name: str, threads: int) -> None:
    """Answer orders until there are no more."""
    # libraries may print: what they print must not be taken for an answer
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    keep_to_cores(threads)
    worker = Peak(threads) if name == PEAK else Worker(name, threads)
    for line in sys.stdin:
        answers.write(json.dumps(answer(worker, json.loads(line))) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
