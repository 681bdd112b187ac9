"""What fastff raises beyond Python's own exceptions, and the message where an extra is not installed."""

from __future__ import annotations

from typing import Any

__all__ = ["DivergedError", "missing_extra"]


class DivergedError(ArithmeticError):
    """A training whose loss, or whose parameters, stopped being finite.

    The network keeps the parameters it had at the end of the last good epoch, or before the training if there is none.

    Parameters
    ----------
    message : str
        Epoch, step and the likely cause in words.
    epoch : int
        Epoch in which it happened, counted from 1 over the life of the trainer.
    step : int
        Step of that epoch, counted from 1: the loss it started from was not finite.
    history : History, optional
        What the good epochs before it did.

    Examples
    --------
    >>> import fastff as ff
    >>> net = ff.Network((1, 1), init="ones", dtype="float64")
    >>> try:
    ...     net.fit([[1e3], [2e3]], [0.0, 1.0], optimizer=ff.SGD(learning_rate=10.0), epochs=100)
    ... except ff.DivergedError as error:
    ...     print(len(error.history.loss) < error.epoch <= 100)
    True
    """

    def __init__(self, message: str, epoch: int = 0, step: int = 0, history: Any = None) -> None:
        super().__init__(message)
        self.epoch = epoch
        self.step = step
        self.history = history


def missing_extra(extra: str, package: str, purpose: str) -> ModuleNotFoundError:
    """Return the error to raise where an optional package is needed and not installed.

    Examples
    --------
    >>> raise missing_extra("cli", "pyarrow", "reading tables")
    Traceback (most recent call last):
    ModuleNotFoundError: reading tables needs pyarrow: pip install 'fastff[cli]'
    """
    return ModuleNotFoundError(f"{purpose} needs {package}: pip install 'fastff[{extra}]'", name=package)
