"""Compiled code between processes: never stale, wherever the package is, and however many start at once.

Each process here compiles one small unit only.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fastff
from fastff._jit import DISABLED

pytestmark = pytest.mark.skipif(DISABLED, reason="nothing is compiled")

# Compiles (or loads) two numbers' way into panels and tells how: its numbers, and whether it had to be compiled.
SCRIPT = """
import numpy as np
from fastff import _jit
from fastff.gemm.pack import pack_panels
told = []
_jit.on_compile(lambda: told.append(1))
rows = np.array([[1.0, 2.0], [3.0, 4.0]])
packed = np.zeros((2, 64))
pack_panels[np.dtype("f8")](0, 2, 2, rows.ctypes.data, 16, packed.ctypes.data, 0)
print(packed.ravel()[:2].tolist(), "compiled" if told else "loaded")
"""
FRESH, CACHED = "[1.0, 2.0] compiled", "[1.0, 2.0] loaded"


@pytest.fixture
def package(tmp_path):
    """A copy of the package, and a way to run the script with it: the environment of a user who has set nothing."""
    copy = tmp_path / "site" / "fastff"
    shutil.copytree(Path(fastff.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def environment(package, **more):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA_CACHE", "XDG_"))}
    home = package.parent.parent / "home"
    home.mkdir(exist_ok=True)
    return {**kept, "PYTHONPATH": str(package.parent), "PYTHONDONTWRITEBYTECODE": "1", "HOME": str(home), **more}


def start(package, **more):
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        env=environment(package, **more),
        cwd=package.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def result(process):
    out, err = process.communicate(timeout=900)
    assert process.returncode == 0, err
    assert not err.strip()
    return out.strip()


def cached_files(folder):
    return sorted(path for path in folder.rglob("*") if path.suffix in (".nbi", ".nbc"))


def test_old_code_is_never_run(package):
    """A later process loads; after a change in the file of a callee it runs the new code."""
    assert result(start(package)) == FRESH
    assert cached_files(package)
    assert result(start(package)) == CACHED
    callee = package / "simd" / "lanes.py"
    before = callee.read_text()
    # no lane is inside any mask any more: zeros are read
    nothing = "\n\nVectors.first = lambda self, count: ir.Constant(self.mask_type, [0] * self.width)\n"
    callee.write_text(before + nothing)
    assert result(start(package)) == "[0.0, 0.0] compiled"
    assert result(start(package)) == "[0.0, 0.0] loaded"


def test_a_folder_that_is_asked_for(package, tmp_path):
    """NUMBA_CACHE_DIR is where everything goes, and nothing else is written."""
    asked = tmp_path / "asked"
    assert result(start(package, NUMBA_CACHE_DIR=str(asked))) == FRESH
    assert cached_files(asked)
    assert not cached_files(package)
    assert result(start(package, NUMBA_CACHE_DIR=str(asked))) == CACHED


def test_installation_that_may_not_be_written(package):
    """The user's own folder is taken. Folders that are files keep out root as well, whom no permission stops."""
    for folder in [package, *(path for path in package.rglob("*") if path.is_dir())]:
        (folder / "__pycache__").write_text("")
    assert result(start(package)) == FRESH
    assert cached_files(package.parent.parent / "home")
    assert result(start(package)) == CACHED


def test_nowhere_to_write(package):
    """No file can be kept anywhere: compiled anew by each process."""
    for folder in [package, *(path for path in package.rglob("*") if path.is_dir())]:
        (folder / "__pycache__").write_text("")
    nowhere = {"HOME": os.devnull, "XDG_CACHE_HOME": os.devnull}
    assert result(start(package, **nowhere)) == FRESH
    imported = subprocess.run(
        [sys.executable, "-c", "import fastff; fastff.kernels.linear"],
        env=environment(package, **nowhere),
        cwd=package.parent,
        capture_output=True,
        text=True,
    )
    assert imported.returncode == 0, imported.stderr


def test_processes_that_start_at_once(package):
    for told in [result(process) for process in [start(package) for _ in range(2)]]:
        assert told.startswith("[1.0, 2.0]")
    assert result(start(package)) == CACHED


USERS = """
import numba, numpy as np
from fastff import kernels

@numba.njit(cache=True)
def step(bias, gradient):
    kernels.sgd_step_bias(bias, gradient, 0.5)

bias = np.ones(2)
try:
    step(bias, np.ones((3, 2)))
except RuntimeError as error:
    print(error)
print(bias)
"""


def test_what_a_user_has_cached_is_refused_after_a_change(package, tmp_path):
    """numba looks at the user's file only, and would call kernels as they were before an upgrade."""
    script = tmp_path / "step.py"
    script.write_text(USERS)
    told = []
    for _ in range(2):
        done = subprocess.run([sys.executable, script], env=environment(package), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        told.append(done.stdout)
        with (package / "gemm" / "pack.py").open("a") as file:
            file.write("\n# upgraded\n")
    assert told[0].split() == ["[-0.5", "-0.5]"]
    assert "another version of fastff" in told[1]
    assert told[1].endswith("[1. 1.]\n")
