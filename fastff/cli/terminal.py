"""What the commands share on the terminal: a note about compilation, a progress bar, durations in words."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .. import _jit

# Answers go to stdout; progress and notes to stderr, so that a pipe carries answers only.
notes = Console(stderr=True, highlight=False)


@contextmanager
def compilation_noted(patience: float = 1.0) -> Iterator[None]:
    """Say once that code is being compiled for this machine, if that takes longer than `patience` seconds."""
    words = "compiling for this machine, once; later runs load it from the cache …"
    timer = threading.Timer(patience, notes.print, [words])
    timer.daemon = True
    watching = True

    def begin() -> None:
        nonlocal watching
        if watching:
            watching = False
            timer.start()

    _jit.on_compile(begin)
    try:
        yield
    finally:
        watching = False
        timer.cancel()


def progress_bar() -> Progress:
    """Return a bar over epochs with the latest loss; it draws nothing where nobody looks."""
    return Progress(
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("epochs  loss {task.fields[loss]}"),
        TimeRemainingColumn(),
        console=notes,
        transient=True,
        disable=not notes.is_terminal,
    )


def duration(seconds: float) -> str:
    """Seconds in words.

    Examples
    --------
    >>> duration(0.01234), duration(3.21), duration(200)
    ('12.3 ms', '3.2 s', '3 min 20 s')
    """
    if seconds < 0.1:
        return f"{seconds * 1000:.3g} ms"
    if seconds < 100:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"
