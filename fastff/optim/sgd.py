"""Gradient descent: plain, with momentum, and with Nesterov's momentum."""

from dataclasses import dataclass

from .._arguments import number

__all__ = ["SGD"]


@dataclass(frozen=True)
class SGD:
    """Stochastic gradient descent.

    With parameters ``w``, their gradient ``g`` and velocity ``v`` (zero at the start), one step is::

        v = momentum * v + g
        d = g + momentum * v    with nesterov, else    d = v
        w = w * (1 - learning_rate * weight_decay) - learning_rate * d

    Parameters
    ----------
    learning_rate : float
        At least zero.
    momentum : float
        Share of the velocity that is kept, from 0 (none, and no velocity is stored) to below 1.
    nesterov : bool
        Look ahead along the velocity. Without momentum it changes nothing.
    weight_decay : float
        Rate of decoupled decay, at least zero, of weights and biases alike.

    Raises
    ------
    TypeError, ValueError
        If a number is not a number or out of its range; the message names it.

    References
    ----------
    Polyak, "Some methods of speeding up the convergence of iteration methods", 1964 (momentum).
    Sutskever, Martens, Dahl, Hinton, "On the importance of initialization and momentum in deep learning", 2013
    (Nesterov's momentum in networks). Loshchilov, Hutter, "Decoupled weight decay regularization", 2019.

    Examples
    --------
    >>> SGD(learning_rate=0.1, momentum=0.9).n_states
    1
    >>> SGD(learning_rate=-1)
    Traceback (most recent call last):
    ValueError: learning_rate must be a finite number of at least 0, not -1
    """

    learning_rate: float = 0.01
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "learning_rate", number("learning_rate", self.learning_rate, at_least=0))
        object.__setattr__(self, "momentum", number("momentum", self.momentum, at_least=0, below=1))
        object.__setattr__(self, "weight_decay", number("weight_decay", self.weight_decay, at_least=0))
        if not isinstance(self.nesterov, bool):
            given = f"{self.nesterov!r} of type {type(self.nesterov).__name__}"
            raise TypeError(f"nesterov must be True or False, not {given}")

    @property
    def code(self) -> int:
        """0 plain, 1 momentum, 2 Nesterov; a momentum of zero is plain."""
        if self.momentum == 0:
            return 0
        return 2 if self.nesterov else 1

    @property
    def n_states(self) -> int:
        """1 with momentum (the velocity), else 0."""
        return 0 if self.momentum == 0 else 1
