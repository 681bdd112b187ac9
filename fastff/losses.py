"""The losses: ``fastff.losses.SquaredError()``, ``CrossEntropy()``, ``BinaryCrossEntropy()``."""

from .ops.losses import BinaryCrossEntropy, CrossEntropy, Loss, SquaredError

__all__ = ["BinaryCrossEntropy", "CrossEntropy", "Loss", "SquaredError"]
