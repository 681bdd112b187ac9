import gzip
import struct

import numpy as np
import pytest

import fastff as ff
from fastff.cli import run


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fastff.cli.baseline.SECONDS", 0.01)
    return tmp_path


def write_images(folder):
    """Images whose class is the brighter half."""
    rng = np.random.default_rng(0)
    for name, rows in (("train", 200), ("t10k", 50)):
        labels = rng.integers(0, 2, rows).astype(np.uint8)
        images = rng.integers(0, 100, (rows, 4, 4)).astype(np.uint8)
        images[labels == 1, :2] += 100
        images[labels == 0, 2:] += 100
        (folder / f"{name}-images-idx3-ubyte.gz").write_bytes(
            gzip.compress(struct.pack(">BBBBIII", 0, 0, 8, 3, rows, 4, 4) + images.tobytes())
        )
        (folder / f"{name}-labels-idx1-ubyte.gz").write_bytes(
            gzip.compress(struct.pack(">BBBBI", 0, 0, 8, 1, rows) + labels.tobytes())
        )


def test_images(folder, capsys):
    (folder / "images").mkdir()
    write_images(folder / "images")
    assert run(["train", "images", "--hidden", "8", "--epochs", "30"]) == 0
    assert "200 trained on, 50 held out" in capsys.readouterr().out
    assert run(["predict", "images.safetensors", "images", "-o", "out.csv"]) == 0
    assert "accuracy 100.00 %" in capsys.readouterr().err
    assert len((folder / "out.csv").read_text().splitlines()) == 51
    assert run(["predict", "images.safetensors", "images/train-images-idx3-ubyte.gz", "--threads", "1"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 201


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no.safetensors", "t.csv"], "no.safetensors: no such file"),
        (["t.csv", "t.csv"], "t.csv: not a model file"),
        (["alone.safetensors", "t.csv"], "without a description of its columns"),
        (["m.safetensors", "other.csv"], "wants column 'b'"),
        (["m.safetensors", "gap.csv"], "'a' lacks a number"),
        (["m.safetensors", "t.csv", "--probabilities"], "only classes have probabilities"),
        (["m.safetensors", "t.csv", "-o", "no/out.csv"], "'no' does not exist"),
    ],
)
def test_bad_input(folder, capsys, arguments, message):
    ff.io.save(ff.Network((2, 1)), "alone.safetensors")
    (folder / "t.csv").write_text("a,b,y\n" + "".join(f"{i},{i % 7},{i / 2}\n" for i in range(30)))
    (folder / "other.csv").write_text("a,c\n1,2\n")
    (folder / "gap.csv").write_text("a,b\n1,2\n,3\n")
    assert run(["train", "t.csv", "--target", "y", "--hidden", "4", "--epochs", "1", "-o", "m.safetensors"]) == 0
    before = sorted(folder.iterdir())
    capsys.readouterr()
    assert run(["predict", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("fastff: ")
    assert len(captured.err.splitlines()) == 1
    assert message in captured.err
    assert sorted(folder.iterdir()) == before
