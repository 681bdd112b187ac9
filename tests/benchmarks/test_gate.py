"""The gate: its judgement on canned times, and both of its answers on copies of the repository."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from benchmarks import gate

ROOT = Path(gate.__file__).parent.parent

# One more half of the work: what the benchmark below takes is 1.5 times as much.
PLANTED = """

_as_it_was = sgd_step_bias


def sgd_step_bias(bias, grad_output, learning_rate):
    half = len(grad_output) // 2
    _as_it_was(bias, grad_output[:half], learning_rate)
    _as_it_was(bias, grad_output[half:], learning_rate)
    _as_it_was(bias.copy(), grad_output[:half], learning_rate)
"""


def times(rng, median, rounds=gate.ROUNDS):
    """Rounds of a noisy machine: some of them take much longer."""
    return median * (1 + 0.05 * rng.random(rounds) + 2 * (rng.random(rounds) > 0.9))


@pytest.mark.parametrize("seed", range(20))
def test_equal_commits_are_not_blamed(seed):
    rng = np.random.default_rng(seed)
    assert not gate.judge(times(rng, 1.0), times(rng, 1.0))[2]


@pytest.mark.parametrize("seed", range(20))
def test_a_slowdown_of_a_half_is_seen(seed):
    rng = np.random.default_rng(seed)
    ratio, chance, slower = gate.judge(times(rng, 1.0), times(rng, 1.5))
    assert slower
    assert 1.4 < ratio < 1.6
    assert chance < gate.LEVEL


def test_a_difference_that_nobody_feels_passes():
    rng = np.random.default_rng(0)
    ratio, chance, slower = gate.judge(times(rng, 1.0, 200), times(rng, 1.08, 200))
    assert chance < gate.LEVEL
    assert 1 < ratio < gate.FACTOR
    assert not slower


def test_the_table_is_markdown():
    nan = float("nan")
    rows = [gate.Row("a b", 1e-3, 2e-3, 2.0, 1e-6, "**slower**"), gate.Row("c", nan, 1e-3, nan, nan, "new")]
    lines = gate.table(rows).splitlines()
    assert lines[2] == "| a b | 1,000.0 µs | 2,000.0 µs | 2.00 | 1e-06 | **slower** |"
    assert len({line.count("|") for line in lines}) == 1


def git(repository, *arguments):
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    # in a hook, git's variables would name another repository
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-C", str(repository), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A copy of the project with three commits: as it is, with a planted slowdown, and with another README."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    copy = tmp_path_factory.mktemp("repository")
    shutil.copytree(ROOT / "fastff", copy / "fastff", ignore=shutil.ignore_patterns("__pycache__"))
    git(copy, "init", "--quiet")
    for tag in ("base", "slow", "equal"):
        kernels = (ROOT / "fastff" / "kernels.py").read_text()
        (copy / "fastff" / "kernels.py").write_text(kernels + (PLANTED if tag == "slow" else ""))
        (copy / "README.md").write_text(tag)
        git(copy, "add", ".")
        git(copy, "commit", "--quiet", "--no-verify", "-m", tag)
        git(copy, "tag", tag)
    return copy


def run(repository, head, *arguments):
    # the processor's time instead of the wall's, for tests run on machines that have other work to do
    only = ["--only", "kernels sgd_step_bias .* float64", "--clock", "cpu", "--rounds", "10"]
    return gate.main(["base", head, "--repository", str(repository), *only, *arguments])


@pytest.mark.parametrize(("head", "status"), [("slow", 1), ("equal", 0)])
def test_on_a_copy_of_the_repository(repository, head, status, tmp_path, capfd):
    # a machine may be in such trouble that even the processor's time tells nothing, but not thrice
    assert status in (run(repository, head, "--output", str(tmp_path / "summary.md")) for _ in range(3))
    assert "kernels sgd_step_bias 60x1000x100 float64" in (tmp_path / "summary.md").read_text()
    assert "head / base" in capfd.readouterr().out
    assert len(git(repository, "worktree", "list").splitlines()) == 1


def test_a_wrong_head_and_no_benchmark_fail(repository, tmp_path):
    git(repository, "checkout", "--quiet", "-b", "broken", "base")
    kernels = repository / "fastff" / "kernels.py"
    kernels.write_text(kernels.read_text() + "\n\ndef sgd_step_bias(bias, grad_output, learning_rate):\n    pass\n")
    git(repository, "commit", "--quiet", "--no-verify", "-am", "broken")
    output = tmp_path / "table.md"
    assert run(repository, "broken", "--output", str(output)) == 2
    assert "WrongAnswerError" in output.read_text()
    assert run(repository, "base", "--only", "no such benchmark") == 2


def test_the_fast_subset_covers_every_family():
    from benchmarks import registry

    families = {case.entry.family for case in gate.cases("")}
    assert families == {entry.family for entry in registry.ENTRIES}
