"""The loss of a network on given rows, and its gradients, without training."""

from __future__ import annotations

from dataclasses import dataclass

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


def evaluate(network: Network, X: object, y: object, loss: str | Loss) -> float:
    """Return the loss on these rows: see `Network.loss`."""
    engine, x, targets = _prepare(network, X, y, loss)
    return engine.loss(network.parameters, x, targets)


def evaluate_with_gradients(network: Network, X: object, y: object, loss: str | Loss) -> tuple[float, Gradients]:
    """Return the loss on these rows and its gradients: see `Network.loss_and_gradients`."""
    engine, x, targets = _prepare(network, X, y, loss)
    gradients = Gradients(network.plan, network.plan.empty())
    value = engine.loss_and_gradients(network.parameters, x, targets, gradients.flat)
    return value, gradients


def _prepare(network: Network, X: object, y: object, loss: str | Loss) -> tuple[Engine, np.ndarray, np.ndarray]:
    """Check the arguments. The engine is new: two threads may ask the same network."""
    plan = network.plan
    chosen = resolve(loss, plan.activations[-1])
    x = as_rows(X, plan)
    targets = as_targets(y, len(x), plan, chosen)
    return Engine(plan, chosen, SGD(), len(x), single=True), x, targets
