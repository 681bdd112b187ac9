"""The examples run and print what they promise."""

import re
import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run(name, capsys):
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    return capsys.readouterr().out


def numbers(pattern, text):
    return [float(found) for found in re.findall(pattern, text)]


def test_1000_100_10(capsys):
    losses = numbers(r"loss (\S+)", run("1000_100_10.py", capsys))
    assert 1e7 < losses[0] < 1e8
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 1e-4


def test_sigmoid_3_4_1(capsys):
    printed = [0.121479, 0.00164288, 0.000469889, 0.000257786, 0.000173722, 0.000129528]
    assert numbers(r"mean error (\S+)", run("sigmoid_3_4_1.py", capsys)) == printed


def test_forward_any_depth(capsys):
    text = run("forward_any_depth.py", capsys)
    assert len(text.splitlines()) == 8
    assert all(value > 0 for value in numbers(r"(?:error|classes): (\S+)", text))


def test_epochs_and_batches(capsys):
    pytest.importorskip("sklearn")
    text = run("epochs_and_batches.py", capsys)
    assert numbers(r"digits: (\S+)%", text)[0] >= 95
    assert numbers(r"diabetes: (\S+)", text)[0] >= 0.4


def test_activations_and_initialisers(capsys):
    losses = numbers(r"loss (\S+)", run("activations_and_initialisers.py", capsys))
    assert len(losses) == 8
    assert max(losses) < 0.05


def test_every_example_is_tested():
    tested = {name.removeprefix("test_") + ".py" for name in globals() if name.startswith("test_")}
    assert {path.name for path in EXAMPLES.glob("*.py")} <= tested
