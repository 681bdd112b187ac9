"""What a contest leaves to look at: lines on the terminal, a picture, and the figures in a file."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import __version__
from ..comparison import Line
from ..comparison.contest import LOSS_TOLERANCE, geometric_mean
from ..comparison.jobs import find
from ..comparison.trainers import FASTFF
from ..io import replacing
from .machine import processor_name

ASTRAY = "≠"
_GIGA = 1e9
_PICTURE_INCHES = 0.38  # height of a job's row


def milliseconds(seconds: float) -> str:
    """Return a time to three figures.

    Examples
    --------
    >>> milliseconds(0.0052914), milliseconds(0.1529), milliseconds(12.3)
    ('5.29', '153', '12300')
    """
    value = 1000 * seconds
    return f"{value:.0f}" if value >= 99.5 else f"{value:.3g}"


class Report:
    """Tells the lines of a contest one by one, and in the end what they come to.

    Parameters
    ----------
    trainers : sequence of str
        In the order of the columns.
    peaks : mapping of (str, int) to float
        Operations a second by dtype and number of threads.
    threads, rounds : int
        Of the contest.
    """

    def __init__(
        self, trainers: Sequence[str], peaks: Mapping[tuple[str, int], float], threads: int, rounds: int
    ) -> None:
        self.trainers, self.peaks, self.threads, self.rounds = list(trainers), dict(peaks), threads, rounds

    def print_machine(self) -> None:
        """Print the processor, its peak, and the head of the table."""
        print(f"fastff {__version__} on {processor_name()}, {_threads(self.threads)}")
        for dtype in ("float32", "float64"):
            rates = [
                f"{rate / _GIGA:.0f} with {_threads(n)}" for (kind, n), rate in self.peaks.items() if kind == dtype
            ]
            print(f"peak of fused multiply-adds, {dtype}: {', '.join(rates)} (GFLOP/s)")
        print(f"least of {self.rounds} times in ms; {FASTFF} over NumPy and over the fastest other; products' GFLOP/s")
        heads = [*self.trainers, "×NumPy", "×other", "GFLOP/s", "of peak"]
        print(f"{'job':<22}" + "".join(f"{head:>9}" for head in heads) + f"{'loss':>11}", flush=True)

    def print_line(self, line: Line) -> None:
        """Print a job's figures, and below them what went wrong."""
        cells = []
        dtype = find(line.name).dtype
        # the best of all looks: what the machine could do once it can do
        self.peaks[dtype, self.threads] = line.peak = max(line.peak, self.peaks[dtype, self.threads])
        for name in self.trainers:
            mark = ASTRAY if name in line.astray else ""
            cells.append(mark + milliseconds(line.seconds[name]) if name in line.seconds else "-")
        other = line.fastest_other
        cells += [_ratio(line.speedup("numpy")), _ratio(line.speedup(other) if other else None)]
        cells += [f"{line.rate / _GIGA:.1f}", f"{line.rate / line.peak:.0%}"] if line.rate and line.peak else ["-", "-"]
        print(f"{line.name:<22}" + "".join(f"{cell:>9}" for cell in cells), end="")
        print(f"{line.losses[FASTFF]:>11.4g}" if FASTFF in line.losses else f"{'-':>11}", flush=True)
        for name in line.astray:
            print(f"    {name} ended with a loss of {line.losses[name]:.4g}, numpy with {line.losses['numpy']:.4g}")
        for name, note in line.notes.items():
            if note.startswith("failed"):
                print(f"    {name} {note}")

    def print_summary(self, lines: Sequence[Line]) -> None:
        """Print the geometric means and the least ratios."""
        for words, pairs in (
            ("NumPy", [(line.speedup("numpy"), line.name) for line in lines]),
            ("the fastest other", [(line.speedup(line.fastest_other or ""), line.name) for line in lines]),
        ):
            known = [(ratio, name) for ratio, name in pairs if ratio]
            if known:
                mean, (least, name) = geometric_mean([ratio for ratio, _ in known]), min(known)
                print(f"over {words}: geometric mean ×{mean:.2f}, least ×{least:.2f} ({name}), {len(known)} jobs")
        if any(line.astray for line in lines):
            print(f"{ASTRAY}: learned something else: a loss more than {LOSS_TOLERANCE:.0%} from NumPy's")

    def write(self, lines: Sequence[Line], path: Path) -> None:
        """Write all figures as JSON."""
        peaks = [{"dtype": dtype, "threads": n, "rate": rate} for (dtype, n), rate in self.peaks.items()]
        figures: dict[str, Any] = {
            "fastff": __version__,
            "processor": processor_name(),
            "python": platform.python_version(),
            "threads": self.threads,
            "rounds": self.rounds,
            "peaks": peaks,
            "jobs": [line.as_dict() for line in lines],
        }
        with replacing(path) as part:
            part.write_text(json.dumps(figures, indent=1) + "\n")

    def draw(self, lines: Sequence[Line], path: Path) -> None:
        """Draw each trainer's speed over NumPy's, and fastff's part of the peak, as a PNG; no display is needed."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(10, 1.6 + _PICTURE_INCHES * len(lines)), layout="constrained")
        speeds, parts = figure.subplots(1, 2, sharey=True, width_ratios=(2, 1))
        names, places = [line.name for line in lines], range(len(lines))
        for number, trainer in enumerate(self.trainers):
            values = [
                line.seconds["numpy"] / line.seconds[trainer] if {"numpy", trainer} <= set(line.seconds) else math.nan
                for line in lines
            ]
            fastff = trainer == FASTFF
            speeds.plot(
                values, places, "D" if fastff else "os^v"[number % 4], ms=8 if fastff else 6, label=trainer,
                color="black" if fastff else None, ls="",
            )  # fmt: skip
        speeds.set(xscale="log", xlabel="times as fast as NumPy", yticks=list(places), yticklabels=names)
        speeds.axvline(1, color="grey", lw=0.8)
        ticks = [t for t in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200) if _shown(t, speeds.get_xlim())]
        speeds.set_xticks(ticks, [f"{t:g}" for t in ticks])
        speeds.minorticks_off()
        speeds.invert_yaxis()
        speeds.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=len(self.trainers), frameon=False)
        peak = [100 * line.rate / line.peak if line.rate and line.peak else 0.0 for line in lines]
        parts.barh(list(places), peak, color="black")
        parts.set(xlim=(0, 100), xlabel=f"{FASTFF}: % of the peak, products only")
        for axes in (speeds, parts):
            axes.grid(axis="x", alpha=0.3)
        figure.suptitle(f"{processor_name()}, {_threads(self.threads)}: least of {self.rounds}", fontsize="medium")
        with replacing(path) as part:
            figure.savefig(part, format="png", dpi=120)


def _threads(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"×{value:.2f}"


def _shown(value: float, limits: tuple[float, float]) -> bool:
    return limits[0] <= value <= limits[1]
