"""The package as a whole: its version, and what importing it must not cost."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import fastff


@pytest.mark.portable
def test_version_is_the_projects():
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
    assert fastff.__version__ == project["version"]


def test_import_brings_no_extra():
    """``import fastff`` works, and stays quick, where only numba, numpy and safetensors are installed."""
    extras = ["sklearn", "scipy", "typer", "rich", "matplotlib", "pyarrow"]
    code = f"import sys, fastff; print([name for name in {extras} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
