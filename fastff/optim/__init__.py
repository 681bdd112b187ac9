"""Update rules: how a gradient changes the parameters. Knows nothing of networks."""

from .adam import Adam
from .base import Optimizer, resolve
from .sgd import SGD

__all__ = ["Adam", "Optimizer", "SGD", "resolve"]
