"""What a training leaves to look at: the table and the learning curve."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from ..io import replacing


def print_table(lines: dict[str, str]) -> None:
    """Print names and figures, as wide as the longest line where the output is no terminal."""
    table = Table(show_header=False, title="fastff train", title_justify="left")
    for name, figure in lines.items():
        table.add_row(name, figure)
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=160)
    console.print(table)


def draw_curve(losses: np.ndarray, loss_name: str, title: str, path: Path) -> None:
    """Draw the mean loss of each epoch as a PNG; no display is needed.

    Parameters
    ----------
    losses : ndarray
        ``(epochs,)``.
    loss_name : str
        For the axis.
    title : str
        For the figure.
    path : Path
        The file, which appears whole or not at all.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(np.arange(1, len(losses) + 1), losses, marker="." if len(losses) < 50 else "")
    axes.set(xlabel="epoch", ylabel=f"{loss_name.replace('_', ' ')}, mean over the epoch's steps", title=title)
    if len(losses) and losses.min() > 0:
        axes.set_yscale("log")
    axes.grid(alpha=0.3)
    with replacing(path) as part:
        figure.savefig(part, format="png", dpi=120)
