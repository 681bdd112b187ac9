"""The loss of a network on given rows, and its gradients, without training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from ..network import Network, Plan
from ..network.arrays import as_rows, as_targets
from ..ops.losses import Loss, resolve
from ..optim import SGD
from .engine import Engine

__all__ = ["Gradients", "evaluate", "evaluate_with_gradients"]


@dataclass(frozen=True, eq=False)
class Gradients:
    """Derivatives of a loss by a network's parameters.

    Attributes
    ----------
    plan : Plan
        The network's.
    flat : ndarray of shape (n_parameters,)
        All of them, laid out as the network's `parameters`.
    """

    plan: Plan
    flat: np.ndarray

    @property
    def weights(self) -> list[np.ndarray]:
        """Views by layer, ``(in, out)``."""
        return self.plan.weights(self.flat)

    @property
    def biases(self) -> list[np.ndarray]:
        """Views by layer, ``(out,)``; empty without biases."""
        return self.plan.biases(self.flat)


#: The engine of each network's latest evaluation, its loss and its rows: the next is mostly like it, as an optimizer of
#: another library's makes them, and to make an engine takes longer than to evaluate a small network.
_spare: WeakKeyDictionary[Network, tuple[Loss, int, Engine]] = WeakKeyDictionary()
#: Bytes of buffers up to which it is kept.
LARGEST_SPARE = 4 << 20


def evaluate(network: Network, X: object, y: object, loss: str | Loss) -> float:
    """Return the loss on these rows: see `Network.loss`."""
    with _prepared(network, X, y, loss) as (engine, x, targets):
        return engine.loss(network.parameters, x, targets)


def evaluate_with_gradients(network: Network, X: object, y: object, loss: str | Loss) -> tuple[float, Gradients]:
    """Return the loss on these rows and its gradients: see `Network.loss_and_gradients`."""
    with _prepared(network, X, y, loss) as (engine, x, targets):
        gradients = Gradients(network.plan, network.plan.empty())
        value = engine.loss_and_gradients(network.parameters, x, targets, gradients.flat)
        return value, gradients


@contextmanager
def _prepared(
    network: Network, X: object, y: object, loss: str | Loss
) -> Iterator[tuple[Engine, np.ndarray, np.ndarray]]:
    """Check the arguments, and lend an engine: nobody else has it, as two threads may ask the same network."""
    plan = network.plan
    chosen = resolve(loss, plan.activations[-1])
    x = as_rows(X, plan)
    rows = len(x)
    targets = as_targets(y, rows, plan, chosen)
    kept_loss, kept_rows, engine = _spare.pop(network, (None, 0, None))
    if engine is None or (kept_loss, kept_rows) != (chosen, rows):
        engine = Engine(plan, chosen, SGD(), rows, single=True)
    yield engine, x, targets
    if engine.n_bytes <= LARGEST_SPARE:
        _spare[network] = chosen, rows, engine
