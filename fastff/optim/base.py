"""What the training loop asks of an update rule."""

from typing import Protocol, runtime_checkable

__all__ = ["Optimizer", "resolve"]


@runtime_checkable
class Optimizer(Protocol):
    """An update rule: its numbers, and how much state it keeps between the steps.

    Optimizers are immutable descriptions. What a rule remembers, such as a velocity, belongs to the training
    that uses it, so one object may serve several networks.
    """

    @property
    def code(self) -> int:
        """The rule, as compiled code knows it: 0 plain SGD, 1 momentum, 2 Nesterov, 3 Adam."""

    @property
    def n_states(self) -> int:
        """Number of state arrays of the parameters' size: velocity, or first and second moment."""

    @property
    def learning_rate(self) -> float:
        """Factor of the step."""

    @property
    def weight_decay(self) -> float:
        """Rate of decoupled decay: parameters shrink by the factor ``1 - learning_rate * weight_decay`` a step."""


def resolve(optimizer: object) -> Optimizer:
    """Return `optimizer` if it is an optimizer object.

    Raises
    ------
    TypeError
        If it is anything else, a name or a class included; the message says what to write.

    Examples
    --------
    >>> resolve("adam")
    Traceback (most recent call last):
    TypeError: optimizer must be an object, fastff.SGD(learning_rate=0.01) or fastff.Adam(), not 'adam' of type str
    """
    if isinstance(optimizer, type) or not isinstance(optimizer, Optimizer):
        raise TypeError(
            "optimizer must be an object, fastff.SGD(learning_rate=0.01) or fastff.Adam(), "
            f"not {optimizer!r} of type {type(optimizer).__name__}"
        )
    return optimizer
