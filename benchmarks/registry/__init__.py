"""The one list of what is measured: it feeds the suite, the gate, the tests and the pages.

A public kernel, loss, activation or optimizer without an entry fails ``tests/benchmarks``.
"""

from __future__ import annotations

from . import activations, layers, predictions, trainings
from .entry import IMPLEMENTATIONS, Entry, WrongAnswerError, installed

__all__ = ["ENTRIES", "IMPLEMENTATIONS", "LABELS", "Entry", "WrongAnswerError", "find", "installed", "of_family"]

ENTRIES: list[Entry] = [*layers.ENTRIES, *activations.ENTRIES, *trainings.ENTRIES, *predictions.ENTRIES]


#: By family, what asv calls the parameter that is an entry's name.
LABELS = {
    "products": "kernel",
    "kernels": "kernel",
    "activations": "activation",
    "losses": "loss",
    "optimizers": "optimizer",
    "epochs": "job",
    "predict": "call",
}


def of_family(family: str) -> list[Entry]:
    """Return the entries of a family, which is a module of the suite."""
    return [entry for entry in ENTRIES if entry.family == family]


def find(family: str, name: str) -> Entry:
    """Return one entry."""
    return next(entry for entry in of_family(family) if entry.name == name)
