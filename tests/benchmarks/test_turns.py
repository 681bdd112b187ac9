"""Rounds in turn, and what is computed from them."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import conditions, registry, turns, worker

ENTRY = registry.find("kernels", "sgd_step_bias")
CASE = turns.Case(ENTRY, {"shape": "60x1000x100", "dtype": "float64"})


class Canned:
    """A process whose times are given."""

    def __init__(self, times, first=None):
        self.times, self.first, self.asked = iter(times), first or {"ready": True}, []

    def ask(self, *order):
        self.asked.append(order[0])
        return self.first if order[0] == "prepare" else {"seconds": next(self.times)}


def test_rounds_are_taken_in_turn():
    log = []

    class Noted(Canned):
        def ask(self, *order):
            log.append((order[0], self.name))
            return super().ask(*order)

    processes = {"numpy": Noted([1.0] * 4), "fastff": Noted([0.5] * 4)}
    for name, process in processes.items():
        process.name = name
    result = turns.rounds(processes, CASE, most=4, seconds=60.0)
    assert result == {"numpy": [1.0] * 4, "fastff": [0.5] * 4}
    assert [name for word, name in log if word == "go"] == ["numpy", "fastff", "fastff", "numpy"] * 2


def test_a_slow_peer_has_fewer_turns():
    processes = {"numpy": Canned([1.0] * 3), "fastff": Canned([0.5] * 3), "sklearn": Canned([3.0])}
    result = turns.rounds(processes, CASE, most=3, seconds=2.0)
    assert result == {"numpy": [1.0] * 3, "fastff": [0.5] * 3, "sklearn": [3.0]}
    assert turns.speedup(result, "sklearn") == pytest.approx(1 / 3)


def test_a_machine_that_slows_down_does_not_change_a_speedup():
    noise = [1.0, 3.0, 1.5, 1.0, 8.0]
    result = {
        "numpy": [4e-3 * n for n in noise],
        "fastff": [1e-3 * n for n in noise],
        "peak": [1e-11 * n for n in noise],
    }
    assert turns.speedup(result, "fastff") == pytest.approx(4)
    assert turns.part_of_peak(result, "fastff", 5e7) == pytest.approx(0.5)
    assert turns.rate(result, "fastff", 3e6) == pytest.approx(2e9)


def test_what_is_missing_and_what_failed_are_told_apart():
    processes = {
        "numpy": Canned([1.0] * 9),
        "jax": Canned([], {"missing": "jax is not installed"}),
        "fastff": Canned([], {"error": "WrongAnswerError: no"}),
    }
    result = turns.rounds(processes, CASE)
    assert turns.missing(result) == {"jax"}
    with pytest.raises(RuntimeError, match="WrongAnswerError"):
        turns.seconds(result, "fastff")


def test_a_worker_times_and_reports():
    own = worker.Worker("fastff", 1)
    order = ["prepare", ENTRY.family, ENTRY.name, dict(CASE.params)]
    assert worker.answer(own, order) == {"ready": True}
    assert worker.answer(own, ["go"])["seconds"] > 0
    order[-1] = {"shape": "1x1", "dtype": "float64"}
    assert "missing" in worker.answer(own, order)


@pytest.mark.parametrize("impl", ["torch", "jax"])
def test_what_is_not_installed_is_missing(impl, monkeypatch):
    monkeypatch.setattr(worker.importlib.util, "find_spec", lambda name: None)
    answer = worker.answer(worker.Worker(impl, 1), ["prepare", ENTRY.family, ENTRY.name, dict(CASE.params)])
    assert answer == {"missing": f"{impl} is not installed"}


def test_a_wrong_answer_is_the_workers_answer(monkeypatch):
    import fastff as ff

    monkeypatch.setattr(ff.kernels, "sgd_step_bias", lambda bias, grad, rate: None)
    answer = worker.answer(worker.Worker("fastff", 1), ["prepare", ENTRY.family, ENTRY.name, dict(CASE.params)])
    assert answer["error"].startswith("WrongAnswerError")


def test_processes_compute_and_end():
    result = turns.compare([CASE], ["numpy"])[CASE.key]
    assert len(result["numpy"]) >= turns.LEAST_ROUNDS
    assert all(time > 0 for time in result["numpy"] + result["peak"])


def test_a_process_that_dies_is_an_answer(monkeypatch):
    monkeypatch.setattr(turns.subprocess, "Popen", lambda command, **rest: POPEN([sys.executable, "-c", "1/0"], **rest))
    process = turns.Process("numpy", 1)
    assert "ZeroDivisionError" in process.ask("prepare", "kernels", "sgd_step_bias", {})["error"]
    process.close()


POPEN = subprocess.Popen


def test_the_shells_choice_of_kernels_is_unset(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.setenv("MKL_CBWR", "COMPATIBLE")
    environment = conditions.environment(1)
    assert "OPENBLAS_CORETYPE" not in environment
    assert "MKL_CBWR" not in environment
    assert environment["OPENBLAS_NUM_THREADS"] == "1"
    assert int(environment["MALLOC_TRIM_THRESHOLD_"]) > 1e9


def test_under_asv_the_package_applies_the_conditions(tmp_path):
    root = Path(turns.__file__).parent.parent
    code = "import benchmarks, os; print(os.environ.get('OPENBLAS_CORETYPE'), os.environ['NUMBA_CACHE_DIR'])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={
            "OPENBLAS_CORETYPE": "Haswell",
            "ASV_ENV_NAME": "x",
            "ASV_ENV_DIR": str(tmp_path),
            "PYTHONPATH": str(root),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["None", str(tmp_path / "compiled")]
