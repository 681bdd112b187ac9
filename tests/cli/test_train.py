import json
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
from safetensors import safe_open

from fastff.cli import run
from fastff.io import read_model

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Each test in a folder of its own, with no NumPy timed for longer than it takes to see that it works."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fastff.cli.baseline.SECONDS", 0.01)
    return tmp_path


def table_of(text):
    """The names and figures of the table printed."""
    rows = [re.split(r"\s*[│|]\s*", line.strip(" │|"), maxsplit=1) for line in text.splitlines() if "│" in line]
    return {row[0].strip(): row[1].strip(" │") for row in rows}


def write_csv(path, rows=60):
    """Three kinds of flowers, told apart by two of three columns; a number; a date nobody wants."""
    kind = np.arange(rows) % 3
    lines = ["length,width,site,day,count,flower"]
    for i, k in enumerate(kind):
        length, width = k + RNG.normal(0, 0.1), 2 * k + RNG.normal(0, 0.1)
        lines.append(f"{length},{width},{'north' if i % 2 else 'south'},2020-01-01,{i},{'abc'[k]}")
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def test_digits(folder, capsys):
    """The first command a user types: over 97 % of 360 scans held out."""
    assert run(["train"]) == 0
    table = table_of(capsys.readouterr().out)
    assert table["rows"] == "1,437 trained on, 360 held out"
    assert float(table["accuracy held out"].removesuffix(" %")) > 97
    assert re.match(r"[\d.]+ than plain NumPy \(reference.py: ", table["times faster"])
    assert sorted(path.name for path in folder.iterdir()) == ["digits.png", "digits.safetensors"]
    assert (folder / "digits.png").read_bytes().startswith(b"\x89PNG")
    with safe_open(folder / "digits.safetensors", "numpy") as file:
        header = json.loads(file.metadata()["fastff"])
    assert header["network"]["sizes"] == [64, 256, 128, 10]
    assert header["preparation"]["classes"] == list(range(10))


def test_csv_classes_and_prediction(folder, capsys):
    data = write_csv(folder / "flowers.csv")
    options = ["--target", "flower", "--ignore", "day", "--hidden", "8", "--epochs", "100", "--ignore", "count"]
    assert run(["train", data, *options, "--learning-rate", "0.01", "--activation", "tanh", "-o", "m.safetensors"]) == 0
    table = table_of(capsys.readouterr().out)
    assert table["rows"] == "48 trained on, 12 held out"
    assert table["network"].startswith("4-8-3, tanh, 67 parameters")
    assert table["accuracy held out"] == "100.00 %"
    assert table["model"] == "m.safetensors"

    assert run(["predict", "m.safetensors", data, "-o", "out.csv", "--probabilities"]) == 0
    captured = capsys.readouterr()
    assert "accuracy 100.00 %" in captured.err
    lines = (folder / "out.csv").read_text().splitlines()
    assert lines[0] == '"prediction","p(a)","p(b)","p(c)"'
    assert [line.split(",")[0] for line in lines[1:]] == ['"a"', '"b"', '"c"'] * 20

    # the target and columns never used need not be there, and a new category is told
    (folder / "new.csv").write_text("site,width,length\nnorth,2,1\nwest,0,0\n")
    assert run(["predict", "m.safetensors", "new.csv"]) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines() == ['"prediction"', '"b"', '"a"']
    assert "'site': 1 rows hold a category" in captured.err


def test_regression(folder, capsys):
    x = RNG.random((300, 2))
    np.savez(folder / "plane.npz", X=x, y=1000 + 300 * x[:, 0] - 200 * x[:, 1])
    options = ["--hidden", "16", "--epochs", "150", "--optimizer", "momentum", "--batch-size", "16"]
    assert run(["train", "plane.npz", *options]) == 0
    table = table_of(capsys.readouterr().out)
    assert float(table["R2 held out"]) > 0.99
    assert float(table["RMSE held out"]) < 10
    assert run(["predict", "plane.safetensors", "plane.npz", "-o", "out.csv"]) == 0
    assert re.search(r"R2 0\.99\d+, RMSE \d", capsys.readouterr().err)
    predicted = np.loadtxt(folder / "out.csv", skiprows=1)
    assert np.abs(predicted - (1000 + 300 * x[:, 0] - 200 * x[:, 1])).mean() < 10


def test_same_seed_same_model(folder):
    for name in ("a", "b"):
        assert run(["train", "--epochs", "1", "--hidden", "8", "-o", f"{name}.safetensors", "--seed", "3"]) == 0
    first, second = (read_model(f"{name}.safetensors").network.parameters for name in "ab")
    np.testing.assert_array_equal(first, second)


def test_whole_batch_linear_network_and_no_rows_held_out(folder, capsys):
    options = ["--hidden", "", "--batch-size", "0", "--test-fraction", "0", "--epochs", "5", "--dtype", "float64"]
    assert run(["train", *options, "--threads", "1"]) == 0
    table = table_of(capsys.readouterr().out)
    assert table["rows"] == "1,797 trained on"
    assert table["network"] == "64-10, 650 parameters, float64"
    assert table["seconds"].endswith("(1 thread)")
    assert "accuracy on the rows trained on" in table


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no.csv"], "no.csv: no such file or folder"),
        (["flowers.csv"], "no target is named, say --target NAME; there are length, width"),
        (["flowers.csv", "--target", "petal"], "no column 'petal'"),
        (["flowers.csv", "--target", "flower"], "'day' is of type date32"),
        (["nan.csv", "--target", "b"], "'a' lacks a number or holds an infinite one, in row 1"),
        (["two.csv", "--target", "b", "--test-fraction", "0.9"], "too few"),
        (["--hidden", "8,x"], "--hidden must be widths"),
        (["--hidden", "8,0"], "--hidden must be widths"),
        (["--activation", "rely"], "choose one of: identity, relu"),
        (["--optimizer", "adm"], "choose one of: adam, sgd"),
        (["--task", "clustering"], "choose one of: classification, regression"),
        (["--dtype", "float16"], "choose one of: float32, float64"),
        (["--epochs", "0"], "--epochs"),
        (["--epochs", "many"], "--epochs"),
        (["--learning-rate", "-1"], "learning_rate must be"),
        (["--learning-rate", "1e30"], "the learning rate, 1e.30, is likely too high"),
        (["--test-fraction", "1"], "--test-fraction"),
        (["--threads", "0"], "--threads"),
        (["--no-such-option"], "--no-such-option"),
        (["-o", "missing/m.safetensors"], "folder 'missing' does not exist"),
        (["-o", "m.png"], "names the model file"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(folder, capsys, arguments, message):
    write_csv(folder / "flowers.csv")
    (folder / "nan.csv").write_text("a,b\n1,2\nnan,3\n" + "4,5\n" * 30)
    (folder / "two.csv").write_text("a,b\n1,2\n3,4\n")
    before = sorted(folder.iterdir())
    assert run(["train", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = [line for line in captured.err.splitlines() if not line.startswith("compiling")]
    assert len(lines) == 1
    assert re.search(message, lines[0])
    assert lines[0].startswith("fastff: ")
    assert sorted(folder.iterdir()) == before


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_keeps_the_last_complete_epoch(folder):
    """In a process of its own, as the terminal would interrupt it."""
    code = (
        "import signal, sys; from fastff.cli import run, train; from fastff import Trainer\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell may have it ignored
        "fit = Trainer.fit\n"
        "def told(self, X, y, epochs, callback):\n"
        "    def begun(done, loss):\n"
        "        callback(done, loss)\n"
        "        if done: print('begun', flush=True)\n"
        "    return fit(self, X, y, epochs, begun)\n"
        "Trainer.fit = told\n"
        "sys.exit(run(['train', '--epochs', '1000000', '--hidden', '16']))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert process.returncode == 130
    assert "of 1000000, interrupted" in out
    assert "the last complete one" in err
    assert read_model(folder / "digits.safetensors").network.plan.sizes == (64, 16, 10)
    assert sorted(path.name for path in folder.iterdir()) == ["digits.png", "digits.safetensors"]


def test_module_and_command_are_the_same(folder):
    done = subprocess.run([sys.executable, "-m", "fastff", "predict"], capture_output=True, text=True)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "'model'" in done.stderr.lower()
    for arguments in ([], ["--help"], ["train", "--help"]):
        done = subprocess.run([sys.executable, "-m", "fastff", *arguments], capture_output=True, text=True)
        assert done.returncode == 0
        assert "Usage" in done.stdout


def test_a_missing_extra_is_named(folder):
    """Where typer is not installed, one line says what to install."""
    (folder / "typer.py").write_text("raise ModuleNotFoundError('No module named typer', name='typer')")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), os.environ["PYTHONPATH"]])}
    done = subprocess.run([sys.executable, "-m", "fastff"], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "fastff: the command line needs typer: pip install 'fastff[cli]'\n"
