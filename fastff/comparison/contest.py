"""The contest: trainers turn about, each in a process of its own, so that a noisy machine is noisy for all."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .jobs import find
from .process import Process
from .trainers import FASTFF, TRAINERS
from .worker import PEAK

__all__ = ["Contest", "Line", "geometric_mean"]

#: Seconds between turns: threads of a BLAS spin on for some 100 ms after their last product, and would take a core from
#: the next trainer (a quarter of an epoch on MNIST took NumPy 190 ms behind scikit-learn, 90 otherwise).
PAUSE = 0.15
#: By how much losses may differ, as a part of NumPy's, of trainers that start from the same parameters and see the same
#: batches: rounding moves them apart, and ReLU's kinks help.
LOSS_TOLERANCE = 0.01
#: And in squares of the dtype's eps, as a part of the loss at the start: a network that has learned its rows by heart
#: loses what rounding its sums of some thousand terms comes to.
ROUNDING = 1000


@dataclass
class Line:
    """What came out for one job.

    Attributes
    ----------
    name : str
        The job's.
    part : float
        Which part of it was trained.
    seconds : dict of str to float
        Each trainer's least time.
    losses : dict of str to float
        What each one's network loses on the data after the training.
    loss_before : float
        What it loses before.
    first : dict of str to float
        Seconds of each one's first training, compilation included.
    notes : dict of str to str
        Why a trainer has no time.
    peak : float
        Operations a second that the threads can reach, measured in the same rounds.
    """

    name: str
    part: float
    seconds: dict[str, float] = field(default_factory=dict)
    losses: dict[str, float] = field(default_factory=dict)
    loss_before: float = 0.0
    first: dict[str, float] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    peak: float = 0.0

    @property
    def rate(self) -> float | None:
        """Floating-point operations a second of fastff, those of the products only."""
        operations = find(self.name).shortened(self.part).operations
        return operations / self.seconds[FASTFF] if FASTFF in self.seconds else None

    def speedup(self, over: str) -> float | None:
        """How many times as fast as another trainer fastff is.

        Examples
        --------
        >>> Line("seed0-f64", 1.0, {"numpy": 0.3, "fastff": 0.1}).speedup("numpy")
        3.0
        """
        if FASTFF not in self.seconds or over not in self.seconds:
            return None
        return self.seconds[over] / self.seconds[FASTFF]

    @property
    def fastest_other(self) -> str | None:
        """Name of the fastest trainer but fastff."""
        others = {name: value for name, value in self.seconds.items() if name != FASTFF}
        return min(others, key=others.__getitem__) if others else None

    @property
    def astray(self) -> list[str]:
        """Names of the trainers that learned something else than NumPy, from the same start and the same batches."""
        if "numpy" not in self.losses:
            return []
        wanted, eps = self.losses["numpy"], float(np.finfo(find(self.name).dtype).eps)
        tolerance = LOSS_TOLERANCE * abs(wanted) + ROUNDING * eps**2 * self.loss_before
        return [
            name
            for name, loss in self.losses.items()
            # a loss that is not finite is never near another
            if not TRAINERS[name].own_start and not abs(loss - wanted) <= tolerance
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return the figures for a file."""
        return {**self.__dict__, "rate": self.rate, "fastest_other": self.fastest_other}


def geometric_mean(values: list[float]) -> float:
    """Return the n-th root of the product of n numbers.

    Examples
    --------
    >>> geometric_mean([1.0, 4.0])
    2.0
    """
    return math.exp(sum(map(math.log, values)) / len(values))


class Contest:
    """A comparison to be run.

    Parameters
    ----------
    jobs : mapping of str to float
        Names, and which part of each is trained.
    trainers : list of str
        Who trains.
    threads : int
        How many each may use.
    rounds : int
        How often each has its turn.
    """

    def __init__(self, jobs: Mapping[str, float], trainers: list[str], threads: int, rounds: int) -> None:
        self.jobs, self.trainers, self.threads, self.rounds = dict(jobs), list(trainers), threads, rounds

    def run(self) -> Iterator[Line]:
        """Yield each job's line as soon as it is complete; the processes live as long as the iteration."""
        with ExitStack() as stack:
            processes = {name: stack.enter_context(Process(name, self.threads)) for name in (*self.trainers, PEAK)}
            for name, part in self.jobs.items():
                yield compete(processes, name, part, self.rounds)


def compete(processes: Mapping[str, Any], job: str, part: float, rounds: int) -> Line:
    """Have all processes prepare a job, and then train it in turns; least times count."""
    line, ready = Line(job, part), []
    for name, process in processes.items():
        said = process.ask("prepare", job, part)
        if "missing" in said or "error" in said:
            line.notes[name] = said.get("missing") or f"failed: {said['error']}"
            continue
        ready.append(name)
        if name != PEAK:
            line.first[name], line.losses[name], line.loss_before = said["first"], said["loss"], said["before"]
    for number in range(rounds):
        # the first of a round is not always the same
        for name in ready if number % 2 == 0 else reversed(ready):
            time.sleep(PAUSE)
            said = processes[name].ask("go")
            if "error" in said:
                line.notes[name] = f"failed: {said['error']}"
            elif name == PEAK:
                line.peak = max(line.peak, said["rate"])
            else:
                line.seconds[name] = min(said["seconds"], line.seconds.get(name, math.inf))
    return line
