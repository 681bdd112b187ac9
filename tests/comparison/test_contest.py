import json
import os
import subprocess
import sys

import pytest

from fastff.comparison import Contest, Line
from fastff.comparison.conditions import environment
from fastff.comparison.contest import compete, geometric_mean
from fastff.comparison.peak import peak_rate
from fastff.comparison.process import Process
from fastff.comparison.worker import Peak, Worker, answer

JOB, PART = "tabular-adam-b32-f32", 0.004


class Scripted:
    """A process that answers by heart."""

    def __init__(self, prepared, *turns):
        self.prepared, self.turns = prepared, list(turns)

    def ask(self, word, *order):
        return self.prepared if word == "prepare" else self.turns.pop(0)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr("fastff.comparison.contest.PAUSE", 0.0)


def test_least_times_count():
    ready = {"first": 1.0, "loss": 2.0, "before": 3.0}
    processes = {
        "numpy": Scripted(ready, {"seconds": 3.0}, {"seconds": 2.0}),
        "sklearn": Scripted({"missing": "not offered"}),
        "torch": Scripted({"error": "ValueError: no"}),
        "jax": Scripted({**ready, "loss": 2.1}, {"seconds": 1.5}, {"error": "it died"}),
        "fastff": Scripted({**ready, "loss": 2.015}, {"seconds": 0.5}, {"seconds": 0.6}),
        "peak": Scripted({}, {"rate": 1e9}, {"rate": 2e9}),
    }
    line = compete(processes, JOB, PART, rounds=2)
    assert line.seconds == {"numpy": 2.0, "jax": 1.5, "fastff": 0.5}
    assert line.notes == {"sklearn": "not offered", "torch": "failed: ValueError: no", "jax": "failed: it died"}
    assert line.peak == 2e9
    assert (line.speedup("numpy"), line.fastest_other, line.speedup("torch")) == (4.0, "jax", None)
    assert line.astray == ["jax"]
    json.dumps(line.as_dict())


def test_a_loss_that_is_not_finite_is_astray():
    line = Line(JOB, PART, losses={"numpy": 1.0, "fastff": float("nan"), "sklearn": 5.0})
    assert line.astray == ["fastff"]
    assert Line(JOB, PART).astray == []


def test_a_loss_of_rounding_is_not_astray():
    assert Line(JOB, PART, losses={"numpy": 4e-6, "fastff": 5e-6}, loss_before=1e6).astray == []
    assert Line(JOB, PART, losses={"numpy": 4e-6, "fastff": 5e-6}, loss_before=1.0).astray == ["fastff"]


def test_geometric_mean():
    assert geometric_mean([2.0, 8.0]) == pytest.approx(4.0)


@pytest.mark.parametrize("name", ["numpy", "fastff"])
def test_worker(name):
    worker = Worker(name, 1)
    said = answer(worker, ["prepare", JOB, PART])
    assert said["first"] > 0
    assert 0 < said["loss"] < said["before"] < 10
    assert answer(worker, ["go"])["seconds"] > 0
    assert answer(worker, ["prepare", "chess", 1.0])["error"].startswith("ValueError: there is no job 'chess'")
    assert answer(Worker("sklearn", 1), ["prepare", "seed2-f64", 0.01]) == {"missing": "not offered"}


def test_peak():
    """Nothing is said of how fast a machine is, only that it is a number."""
    assert peak_rate("float64", 2, seconds=1e-4) > 0
    peak = Peak(1)
    assert answer(peak, ["prepare", "seed0-f64", 1.0]) == {}
    assert peak.dtype == "float64"


def test_environment():
    given = {"OPENBLAS_CORETYPE": "Haswell", "MKL_DEBUG": "1", "PYTHONPATH": "elsewhere", "OMP_NUM_THREADS": "7"}
    variables = environment(1, given)
    assert not {"OPENBLAS_CORETYPE", "MKL_DEBUG"} & set(variables)
    assert variables["OMP_NUM_THREADS"] == variables["OPENBLAS_NUM_THREADS"] == variables["FASTFF_NUM_THREADS"] == "1"
    assert int(variables["MALLOC_TRIM_THRESHOLD_"]) > 2**30
    assert variables["PYTHONPATH"].endswith(os.pathsep + "elsewhere")
    assert "XLA_FLAGS" not in environment(2, given)


def test_processes_of_their_own():
    """The whole of it on a tiny job; numbers are anyone's, answers are not."""
    (line,) = Contest({JOB: PART}, ["numpy", "fastff"], threads=1, rounds=1).run()
    assert line.notes == {}
    assert set(line.seconds) == set(line.losses) == {"numpy", "fastff"}
    assert line.astray == []
    assert line.peak > 0
    assert line.rate > 0


def test_a_process_that_ends_says_so():
    with Process("nobody", 1) as process:
        assert process.ask("go")["error"].startswith("the process ended: KeyError: 'nobody'")
        assert process.ask("go")["error"].startswith("the process ended")


def test_a_worker_is_not_led_astray_by_files_nearby(tmp_path):
    """A file numpy.py in the user's folder is not NumPy; what libraries print is not taken for an answer."""
    (tmp_path / "numpy.py").write_text("raise SystemExit('the wrong numpy')")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "fastff.comparison.worker", "numpy", "1"],
        input=json.dumps(["prepare", "seed2-f64", 0.001]) + "\n",
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment(1),
        check=True,
    )
    assert json.loads(done.stdout)["loss"] > 0
