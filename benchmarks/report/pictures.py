"""The pictures of the pages. Each carries a digest of the numbers it shows, so that a test can tell an old one."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from ..recorded import Recorded
from ..summary import NAMES, lines

PICTURES = {
    "trainings": "Speedup over NumPy of 16 trainings, all cores measured",
    "kernels": "Speedup over NumPy of products and fused kernels",
    "activations": "Speedup over NumPy of the activations",
}
_COLOURS = {"fastff": "#2f7d5b", "torch": "#c9764a", "jax": "#6b7fb3", "sklearn": "#a9a9a9"}

Rows = list[tuple[str, dict[str, float]]]


def rows_of(recorded: Recorded, name: str) -> Rows:
    """Return what a picture shows: labels, and speedups by implementation."""
    if name == "trainings":
        return [(line.entry.name, max(line.cells.items())[1]) for line in lines(recorded, "epochs")]
    families = ("products", "kernels") if name == "kernels" else ("activations",)
    found = [line for family in families for line in lines(recorded, family)]
    return [
        (line.entry.name, {impl: mean for impl in _COLOURS if (mean := line.mean(impl)) is not None}) for line in found
    ]


def digest(rows: Rows) -> str:
    """Return a short name of the numbers."""
    return hashlib.sha256(repr([(label, sorted(cell.items())) for label, cell in rows]).encode()).hexdigest()[:16]


def draw_all(recorded: Recorded, folder: Path) -> None:
    """Draw every picture into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, title in PICTURES.items():
        rows = rows_of(recorded, name)
        # the figure knows what it shows
        _draw(rows, title).savefig(folder / f"{name}.png", dpi=120, metadata={"Software": "", "Comment": digest(rows)})


def _draw(rows: Rows, title: str) -> Any:
    from matplotlib.figure import Figure

    impls = [impl for impl in _COLOURS if any(impl in cell for _, cell in rows)]
    figure = Figure(figsize=(8, 1.2 + len(rows) * (0.08 * len(impls) + 0.08)), layout="constrained")
    axes = figure.subplots()
    height = 0.8 / max(1, len(impls))
    for number, impl in enumerate(impls):
        places = [place + number * height for place, (_, cell) in enumerate(rows) if impl in cell]
        values = [cell[impl] for _, cell in rows if impl in cell]
        # on a logarithmic scale a bar begins at 1
        axes.barh(
            places, [value - 1 for value in values], left=1, height=height, color=_COLOURS[impl], label=NAMES[impl]
        )
    axes.axvline(1, color="#333333", linewidth=0.8)
    axes.set_yticks([place + 0.4 - height / 2 for place in range(len(rows))], [label for label, _ in rows], fontsize=8)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}x")
    axes.set_xlabel("times as fast as NumPy (1x: the line)", fontsize=8)
    axes.tick_params(axis="x", labelsize=8)
    axes.set_title(title, fontsize=10)
    axes.set_ylim(len(rows), -0.4)
    figure.legend(loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure
