import json

import pytest

from fastff.cli import run
from fastff.cli.bench_report import Report
from fastff.comparison import Contest, Line

JOB = "tabular-adam-b32-f32"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def scripted(monkeypatch):
    """A contest whose outcome is known; what it was asked for is kept."""
    asked = {}

    def lines(self):
        asked.update(jobs=self.jobs, trainers=self.trainers, threads=self.threads, rounds=self.rounds)
        for name, part in self.jobs.items():
            line = Line(
                name, part, {"numpy": 0.4, "jax": 0.2, "fastff": 0.1}, {"numpy": 1.0, "jax": 1.5, "fastff": 1.0}
            )
            line.notes["torch"] = "failed: it died"
            yield line

    monkeypatch.setattr(Contest, "run", lines)
    return asked


def test_table_picture_and_figures(folder, scripted, capsys):
    assert run(["bench", "--quick", "--jobs", f"{JOB},seed0-f64", "--peers", "sklearn", "--threads", "1"]) == 0
    assert scripted == {
        "jobs": {JOB: 0.25, "seed0-f64": 0.5},
        "trainers": ["numpy", "sklearn", "fastff"],
        "threads": 1,
        "rounds": 2,
    }
    out = capsys.readouterr().out
    assert "peak of fused multiply-adds, float64: " in out
    (line,) = [line for line in out.splitlines() if line.startswith("seed0-f64")]
    assert line.split()[:6] == ["seed0-f64", "400", "-", "100", "×4.00", "×2.00"]
    assert "jax ended with a loss of 1.5, numpy with 1" in out
    assert "torch failed: it died" in out
    assert "over the fastest other: geometric mean ×2.00, least ×2.00 (seed0-f64), 2 jobs" in out
    figures = json.loads((folder / "bench.json").read_text())
    assert [job["name"] for job in figures["jobs"]] == [JOB, "seed0-f64"]
    assert figures["jobs"][1]["seconds"]["fastff"] == 0.1
    assert (folder / "bench.png").read_bytes().startswith(b"\x89PNG")


def test_everything_is_the_default(scripted, capsys):
    assert run(["bench", "--threads", "1", "--rounds", "7", "--output", "all.png"]) == 0
    assert len(scripted["jobs"]) == 16
    assert set(scripted["jobs"].values()) == {1.0}
    assert scripted["trainers"][0] == "numpy"
    assert scripted["trainers"][-1] == "fastff"
    assert scripted["rounds"] == 7


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--jobs", "chess"], "there is no job 'chess'; the jobs are seed0-f64"),
        (["--peers", "chess"], "--peers knows numpy, sklearn, torch, jax, not 'chess'"),
        (["--output", "figures.json"], "--output names the picture"),
        (["--output", "nowhere/bench.png"], "the folder 'nowhere' does not exist"),
        (["--rounds", "0"], "--rounds"),
    ],
)
def test_bad_input(arguments, words, capsys):
    assert run(["bench", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_a_peer_that_is_missing_names_its_extra(monkeypatch, capsys):
    monkeypatch.setattr("fastff.comparison.trainers.find_spec", lambda package: None if package == "jax" else package)
    assert run(["bench", "--peers", "jax"]) == 2
    assert "the peer jax needs jax: pip install 'fastff[peers]'" in capsys.readouterr().err


def test_a_contest_that_nobody_finishes(folder, capsys):
    """Nothing was measured: there is still a table, a picture and a file."""
    report = Report(["numpy", "fastff"], {("float32", 1): 1e9}, threads=1, rounds=1)
    lines = [Line(JOB, 1.0, notes={"numpy": "failed: it died", "fastff": "failed: it died"})]
    report.print_line(lines[0])
    report.print_summary(lines)
    report.write(lines, folder / "bench.json")
    report.draw(lines, folder / "bench.png")
    assert capsys.readouterr().out.splitlines()[0].split() == [JOB, *["-"] * 7]
