"""Training: epochs, batches, what they did, and when they stop."""

from .history import History
from .trainer import Trainer

__all__ = ["History", "Trainer"]
