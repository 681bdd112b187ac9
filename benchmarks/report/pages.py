"""The pages in Markdown: nothing in them is typed, and the results they come from are named in them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..quality import DATA
from ..recorded import RESULTS, Recorded, day, geometric_mean, read, short_hash
from ..registry import of_family
from ..summary import (
    GROUPS,
    NAMES,
    RIVALS,
    duration,
    headline,
    implementations,
    lines,
    metric,
    over_the_best,
    seconds,
    times,
)
from .pictures import PICTURES

MARKER = "<!-- figures -->"
_SOURCE = re.compile(r"<!-- results: (\S+) -->")
MEMORY, SCORE = "memory.Comparison.track_peak_memory", "quality.Score.track_score"
STARTUP = {
    "`import fastff`": ("startup.Import.timeraw_import", ("fastff",)),
    "`import numpy`": ("startup.Import.timeraw_import", ("numpy",)),
    "`import sklearn.neural_network`": ("startup.Import.timeraw_import", ("sklearn",)),
    "`import torch`": ("startup.Import.timeraw_import", ("torch",)),
    "`import jax`": ("startup.Import.timeraw_import", ("jax",)),
    "first training ever, float32: import and compilation": ("startup.Compile.timeraw_first_compilation", ("float32",)),
    "first training of a later process: import and compiled code from the cache": (
        "startup.Load.timeraw_load_from_cache",
        ("float32",),
    ),
}


def source(recorded: Recorded) -> str:
    """Return the line that names the results, below the folder of results."""
    return f"<!-- results: {recorded.path.relative_to(recorded.path.parent.parent).as_posix()} -->"


def named_results(text: str, results: Path = RESULTS) -> Recorded:
    """Read the results that a page names."""
    found = _SOURCE.search(text)
    if found is None:
        raise ValueError("the page names no results")
    return read(results / found[1])


def document(recorded: Recorded, root: Path) -> str:
    """Return docs/benchmarks.md."""
    parts = [
        "# Benchmarks\n",
        source(recorded),
        "<!-- written by: python -m benchmarks.report -->\n",
        f"Measured on {day(recorded.measured)} on {_machine(recorded)}, commit {short_hash(recorded.commit)}.",
        f"{recorded.versions}.\n" if recorded.versions else "",
        "Every implementation is timed in a process of its own, turn about, and its answer is checked against the "
        "definition first. NumPy is at its best: its BLAS chooses its kernels itself, and memory it frees stays with "
        "the process. A speedup is the median over the rounds of NumPy's time divided by the other's in the same "
        "round. How to run all this: [benchmarks/README.md](../benchmarks/README.md).\n",
        *_overview(recorded),
        *_trainings(recorded),
        *_kernels(recorded),
        *(part for family in ("activations", "losses", "optimizers") for part in _plain(recorded, family)),
        *_predictions(recorded),
        *_rest(recorded),
    ]
    return "\n".join(part for part in parts if part is not None).rstrip() + "\n"


def with_figures(readme: str, recorded: Recorded, root: Path) -> str:
    """Return the README with the part between its markers written anew."""
    before, _, after = readme.split(MARKER)
    return f"{before}{MARKER}\n{_readme_part(recorded)}\n{MARKER}{after}"


def _readme_part(recorded: Recorded) -> str:
    rows = []
    for line in lines(recorded, "epochs"):
        cell = max(line.cells.items())[1]  # the most threads
        if line.entry.name in ("seed0-f64", "mnist-sgd-b64-f32", "mnist-adam-b200-f32", "tabular-adam-b32-f32"):
            others = [times(cell.get(impl)) for impl in RIVALS[1:]]
            rows.append([line.entry.title, _bold(cell), *others])
    table = _table(["training, against the plain NumPy loop", "fastff", *(NAMES[impl] for impl in RIVALS[1:])], rows)
    best = over_the_best(recorded, "epochs")
    return "\n".join(
        [
            source(recorded),
            *table,
            f"Over all {len(best)} trainings of the comparison (16 jobs, one and two threads), fastff is "
            f"{times(geometric_mean(best))} as fast as the fastest of the others; {sum(b > 1 for b in best)} times it "
            f"is the fastest itself. Measured on {day(recorded.measured)} on {_machine(recorded)}; "
            "everything, and how: [docs/benchmarks.md](docs/benchmarks.md).\n",
            "![Speedup over NumPy of 16 trainings](docs/figures/trainings.png)",
        ]
    )


def _machine(recorded: Recorded) -> str:
    machine = recorded.machine
    cores = f"{machine['num_cpu']} cores" if "num_cpu" in machine else ""
    about = [machine.get("cpu", ""), cores, machine.get("os", ""), machine.get("ram", "")]
    return f"{machine['machine']} ({', '.join(filter(None, about))})"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    line = "| " + " | ".join(heads) + " |"
    rule = "|---|" + "--:|" * (len(heads) - 1)
    return [line, rule, *("| " + " | ".join(row) + " |" for row in rows), ""]


def _picture(name: str) -> str:
    return f"![{PICTURES[name]}](figures/{name}.png)\n"


def _overview(recorded: Recorded) -> list[str]:
    rows = [[title, times(mean), str(count)] for title, mean, count in headline(recorded)]
    return ["## Speedup over NumPy\n", *_table(["", "geometric mean", "cases"], rows)]


def _trainings(recorded: Recorded) -> list[str]:
    found = lines(recorded, "epochs")
    parts = ["## Training\n", GROUPS["epochs"][1] + "\n", _picture("trainings")]
    for threads in sorted({params[-1] for line in found for params in line.cells}):
        rows = []
        others = [impl for impl in implementations(found) if impl != "fastff"]
        for line in found:
            cell = line.cells.get((threads,), {})
            part = recorded.get(metric("epochs", "part_of_peak"), line.entry.name, threads, "fastff")
            rows.append(
                [
                    f"`{line.entry.name}` {line.entry.title}",
                    *(duration(seconds(recorded, line.entry, (threads,), impl)) for impl in ("numpy", "fastff")),
                    _bold(cell),
                    *(times(cell.get(impl)) for impl in others),
                    "" if part is None else f"{part:.0f} %",
                ]
            )
        heads = ["job", "NumPy", "fastff", "fastff", *(NAMES[impl] for impl in others), "part of peak"]
        best = over_the_best(recorded, "epochs", threads)
        mean = f", in the geometric mean {times(geometric_mean(best))} the fastest other one" if best else ""
        parts += [
            f"### {threads} thread{'s' if threads != '1' else ''}\n",
            f"Seconds, then speedups over NumPy{mean}.\n",
        ]
        parts += _table(heads, rows)
    jobs = [[f"`{entry.name}`", entry.text] for entry in of_family("epochs")]
    return [*parts, "The jobs:\n", *_table(["job", "network and data"], jobs)]


def _kernels(recorded: Recorded) -> list[str]:
    parts = ["## Products and fused kernels\n", GROUPS["kernels"][1] + "\n", _picture("kernels")]
    rows = []
    found = [("products", line) for line in lines(recorded, "products")]
    found += [("kernels", line) for line in lines(recorded, "kernels")]
    others = [impl for impl in implementations([line for _, line in found]) if impl != "fastff"]
    for family, line in found:
        for params, cell in line.cells.items():
            rate = recorded.get(metric(family, "gflops"), line.entry.name, *params, "fastff")
            part = recorded.get(metric(family, "part_of_peak"), line.entry.name, *params, "fastff")
            rows.append(
                [
                    f"`{line.entry.name}` {' '.join(params)}",
                    "" if rate is None else f"{rate:.0f}",
                    "" if part is None else f"{part:.0f} %",
                    _bold(cell),
                    *(times(cell.get(impl)) for impl in others),
                ]
            )
    return [*parts, *_table(["kernel", "GFLOP/s", "part of peak", "fastff", *(NAMES[impl] for impl in others)], rows)]


def _plain(recorded: Recorded, family: str) -> list[str]:
    title, text = GROUPS[family]
    found = lines(recorded, family)
    others = [impl for impl in implementations(found) if impl != "fastff"]
    rows = [
        _cells(f"`{line.entry.name}` {' '.join(params)}", cell, others)
        for line in found
        for params, cell in line.cells.items()
    ]
    picture = [_picture(family)] if family in PICTURES else []
    return [
        f"## {title}\n",
        f"{text} Speedups over NumPy.\n",
        *picture,
        *_table(["", "fastff", *(NAMES[impl] for impl in others)], rows),
    ]


def _bold(cell: dict[str, float]) -> str:
    return f"**{times(cell['fastff'])}**" if "fastff" in cell else ""


def _cells(name: str, cell: dict[str, float], others: Sequence[str]) -> list[str]:
    return [name, _bold(cell), *(times(cell.get(impl)) for impl in others)]


def _predictions(recorded: Recorded) -> list[str]:
    found = lines(recorded, "predict")
    others = [impl for impl in implementations(found) if impl != "fastff"]
    rows = []
    for line in found:
        for (count, threads), cell in line.cells.items():
            name, *cells = _cells(f"{int(count):,} rows, {threads} thread{'s' if threads != '1' else ''}", cell, others)
            rows.append([name, duration(seconds(recorded, line.entry, (count, threads), "fastff")), *cells])
    text = f"{of_family('predict')[0].text} Seconds, then speedups over NumPy.\n"
    return ["## Prediction\n", text, *_table(["", "fastff", "fastff", *(NAMES[impl] for impl in others)], rows)]


def _rest(recorded: Recorded) -> list[str]:
    waits = [
        [name, duration(value)]
        for name, (benchmark, key) in STARTUP.items()
        if (value := recorded.get(benchmark, *key))
    ]
    memory = recorded.values.get(MEMORY, {})
    impls = [impl for impl in NAMES if any(key[-1] == impl for key in memory)]
    jobs = dict.fromkeys(key[0] for key in memory)
    memory_rows = [
        [f"`{job}`", *("" if (job, impl) not in memory else f"{memory[job, impl]:.0f} MB" for impl in impls)]
        for job in jobs
    ]
    scores = recorded.values.get(SCORE, {})
    readers = [impl for impl in NAMES if any(key[-1] == impl for key in scores)]
    kinds = dict.fromkeys(key[:2] for key in scores)
    score_rows = [
        [
            f"{data}, {DATA[data][1 + (budget == 'long')]} s",
            *("" if (data, budget, impl) not in scores else f"{scores[data, budget, impl]:.1f} %" for impl in readers),
        ]
        for data, budget in kinds
    ]
    return [
        "## Waiting for the first step\n",
        "In a process of its own each time.\n",
        *_table(["", "seconds"], waits),
        "## Memory\n",
        "The most that a process with this training in it has held at once, libraries included.\n",
        *_table(["job", *(NAMES[impl] for impl in impls)], memory_rows),
        "## Quality\n",
        "Digits read right among those never seen, after so many seconds of training (128 hidden units, Adam, batches "
        "of 64): speed that learns nothing has won nothing.\n",
        *_table(["data, seconds of training", *(NAMES[impl] for impl in readers)], score_rows),
    ]
