"""Adam, with decoupled weight decay."""

from dataclasses import dataclass

from .._arguments import number

__all__ = ["Adam"]


@dataclass(frozen=True)
class Adam:
    """Adaptive moments.

    With parameters ``w``, their gradient ``g`` and moments ``m``, ``u`` (zero at the start), step ``t`` = 1, 2... is::

        m = beta1 * m + (1 - beta1) * g
        u = beta2 * u + (1 - beta2) * g**2
        m_hat = m / (1 - beta1**t)
        u_hat = u / (1 - beta2**t)
        w = w * (1 - learning_rate * weight_decay) - learning_rate * m_hat / (sqrt(u_hat) + epsilon)

    Parameters
    ----------
    learning_rate : float
        At least zero.
    beta1, beta2 : float
        Share of each moment that is kept, from 0 to below 1.
    epsilon : float
        Above zero; bounds the step where the gradient has been tiny.
    weight_decay : float
        Rate of decoupled decay, as AdamW's, at least zero, of weights and biases alike.

    Raises
    ------
    TypeError, ValueError
        If a number is not a number or out of its range; the message names it.

    References
    ----------
    Kingma, Ba, "Adam: a method for stochastic optimization", 2015.
    Loshchilov, Hutter, "Decoupled weight decay regularization", 2019.

    Examples
    --------
    >>> Adam(learning_rate=3e-4).beta2
    0.999
    """

    learning_rate: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "learning_rate", number("learning_rate", self.learning_rate, at_least=0))
        object.__setattr__(self, "beta1", number("beta1", self.beta1, at_least=0, below=1))
        object.__setattr__(self, "beta2", number("beta2", self.beta2, at_least=0, below=1))
        object.__setattr__(self, "epsilon", number("epsilon", self.epsilon, above=0))
        object.__setattr__(self, "weight_decay", number("weight_decay", self.weight_decay, at_least=0))

    @property
    def code(self) -> int:
        """3."""
        return 3

    @property
    def n_states(self) -> int:
        """2: the first and the second moment."""
        return 2
