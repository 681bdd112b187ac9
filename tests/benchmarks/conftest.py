"""A recorded result that the pages are made of: asv's file format, invented numbers."""

import itertools
import json

import pytest

from benchmarks import registry

COMMITS = {"a" * 40: 1_700_000_000_000, "b" * 40: 1_710_000_000_000}
SPEEDUP = {"numpy": 1.0, "fastff": 3.0, "sklearn": 0.5, "torch": 0.8, "jax": 1.5}


def _benchmark(family, metric, impls):
    entries = registry.of_family(family)
    own = {name: list(dict.fromkeys(v for e in entries for v in e.params[name])) for name in entries[0].params}
    threads = {"threads": ["1", "2"]} if family in ("epochs", "predict") else {}
    grid = {registry.LABELS[family]: [entry.name for entry in entries], **own, **threads, "impl": impls}
    cells = list(itertools.product(*grid.values()))
    values = [SPEEDUP[cell[-1]] * (1 + len(cell[0]) / 100) for cell in cells]
    values[0] = None  # as where something failed
    params = [[repr(v) for v in values] for values in grid.values()]
    return f"{family}.Comparison.track_{metric}", [values, params, 1_720_000_000_000]


@pytest.fixture
def results(tmp_path):
    folder = tmp_path / "results" / "machine"
    folder.mkdir(parents=True)
    machine = {"machine": "machine", "cpu": "a <cpu>", "os": "Linux", "ram": "8GB", "num_cpu": "2", "arch": "x86_64"}
    (folder / "machine.json").write_text(json.dumps({**machine, "version": 1}))
    lines = []
    for commit, date in COMMITS.items():
        found = dict(
            _benchmark(family, metric, [impl for impl in SPEEDUP if impl != "numpy" or metric != "speedup_over_numpy"])
            for family in registry.LABELS
            for metric in ("speedup_over_numpy", "gflops", "part_of_peak")
        )
        data = {
            "commit_hash": commit,
            "date": date,
            "result_columns": ["result", "params", "started_at"],
            "results": found,
        }
        name = f"{commit[:8]}-virtualenv-py3.11.json"
        (folder / name).write_text(json.dumps(data))
        lines.append(f"{name}: Python 3.11, numpy 2")
    (folder / "versions.txt").write_text("\n".join(lines))
    return tmp_path / "results"
