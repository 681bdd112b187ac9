"""Feed-forward networks trained fast on CPUs: NumPy arrays in, NumPy arrays out, one compiled loop in between.

>>> import fastff as ff
>>> net = ff.Network(sizes=(2, 8, 1), activation="tanh", output="sigmoid", random_state=0)
>>> X, y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
>>> history = net.fit(X, y, optimizer=ff.Adam(0.05), epochs=300)
>>> net.predict(X).round()[:, 0]
array([0., 1., 1., 0.], dtype=float32)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import init, io, kernels, losses, optim, reference
    from ._threads import get_num_threads, set_num_threads
    from .errors import DivergedError
    from .network import Network
    from .optim import SGD, Adam
    from .training import History, Trainer

__version__ = "0.1.0"

__all__ = [
    "Adam",
    "DivergedError",
    "History",
    "Network",
    "SGD",
    "Trainer",
    "get_num_threads",
    "init",
    "io",
    "kernels",
    "losses",
    "optim",
    "reference",
    "set_num_threads",
]

# Nothing is imported before it is used: the compiler below takes half a second, and `fastff --help` needs none of it.
_MODULES = frozenset({"init", "io", "kernels", "losses", "optim", "reference"})
_HOME = {
    "Adam": "optim",
    "DivergedError": "errors",
    "History": "training",
    "Network": "network",
    "SGD": "optim",
    "Trainer": "training",
    "get_num_threads": "_threads",
    "set_num_threads": "_threads",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    if name in _HOME:
        value = globals()[name] = getattr(import_module(f".{_HOME[name]}", __name__), name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
