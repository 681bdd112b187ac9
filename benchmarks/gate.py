"""Is a commit slower than another one? ``python benchmarks/gate.py BASE HEAD``.

Both commits are checked out into folders of their own and timed turn about, each in a process of its own with compiled
code of its own, by the benchmarks that lie beside this file. A benchmark is slower when

- the median of the rounds' ratios HEAD / BASE is above a factor (1.15), and
- a one-sided Mann-Whitney test says that times as much longer come by chance once in a hundred times at most, and
- both are so again in new processes, with twice as many rounds.

A factor alone would blame noise, a test alone would find differences that nobody feels. A false alarm needs chance to
strike twice at the same benchmark, and beyond the factor both times. Where its arrays happen to lie makes a process up
to a tenth slower for as long as it lives: so the second time is in another process, and the factor is not 1.05.

A table in Markdown is printed. Exit status: 0 where nothing is slower, 1 where something is, or where HEAD's answer is
wrong, 2 where no benchmark ran.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
FACTOR = 1.15
LEVEL = 0.01
ROUNDS = 20


class Row(NamedTuple):
    """One line of the table."""

    name: str
    base: float
    head: float
    ratio: float
    chance: float
    verdict: str


def judge(base: Sequence[float], head: Sequence[float], factor: float = FACTOR) -> tuple[float, float, bool]:
    """Compare rounds of two commits, taken in turn.

    Returns
    -------
    ratio : float
        Median of the rounds' ratios head / base.
    chance : float
        Probability of times so much longer where there is no difference (Mann and Whitney, 1947).
    slower : bool
        Whether the ratio is above the factor and the chance below the level.
    """
    from scipy.stats import mannwhitneyu

    ratio = statistics.median(h / b for h, b in zip(head, base))
    chance = float(mannwhitneyu(head, base, alternative="greater").pvalue)
    return ratio, chance, ratio > factor and chance < LEVEL


@contextmanager
def checked_out(repository: Path, commits: Mapping[str, str]) -> Iterator[dict[str, Path]]:
    """Check commits out into folders that last as long as the context; their repository is left as it was."""
    with tempfile.TemporaryDirectory() as folder:
        trees = {name: Path(folder) / name for name in commits}
        try:
            for name, commit in commits.items():
                _git(repository, "worktree", "add", "--quiet", "--detach", str(trees[name]), commit)
            yield trees
        finally:
            for tree in trees.values():
                if tree.exists():
                    _git(repository, "worktree", "remove", "--force", str(tree))


def _git(repository: Path, *arguments: str) -> None:
    # in a hook, git's variables would name another repository
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    subprocess.run(["git", "-C", str(repository), *arguments], check=True, env=environment)


def cases(only: str) -> list[Any]:
    """Return the fast subset: the first parameters of each, in both precisions; `only` is a regular expression."""
    from benchmarks import registry, turns

    chosen = []
    for entry in registry.ENTRIES:
        first = {name: values[0] for name, values in entry.params.items()}
        for dtype in entry.params.get("dtype", ("",)):
            params = {**first, "dtype": dtype} if dtype else first
            case = turns.Case(entry, params)
            if entry.fast and re.search(only, name_of(case)):
                chosen.append(case)
    return chosen


def name_of(case: Any) -> str:
    """``family name parameters``, as the table has it."""
    return " ".join([case.entry.family, *case.key])


def compare(chosen: Iterable[Any], trees: Mapping[str, Path], factor: float, most: int, clock: str) -> list[Row]:
    """Time all cases of the two commits."""
    with tempfile.TemporaryDirectory() as caches:

        def start() -> dict[str, Any]:
            from benchmarks import turns

            return {
                name: turns.Process("fastff", 1, str(tree), str(Path(caches) / name), clock)
                for name, tree in trees.items()
            }

        with _closing(start()) as processes:
            return [_row(processes, start, case, factor, most) for case in chosen]


@contextmanager
def _closing(processes: dict[str, Any]) -> Iterator[dict[str, Any]]:
    try:
        yield processes
    finally:
        for process in processes.values():
            process.close()


def _row(processes: dict[str, Any], start: Callable[[], dict[str, Any]], case: Any, factor: float, most: int) -> Row:
    from benchmarks import turns

    name, nothing = name_of(case), float("nan")
    result = turns.rounds(processes, case, most, seconds=60.0)
    if isinstance(result["head"], str):
        return Row(name, nothing, nothing, nothing, nothing, f"HEAD: {result['head']}")
    head = statistics.median(result["head"])
    if isinstance(result["base"], str):
        return Row(name, nothing, head, nothing, nothing, "new")
    ratio, chance, slower = judge(result["base"], result["head"], factor)
    if slower:
        # where its arrays happen to lie can make a process slower by a tenth, always: ask others
        with _closing(start()) as others:
            result = turns.rounds(others, case, 2 * most, seconds=120.0)
        ratio, chance, slower = judge(result["base"], result["head"], factor)
    base, head = statistics.median(result["base"]), statistics.median(result["head"])
    verdict = "**slower**" if slower else "faster" if ratio < 1 / factor else "as before"
    return Row(name, base, head, ratio, chance, verdict)


def table(rows: Iterable[Row]) -> str:
    """Return the rows in Markdown."""
    lines = ["| benchmark | base | head | head / base | chance | |", "|---|--:|--:|--:|--:|---|"]
    for row in rows:
        times = " | ".join("" if t != t else f"{1e6 * t:,.1f} µs" for t in (row.base, row.head))
        numbers = " | ".join("" if n != n else f"{n:.2g}" if n < 0.01 else f"{n:.2f}" for n in (row.ratio, row.chance))
        lines.append(f"| {row.name} | {times} | {numbers} | {row.verdict} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the gate; returns the exit status."""
    parser = argparse.ArgumentParser(description="Fails where HEAD is slower than BASE.")
    parser.add_argument("base")
    parser.add_argument("head")
    parser.add_argument("--factor", type=float, default=FACTOR, help=f"what counts as slower ({FACTOR})")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"turns of each commit ({ROUNDS})")
    parser.add_argument("--only", default="", help="a regular expression that the benchmark's name matches")
    parser.add_argument(
        "--clock", choices=("wall", "cpu"), default="wall", help="cpu: for a machine with other work to do"
    )
    parser.add_argument("--repository", type=Path, default=ROOT, help="where the commits are")
    parser.add_argument("--output", type=Path, help="a file to append the table to, as CI's summary")
    given = parser.parse_args(arguments)

    chosen = cases(given.only)
    with checked_out(given.repository, {"base": given.base, "head": given.head}) as trees:
        rows = compare(chosen, trees, given.factor, given.rounds, given.clock)
    text = table(rows)
    print(text)
    if given.output is not None:
        with given.output.open("a") as file:
            file.write(text + "\n")
    if all(row.ratio != row.ratio for row in rows):
        print("no benchmark ran in both commits", file=sys.stderr)
        return 2
    return int(any(row.verdict.startswith(("**slower", "HEAD")) for row in rows))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    from benchmarks import conditions

    conditions.apply()
    sys.exit(main())
