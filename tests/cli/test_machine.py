import subprocess
import sys

import fastff
from fastff import _jit
from fastff.cli import run


def test_info(capsys):
    assert run(["info"]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    names = ["fastff", "Python", "numba", "CPU", "compiled for", "vectors", "register tile", "data caches", "threads"]
    for name in [*names, "compiled code"]:
        assert any(line.startswith(name) for line in lines), name


def test_info_where_no_folder_may_be_written(capsys, monkeypatch):
    def nowhere(function):
        raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr(_jit, "PackageCache", nowhere)
    assert run(["info"]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "compiled code" in line)
    assert "not kept, as no folder for it may be written: set NUMBA_CACHE_DIR to one" in line


def test_version(capsys):
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"fastff {fastff.__version__}\n"


def test_warmup():
    """In a process of its own: it compiles what other tests may want to see compiled."""
    done = subprocess.run([sys.executable, "-m", "fastff", "warmup"], capture_output=True, text=True, check=True)
    assert "functions ready in" in done.stdout.splitlines()[-1]
    assert done.stderr == ""
