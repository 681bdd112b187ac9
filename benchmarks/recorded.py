"""Recorded results: what asv has written into ``results/<machine>/``, as tables to look things up in."""

from __future__ import annotations

import ast
import itertools
import json
import math
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
# beside asv's files, one line a result file: the versions of what it was measured with
VERSIONS = "versions.txt"

Key = tuple[str, ...]


@dataclass
class Recorded:
    """One result file.

    Attributes
    ----------
    path : Path
        Where it lies.
    commit : str
        The commit that was measured.
    date : int
        The commit's time, in milliseconds since 1970.
    measured : int
        When the last benchmark began, in the same way.
    machine : dict
        What asv knows of the machine.
    versions : str
        What it was measured with, as far as that is recorded.
    values : dict
        By benchmark, by its parameters, what was measured; nothing where it does not apply or failed.
    """

    path: Path
    commit: str
    date: int
    measured: int
    machine: dict[str, Any]
    versions: str = ""
    values: dict[str, dict[Key, float]] = field(default_factory=dict)

    def get(self, benchmark: str, *params: str) -> float | None:
        """Return one number."""
        return self.values.get(benchmark, {}).get(params)


def read(path: Path) -> Recorded:
    """Read a result file of asv."""
    data = json.loads(path.read_text(encoding="utf-8"))
    machine = json.loads((path.parent / "machine.json").read_text(encoding="utf-8"))
    rows = {name: dict(zip(data["result_columns"], row)) for name, row in data["results"].items()}
    measured = max((cells.get("started_at") or 0 for cells in rows.values()), default=0)
    result = Recorded(path, data["commit_hash"], data["date"], measured, machine, _versions(path))
    for name, cells in rows.items():
        names = cells.get("params") or []
        # asv keeps parameters as they would be written in Python
        grid = itertools.product(*([str(ast.literal_eval(value)) for value in values] for values in names))
        numbers = cells.get("result") or []
        result.values[name] = {
            key: float(number)
            for key, number in zip(grid, numbers)
            if number is not None and math.isfinite(float(number))
        }
    return result


def _versions(path: Path) -> str:
    file = path.parent / VERSIONS
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
        name, _, versions = line.partition(": ")
        if name == path.name:
            return versions
    return ""


def files(folder: Path = RESULTS) -> Iterator[Path]:
    """Yield the result files of all machines."""
    yield from sorted(folder.glob("*/*-*.json"))


def newest(paths: Sequence[Path]) -> Recorded:
    """Return the result of the newest commit."""
    return max(map(read, paths), key=lambda recorded: (recorded.date, str(recorded.path)))


def history(folder: Path, machine: str) -> list[Recorded]:
    """Return a machine's results, oldest commit first."""
    return sorted((read(path) for path in files(folder) if path.parent.name == machine), key=lambda r: r.date)


def geometric_mean(values: Sequence[float]) -> float:
    """Return the mean of ratios."""
    return math.exp(sum(map(math.log, values)) / len(values))


def short_hash(commit: str) -> str:
    """Return a commit's first digits, as ``git log`` has them."""
    return commit[:8]


def day(milliseconds: int) -> str:
    """Return the day of a time."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).date().isoformat()


def note_versions(path: Path, python: str) -> None:
    """Write down the versions that a Python has installed, for a result file that was measured with it."""
    code = (
        "import platform, importlib.metadata as m\n"
        "names = 'fastff numba llvmlite numpy scikit-learn torch jax'.split()\n"
        "have = [f'{n} {m.version(n)}' for n in names if any(d.name.lower() == n for d in m.distributions())]\n"
        "print('Python ' + platform.python_version() + ', ' + ', '.join(have))"
    )
    versions = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    file = path.parent / VERSIONS
    lines = [
        line
        for line in (file.read_text(encoding="utf-8").splitlines() if file.exists() else [])
        if path.name not in line
    ]
    file.write_text("\n".join(sorted([*lines, f"{path.name}: {versions}"])) + "\n", encoding="utf-8")
