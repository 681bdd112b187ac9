"""``fastff bench``: how fast this machine is, and who is how fast on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import missing_extra
from ..io.atomic import check_place
from .terminal import compilation_noted, notes

if TYPE_CHECKING:
    from ..comparison import Line

QUICK_ROUNDS = 2
ROUNDS = 3


def bench(
    jobs: Annotated[str, typer.Option(help="Names separated by commas; else all.")] = "",
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of every trainer; else all cores.")] = None,
    rounds: Annotated[int | None, typer.Option(min=1, help=f"Turns; else {ROUNDS}, quick {QUICK_ROUNDS}.")] = None,
    peers: Annotated[
        str, typer.Option(help="Of numpy, sklearn, torch, jax, separated by commas; else those installed.")
    ] = "",
    output: Annotated[Path, typer.Option("--output", "-o", help="Picture; the figures go beside it as .json.")] = Path(
        "bench.png"
    ),
    quick: Annotated[bool, typer.Option("--quick", help="Parts of some jobs: less than a minute.")] = False,
) -> int:
    """Measure this machine's peak, train the same networks in fastff and its peers, draw and print who is how fast."""
    from .. import set_num_threads
    from .._threads import get_num_threads
    from ..comparison import Contest
    from .bench_report import Report

    figures = output.with_suffix(".json")
    if figures == output:
        raise ValueError("--output names the picture; the figures will be the .json beside it")
    for path in (output, figures):
        check_place(path)
    if threads is not None:
        set_num_threads(threads)
    count = get_num_threads()
    parts = _parts(jobs, quick)
    trainers = [*_peers(peers), "fastff"]
    rounds = rounds or (QUICK_ROUNDS if quick else ROUNDS)

    with compilation_noted():
        peaks = _peaks(count)
    report = Report(trainers, peaks, count, rounds)
    report.print_machine()
    notes.print(f"{len(parts)} jobs, {len(trainers)} trainers in processes of their own …")
    lines: list[Line] = []
    for line in Contest(parts, trainers, count, rounds).run():
        lines.append(line)
        report.print_line(line)
    report.print_summary(lines)
    report.write(lines, figures)
    report.draw(lines, output)
    print(f"{output}, {figures}")
    return 0


def _parts(jobs: str, quick: bool) -> dict[str, float]:
    """Return which part of which jobs is asked for."""
    from ..comparison import JOBS, QUICK
    from ..comparison.jobs import find

    names = [name.strip() for name in jobs.split(",") if name.strip()]
    for name in names:
        find(name)
    return {name: QUICK.get(name, 0.25) if quick else 1.0 for name in names or (QUICK if quick else JOBS)}


def _peers(peers: str) -> list[str]:
    """Return the trainers asked for but fastff, or those installed; NumPy is always among them."""
    from ..comparison.trainers import FASTFF, TRAINERS, installed

    there, known = installed(), [name for name in TRAINERS if name != FASTFF]
    names = [name.strip() for name in peers.split(",") if name.strip() and name.strip() != FASTFF]
    for name in names:
        if name not in known:
            raise ValueError(f"--peers knows {', '.join(known)}, not {name!r}")
        if name not in there:
            raise missing_extra("sklearn" if name == "sklearn" else "peers", TRAINERS[name].package, f"the peer {name}")
    return [name for name in known if name == "numpy" or name in (names or there)]


def _peaks(threads: int) -> dict[tuple[str, int], float]:
    """Measure the peak of one thread and of all, in both dtypes."""
    from ..comparison.peak import peak_rate

    return {
        (dtype, count): max(peak_rate(dtype, count) for _ in range(3))
        for dtype in ("float32", "float64")
        for count in sorted({1, threads})
    }
