"""What a training did."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

__all__ = ["History"]


@dataclass(frozen=True, eq=False)
class History:
    """Record of one call of ``fit``: its complete epochs.

    Attributes
    ----------
    loss : ndarray of shape (epochs,), float64
        Mean over the epoch's steps of the loss each step started from; the unit is the loss object's.
    seconds : float
        Duration of the call, compilation included where it was the first.
    steps_per_epoch : int
        Updates in an epoch.
    interrupted : bool
        Whether Ctrl-C ended it.
    diverged : bool
        Whether a loss or parameters that were not finite ended it: this is then the `history` of a `DivergedError`.

    Examples
    --------
    >>> import fastff as ff
    >>> net = ff.Network((1, 1), init="ones")
    >>> net.fit([[1.0], [2.0]], [1.0, 2.0], epochs=3, batch_size=1)
    History(epochs=3, last loss=..., seconds=...)
    """

    loss: np.ndarray = field(default_factory=lambda: np.empty(0))
    seconds: float = 0.0
    steps_per_epoch: int = 0
    interrupted: bool = False
    diverged: bool = False

    @property
    def epochs(self) -> int:
        """Number of complete epochs."""
        return len(self.loss)

    def __repr__(self) -> str:
        last = f", last loss={self.loss[-1]:.6g}" if self.epochs else ""
        ended = ", interrupted" * self.interrupted + ", diverged" * self.diverged
        return f"History(epochs={self.epochs}{last}, seconds={self.seconds:.3g}{ended})"
