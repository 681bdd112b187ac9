"""What a user waits for before anything is computed: import, first compilation, loading compiled code from the cache.

Every sample is a process of its own.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from typing import ClassVar

_FIRST_STEP = """
import numpy as np, fastff as ff
ff.Network((4, 8, 2), dtype={dtype!r}).fit(np.zeros((8, 4)), np.zeros((8, 2)), epochs=1)
"""


def _with_cache(folder: str, dtype: str) -> str:
    return f"import os; os.environ['NUMBA_CACHE_DIR'] = {folder!r}\n" + _FIRST_STEP.format(dtype=dtype)


class Import:
    """``import fastff`` with all its public names; of NumPy and scikit-learn's perceptron for comparison."""

    params = (("numpy", "fastff", "sklearn", "torch", "jax"),)
    param_names = ("impl",)
    timeout = 600
    number, warmup_time = 1, 0.0
    repeat = (2, 5, 10.0)
    statements: ClassVar[dict[str, str]] = {
        "numpy": "import numpy",
        "fastff": "from fastff import Network, Trainer, kernels",
        "sklearn": "from sklearn.neural_network import MLPClassifier",
        "torch": "import torch",
        "jax": "import jax",
    }

    def setup(self, impl: str) -> None:
        from .registry import installed

        if not installed(impl):
            raise NotImplementedError(f"{impl} is not installed")

    def timeraw_import(self, impl: str) -> str:
        return self.statements[impl]


class Compile:
    """The first training of a process: once with an empty cache, once with the code of an earlier process."""

    params = (("float32", "float64"),)
    param_names = ("dtype",)
    timeout = 600
    # each sample is the first of its cache
    number, warmup_time, rounds = 1, 0.0, 1
    repeat = (1, 3, 10.0)

    def setup(self, dtype: str) -> None:
        self.full = tempfile.mkdtemp()
        self.empty: list[str] = []

    def teardown(self, dtype: str) -> None:
        for folder in (self.full, *self.empty):
            shutil.rmtree(folder, ignore_errors=True)

    def timeraw_first_compilation(self, dtype: str) -> str:
        self.empty.append(tempfile.mkdtemp())
        return _with_cache(self.empty[-1], dtype)


class Load(Compile):
    """The first training of a process where the cache holds the compiled code."""

    timeraw_first_compilation = None

    def setup(self, dtype: str) -> None:
        super().setup(dtype)
        subprocess.run([sys.executable, "-c", _with_cache(self.full, dtype)], check=True)

    def timeraw_load_from_cache(self, dtype: str) -> str:
        return _with_cache(self.full, dtype)
