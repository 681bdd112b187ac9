"""The losses as objects, and their choice by name.

With predictions ``p`` and targets ``y`` of `rows` x `outputs`:

=========================  ====  ============================================  ==========================
object                     code  sum over                                      ``reduction="mean"`` over
=========================  ====  ============================================  ==========================
`SquaredError`             0     ``scale * (p - y)**2``                        rows * outputs
`CrossEntropy`             1     ``-y * log(p)``                               rows
`BinaryCrossEntropy`       2     ``-y * log(p) - (1 - y) * log(1 - p)``        rows * outputs
=========================  ====  ============================================  ==========================

A term with a factor ``y`` or ``1 - y`` of zero is zero, whatever its logarithm. Softmax with `CrossEntropy` and sigmoid
with `BinaryCrossEntropy` are computed from the logits in closed form, and stay finite where ``log(p)`` would not.
"""

from dataclasses import dataclass
from typing import ClassVar

from .._arguments import choice, number

__all__ = ["BinaryCrossEntropy", "CrossEntropy", "LOSSES", "Loss", "REDUCTIONS", "SquaredError", "resolve"]

REDUCTIONS = ("mean", "sum")


@dataclass(frozen=True)
class SquaredError:
    """Squared error, ``scale * (p - y)**2``.

    Parameters
    ----------
    reduction : {"mean", "sum"}
        Mean over rows and outputs, or the sum over both.
    scale : float
        Factor of every square, above zero. Half the summed squared error is ``SquaredError("sum", 0.5)``.

    Examples
    --------
    >>> SquaredError(reduction="sum", scale=0.5)
    SquaredError(reduction='sum', scale=0.5)
    """

    reduction: str = "mean"
    scale: float = 1.0
    code: ClassVar[int] = 0
    name: ClassVar[str] = "squared_error"

    def __post_init__(self) -> None:
        choice("reduction", self.reduction, REDUCTIONS)
        object.__setattr__(self, "scale", number("scale", self.scale, above=0))


@dataclass(frozen=True)
class CrossEntropy:
    """Cross entropy of each row's classes, ``-sum(y * log(p))``.

    Targets are integer labels ``(rows,)`` from 0, or probabilities ``(rows, outputs)``.

    Parameters
    ----------
    reduction : {"mean", "sum"}
        Mean over the rows, or the sum over them.

    Examples
    --------
    >>> CrossEntropy().name
    'cross_entropy'
    """

    reduction: str = "mean"
    code: ClassVar[int] = 1
    name: ClassVar[str] = "cross_entropy"
    scale: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        choice("reduction", self.reduction, REDUCTIONS)


@dataclass(frozen=True)
class BinaryCrossEntropy:
    """Cross entropy of independent yes-or-no outputs, ``-y * log(p) - (1 - y) * log(1 - p)``.

    Parameters
    ----------
    reduction : {"mean", "sum"}
        Mean over rows and outputs, or the sum over both.

    Examples
    --------
    >>> BinaryCrossEntropy(reduction="sum").reduction
    'sum'
    """

    reduction: str = "mean"
    code: ClassVar[int] = 2
    name: ClassVar[str] = "binary_cross_entropy"
    scale: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        choice("reduction", self.reduction, REDUCTIONS)


Loss = SquaredError | CrossEntropy | BinaryCrossEntropy

LOSSES: dict[str, type[Loss]] = {kind.name: kind for kind in (SquaredError, CrossEntropy, BinaryCrossEntropy)}
"""The loss classes by name."""

_AUTO: dict[str, type[Loss]] = {"softmax": CrossEntropy, "sigmoid": BinaryCrossEntropy}


def resolve(loss: object, output: str) -> Loss:
    """Return the loss object that a name, ``"auto"`` or an object stands for.

    Parameters
    ----------
    loss : str or loss object
        A name of `LOSSES`; ``"auto"`` for cross entropy at a softmax output, binary cross entropy at a sigmoid
        output and squared error at any other; or a loss object, returned as it is.
    output : str
        Activation of the output layer; only ``"auto"`` looks at it.

    Raises
    ------
    ValueError
        If the name is not known; the message lists the known ones.
    TypeError
        If `loss` is neither a name nor a loss object.

    Examples
    --------
    >>> resolve("auto", "softmax")
    CrossEntropy(reduction='mean')
    >>> resolve("hinge", "identity")
    Traceback (most recent call last):
    ValueError: loss 'hinge' is not known; choose one of: auto, squared_error, cross_entropy, binary_cross_entropy
    """
    if isinstance(loss, Loss):
        return loss
    if isinstance(loss, str):
        name = choice("loss", loss, ("auto", *LOSSES))
        return _AUTO.get(output, SquaredError)() if name == "auto" else LOSSES[name]()
    raise TypeError(
        f"loss must be a name ({', '.join(('auto', *LOSSES))}) or an object such as "
        f"fastff.losses.SquaredError(), not {loss!r} of type {type(loss).__name__}"
    )
