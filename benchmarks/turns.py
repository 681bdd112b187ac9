"""Implementations timed turn about, each in a process of its own, so that a noisy machine is noisy for all of them.

In every round each implementation has its turn, then the next round begins. A ratio is the median of the rounds'
ratios: what slows the machine down for a second slows both sides of it.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from . import conditions
from .registry import Entry

ROUNDS = 5
LEAST_ROUNDS = 3
# of one case: after these no further round begins, once there are enough
SECONDS = 2.0
# before a turn of several threads: those of a BLAS spin for some 100 ms after their last product, on cores that the
# next one is to have
PAUSE = 0.15
# whose turns end when it has had these seconds to itself: one long run tells enough of it
PEERS = ("sklearn", "torch", "jax")
FAILED = "failed"


class Case(NamedTuple):
    """One benchmark with its parameters."""

    entry: Entry
    params: Mapping[str, str]

    @property
    def key(self) -> tuple[str, ...]:
        return (self.entry.name, *self.params.values())


class Process:
    """A worker process; a process that dies is an answer too.

    Parameters
    ----------
    impl : str
        The implementation it times.
    threads : int
        How many it may use.
    path : str, optional
        The folder to import fastff from; without it, where this process has found it.
    cache : str, optional
        The folder of its compiled code.
    clock : {"wall", "cpu"}
        What it reads.
    confined : bool
        Whether it gets as many cores as threads, so that no library takes more than it was told.
    """

    def __init__(
        self,
        impl: str,
        threads: int,
        path: str | None = None,
        cache: str | None = None,
        clock: str = "wall",
        confined: bool = False,
    ) -> None:
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115
        environment = conditions.environment(threads)
        paths = [path or _path_of_fastff(), environment.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
        if cache is not None:
            environment["NUMBA_CACHE_DIR"] = cache
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("worker.py")), impl, str(threads), clock, str(int(confined))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            env=environment,
        )

    def send(self, *order: Any) -> None:
        """Give an order; `receive` waits for the answer."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(order) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass

    def receive(self) -> dict[str, Any]:
        """Return the answer to the oldest order that has none yet."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if line:
            return json.loads(line)
        self.log.seek(0)
        return {"error": f"the process ended: {self.log.read()[-2000:]}"}

    def ask(self, *order: Any) -> dict[str, Any]:
        """Give an order and wait."""
        self.send(*order)
        return self.receive()

    def close(self) -> None:
        """Let the process end."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.log.close()


def _path_of_fastff() -> str:
    """The folder that this process imports fastff from: its workers are to import the same."""
    import fastff

    return str(Path(fastff.__file__).resolve().parent.parent)


def rounds(
    processes: Mapping[str, Any], case: Case, most: int = ROUNDS, seconds: float = SECONDS, pause: float = 0.0
) -> dict[str, Any]:
    """Time one case turn about, with a pause of so many seconds before each turn.

    Returns
    -------
    dict
        By implementation, the seconds of each round, or what it said instead (a string).
    """
    order = ("prepare", case.entry.family, case.entry.name, dict(case.params))
    ready, result = [], {}
    for name, process in processes.items():
        answer = process.ask(*order)
        if "ready" in answer:
            ready.append(name)
        else:
            result[name] = answer["missing"] if "missing" in answer else f"{FAILED}: {answer['error']}"
    times: dict[str, list[float]] = {name: [] for name in ready}
    begin = time.perf_counter()
    for number in range(most):
        if number >= LEAST_ROUNDS and time.perf_counter() - begin > seconds:
            break
        # the first of a round is not always the same
        for name in ready if number % 2 == 0 else reversed(ready):
            if name in PEERS and sum(times[name]) > seconds:
                continue
            time.sleep(pause)
            answer = processes[name].ask("go")
            if "seconds" not in answer:
                result[name] = f"{FAILED}: {answer.get('error') or answer.get('missing')}"
            else:
                times[name].append(answer["seconds"])
    return {**times, **result}


def compare(cases: Iterable[Case], implementations: Sequence[str], threads: int = 1) -> dict[tuple[str, ...], Any]:
    """Time cases by all implementations and the processor's peak, with processes that live as long as all cases."""
    processes = {impl: Process(impl, threads, confined=True) for impl in (*implementations, "peak")}
    try:
        pause = PAUSE if threads > 1 else 0.0
        return {case.key: rounds(processes, case, pause=pause) for case in cases}
    finally:
        for process in processes.values():
            process.close()


def missing(result: Mapping[str, Any]) -> set[str]:
    """Return the implementations that do not do this, or are not installed."""
    return {name for name, times in result.items() if isinstance(times, str) and not times.startswith(FAILED)}


def measured(result: Mapping[str, Any], impl: str) -> list[float]:
    """Return the rounds of an implementation.

    Raises
    ------
    RuntimeError
        It failed, or its answer was wrong, or it does not do this.
    """
    times = result[impl]
    if isinstance(times, str):
        raise RuntimeError(times)
    return times


def seconds(result: Mapping[str, Any], impl: str) -> float:
    """Median of the rounds."""
    return statistics.median(measured(result, impl))


def speedup(result: Mapping[str, Any], impl: str, base: str = "numpy") -> float:
    """How many times as fast as the base: the median of the rounds' ratios."""
    return _ratio(measured(result, base), measured(result, impl))


def rate(result: Mapping[str, Any], impl: str, operations: float) -> float:
    """Operations a second."""
    return operations / seconds(result, impl)


def part_of_peak(result: Mapping[str, Any], impl: str, operations: float) -> float:
    """Rate as a part of the peak that was measured in the same rounds."""
    return operations * _ratio(measured(result, "peak"), measured(result, impl))


def _ratio(above: Sequence[float], below: Sequence[float]) -> float:
    return statistics.median(a / b for a, b in zip(above, below))
