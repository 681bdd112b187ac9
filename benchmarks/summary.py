"""What recorded results say, in words and tables: shared by the dashboard and the report."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .recorded import Key, Recorded, geometric_mean
from .registry import IMPLEMENTATIONS, Entry, of_family

# In the order of the pages: what it is, for somebody who has never seen the project
GROUPS = {
    "kernels": (
        "Fused kernels",
        "The steps of one layer that fastff does in one pass: a product, and what follows it while the result is still "
        "in the processor's registers. One core; shapes are rows x inputs x outputs.",
    ),
    "products": ("Matrix products", "The two plain products of one layer. One core."),
    "epochs": (
        "Training",
        "Whole trainings, each at least one pass over its data, everything included that a user of fit waits for.",
    ),
    "predict": ("Prediction", "A call of predict with few rows and with many."),
    "activations": (
        "Activations",
        "The functions between layers, for 256 rows of 256 numbers: forward, and the gradient's way back.",
    ),
    "losses": ("Losses", "What is minimised, with its gradient."),
    "optimizers": ("Optimizers", "How the weights follow the gradient: 20 steps each."),
}
NAMES = {"numpy": "NumPy", "fastff": "fastff", "sklearn": "scikit-learn", "torch": "PyTorch", "jax": "JAX"}
RIVALS = tuple(impl for impl in IMPLEMENTATIONS if impl != "fastff")


class Line(NamedTuple):
    """One entry of the registry with its recorded speedups: by parameters, by implementation."""

    entry: Entry
    cells: dict[Key, dict[str, float]]

    def mean(self, impl: str = "fastff") -> float | None:
        """Return the geometric mean of an implementation's speedups."""
        values = [cell[impl] for cell in self.cells.values() if impl in cell]
        return geometric_mean(values) if values else None


def metric(family: str, name: str) -> str:
    """Return a benchmark's name in asv."""
    return f"{family}.Comparison.track_{name}"


def lines(recorded: Recorded, family: str) -> list[Line]:
    """Return the family's entries that have results."""
    by_name: dict[str, dict[Key, dict[str, float]]] = {}
    for (name, *params, impl), value in recorded.values.get(metric(family, "speedup_over_numpy"), {}).items():
        by_name.setdefault(name, {}).setdefault(tuple(params), {})[impl] = value
    return [Line(entry, by_name[entry.name]) for entry in of_family(family) if entry.name in by_name]


def seconds(recorded: Recorded, entry: Entry, params: Key, impl: str) -> float | None:
    """Return the seconds of one run: its operations by their rate."""
    rate = recorded.get(metric(entry.family, "gflops"), entry.name, *params, impl)
    return entry.operations(**dict(zip(entry.params, params))) / (1e9 * rate) if rate else None


def implementations(found: list[Line]) -> list[str]:
    """Return who was measured besides NumPy, fastff first."""
    seen = {impl for line in found for cell in line.cells.values() for impl in cell}
    return ["fastff", *(impl for impl in RIVALS if impl in seen and impl != "numpy")]


def over_the_best(recorded: Recorded, family: str, threads: str | None = None) -> list[float]:
    """Return, for each case, how many times as fast as the fastest other implementation fastff is."""
    ratios = []
    for line in lines(recorded, family):
        for params, cell in line.cells.items():
            if "fastff" in cell and (threads is None or params[-1] == threads):
                ratios.append(cell["fastff"] / max(1.0, *(v for impl, v in cell.items() if impl != "fastff"), 1.0))
    return ratios


def headline(recorded: Recorded) -> Iterator[tuple[str, float, int]]:
    """Yield each group's title, the geometric mean of its speedups over NumPy, and how many they are."""
    for family, (title, _) in GROUPS.items():
        values = [
            cell["fastff"] for line in lines(recorded, family) for cell in line.cells.values() if "fastff" in cell
        ]
        if values:
            yield title, geometric_mean(values), len(values)


def times(value: float | None) -> str:
    """Format a speedup: 12x, 3.4x, 0.95x."""
    if value is None:
        return ""
    return f"{value:.0f}x" if value >= 9.95 else f"{value:.1f}x" if value >= 1.05 else f"{value:.2f}x"


def duration(value: float | None) -> str:
    """Format seconds: 1.2 s, 34 ms, 5.6 µs."""
    if value is None:
        return ""
    units = {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}
    unit = next((unit for unit, size in units.items() if value >= size), "ns")
    return f"{value / units[unit]:.3g} {unit}"
