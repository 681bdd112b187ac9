"""Initialisers: what the weights are before the first step.

Each is an object and has a name; the name stands for the object with its defaults::

    ff.Network((784, 128, 10), init="xavier_normal")
    ff.Network((784, 128, 10), init=ff.init.XavierNormal(gain=5 / 3))

``"auto"`` takes `KaimingNormal` for a layer whose own activation is of the ReLU family (relu, leaky_relu, elu, gelu,
silu, softplus) and `XavierUniform` for any other. Biases start at zero, unless a list of arrays gives them. Numbers are
drawn in float64 and rounded to the network's dtype, so both dtypes start from the same numbers.

References
----------
Glorot, Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010 (Xavier).
He, Zhang, Ren, Sun, "Delving deep into rectifiers", 2015 (Kaiming).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Protocol

import numpy as np

from ._arguments import choice, number
from .ops.activations import RELU_FAMILY

__all__ = [
    "INITIALISERS",
    "Constant",
    "Initialiser",
    "KaimingNormal",
    "KaimingUniform",
    "Normal",
    "Ones",
    "Uniform",
    "XavierNormal",
    "XavierUniform",
    "Zeros",
    "initialise",
]


class Initialiser(Protocol):
    """A rule for the weights of one layer: any such callable can be given as ``init``."""

    def __call__(self, rng: np.random.Generator, fan_in: int, fan_out: int) -> np.ndarray:
        """Return the weights of one layer, ``(fan_in, fan_out)`` float64."""


@dataclass(frozen=True)
class Constant:
    """Every weight is `value`; ``init=0.25`` means ``Constant(0.25)``."""

    value: float = 0.1

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", number("value", self.value))

    def __call__(self, rng: np.random.Generator, fan_in: int, fan_out: int) -> np.ndarray:
        """Draw the weights of one layer."""
        return np.full((fan_in, fan_out), self.value)


@dataclass(frozen=True)
class Zeros:
    """Every weight is 0. All units of a layer then stay equal: of use for a single layer."""

    def __call__(self, rng: np.random.Generator, fan_in: int, fan_out: int) -> np.ndarray:
        """Draw the weights of one layer."""
        return np.zeros((fan_in, fan_out))


@dataclass(frozen=True)
class Ones:
    """Every weight is 1."""

    def __call__(self, rng: np.random.Generator, fan_in: int, fan_out: int) -> np.ndarray:
        """Draw the weights of one layer."""
        return np.ones((fan_in, fan_out))


@dataclass(frozen=True)
class Uniform:
    """Uniform from `low` to `high`, both or neither given; without them ±1/sqrt(fan_in).

    Examples
    --------
    >>> Uniform()(np.random.default_rng(0), 4, 1).shape
    (4, 1)
    >>> Uniform(0.5, -0.5)
    Traceback (most recent call last):
    ValueError: high must be a finite number above 0.5, not -0.5
    """

    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        if self.low is None and self.high is None:
            return
        if self.low is None or self.high is None:
            raise ValueError(f"low and high must be given together, not low={self.low} and high={self.high}")
        object.__setattr__(self, "low", number("low", self.low))
        object.__setattr__(self, "high", number("high", self.high, above=self.low))

    def __call__(self, rng: np.random.Generator, fan_in: int, fan_out: int) -> np.ndarray:
        """Draw the weights of one layer."""
        limit = 1 / math.sqrt(fan_in)
        low, high = (-limit, limit) if self.low is None or self.high is None else (self.low, self.high)
        return rng.uniform(low, high, (fan_in, fan_out))


@dataclass(frozen=True)
class Normal:
    """Normal with `mean` and standard deviation `std`, the standard normal by default."""

    mean: float = 0.0
    std: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", number("mean", self.mean))
        object.__setattr__(self, "std", number("std", self.std, at_least=0))

    def __call__(self, rng: np.random.Generator, fan_in: int, fan_out: int) -> np.ndarray:
        """Draw the weights of one layer."""
        return rng.normal(self.mean, self.std, (fan_in, fan_out))


@dataclass(frozen=True)
class _Gain:
    """What the variance-keeping initialisers share: a positive factor of the standard deviation."""

    gain: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "gain", number("gain", self.gain, above=0))


@dataclass(frozen=True)
class KaimingUniform(_Gain):
    """Uniform within ±gain * sqrt(3 / fan_in): ±sqrt(6 / fan_in) by default (He 2015)."""

    gain: float = math.sqrt(2)

    def __call__(self, rng: np.random.Generator, fan_in: int, fan_out: int) -> np.ndarray:
        """Draw the weights of one layer."""
        limit = self.gain * math.sqrt(3 / fan_in)
        return rng.uniform(-limit, limit, (fan_in, fan_out))


@dataclass(frozen=True)
class KaimingNormal(_Gain):
    """Normal with mean 0 and std gain / sqrt(fan_in): sqrt(2 / fan_in) by default (He 2015)."""

    gain: float = math.sqrt(2)

    def __call__(self, rng: np.random.Generator, fan_in: int, fan_out: int) -> np.ndarray:
        """Draw the weights of one layer."""
        return rng.normal(0, self.gain / math.sqrt(fan_in), (fan_in, fan_out))


@dataclass(frozen=True)
class XavierUniform(_Gain):
    """Uniform within ±gain * sqrt(6 / (fan_in + fan_out)) (Glorot 2010)."""

    gain: float = 1.0

    def __call__(self, rng: np.random.Generator, fan_in: int, fan_out: int) -> np.ndarray:
        """Draw the weights of one layer."""
        limit = self.gain * math.sqrt(6 / (fan_in + fan_out))
        return rng.uniform(-limit, limit, (fan_in, fan_out))


@dataclass(frozen=True)
class XavierNormal(_Gain):
    """Normal with mean 0 and std gain * sqrt(2 / (fan_in + fan_out)) (Glorot 2010)."""

    gain: float = 1.0

    def __call__(self, rng: np.random.Generator, fan_in: int, fan_out: int) -> np.ndarray:
        """Draw the weights of one layer."""
        return rng.normal(0, self.gain * math.sqrt(2 / (fan_in + fan_out)), (fan_in, fan_out))


INITIALISERS: dict[str, Initialiser] = {
    "zeros": Zeros(),
    "ones": Ones(),
    "constant": Constant(),
    "uniform": Uniform(),
    "normal": Normal(),
    "kaiming_uniform": KaimingUniform(),
    "kaiming_normal": KaimingNormal(),
    "xavier_uniform": XavierUniform(),
    "xavier_normal": XavierNormal(),
}
"""The initialisers by name."""


class _Plan(Protocol):
    """What is asked of a network's plan."""

    @property
    def sizes(self) -> tuple[int, ...]: ...
    @property
    def activations(self) -> tuple[str, ...]: ...
    @property
    def dtype(self) -> np.dtype: ...
    @property
    def n_parameters(self) -> int: ...
    def weights(self, flat: np.ndarray, /) -> list[np.ndarray]: ...
    def biases(self, flat: np.ndarray, /) -> list[np.ndarray]: ...


def initialise(plan: _Plan, init: object, rng: np.random.Generator) -> np.ndarray:
    """Return the flat parameter vector that a network starts with.

    Parameters
    ----------
    plan : Plan
        Sizes, activations and dtype of the network, and its views into a flat vector.
    init : str, float, initialiser or sequence of arrays
        A name of `INITIALISERS` or ``"auto"``; a number, given to every weight; a callable
        ``init(rng, fan_in, fan_out)``, as all initialisers are; or arrays: all weights ``(in, out)`` in order, alone
        or with all biases ``(out,)``, which may follow the last weight or each its own. Arrays are copied.
    rng : numpy.random.Generator
        Where the numbers come from; layers are drawn in order.

    Returns
    -------
    ndarray of shape (n_parameters,) and the plan's dtype
        New, biases zero unless given.

    Raises
    ------
    ValueError
        Unknown name (the message lists the known ones), arrays of another number or shape, values that are not finite.
    TypeError
        Anything else.
    """
    flat = np.zeros(plan.n_parameters, plan.dtype)
    weights, biases = plan.weights(flat), plan.biases(flat)
    if isinstance(init, Sequence) and not isinstance(init, str):
        _fill(weights, biases, init)
        return flat
    for weight, activation in zip(weights, plan.activations, strict=True):
        values = _resolve(init, activation)(rng, *weight.shape)
        _assign(weight, values, "what init(rng, fan_in, fan_out) returned")
    return flat


def _resolve(init: object, activation: str) -> Initialiser:
    """Return the initialiser object for a layer with this activation."""
    if isinstance(init, str):
        name = choice("init", init, ("auto", *INITIALISERS))
        if name == "auto":
            name = "kaiming_normal" if activation in RELU_FAMILY else "xavier_uniform"
        return INITIALISERS[name]
    if isinstance(init, Real) and not isinstance(init, bool):
        return Constant(number("init", init))
    if callable(init) and not isinstance(init, type):
        return init
    raise TypeError(
        f"init must be a name ({', '.join(('auto', *INITIALISERS))}), a number, a list of arrays or an object such as "
        f"fastff.init.XavierNormal(), not {init!r} of type {type(init).__name__}"
    )


def _fill(weights: list[np.ndarray], biases: list[np.ndarray], arrays: Sequence[object]) -> None:
    """Copy arrays into the views: weights alone, weights then biases, or each weight with its bias."""
    count = len(weights)
    if len(arrays) == count:
        targets = [("weights", k, view) for k, view in enumerate(weights)]
    elif biases and len(arrays) == 2 * count:
        targets = [("weights", k, view) for k, view in enumerate(weights)]
        targets += [("biases", k, view) for k, view in enumerate(biases)]
        if np.ndim(arrays[1]) == 1:  # type: ignore[arg-type]
            targets = [pair for k in range(count) for pair in (targets[k], targets[count + k])]
    else:
        also = f", or {2 * count}: as many biases with them" if biases else " (the network has no biases)"
        raise ValueError(f"init must hold {count} weight arrays{also}; it holds {len(arrays)} arrays")
    for position, (values, (kind, k, view)) in enumerate(zip(arrays, targets, strict=True)):
        _assign(view, values, f"init[{position}], the network's {kind}[{k}],")


def _assign(view: np.ndarray, values: object, name: str) -> None:
    """Copy `values` into a view of the same shape, checked."""
    given = np.asarray(values)
    if given.dtype.kind not in "iuf":
        raise TypeError(f"{name} must be an array of real numbers, not of dtype {given.dtype}")
    if given.shape != view.shape:
        raise ValueError(f"{name} must have shape {view.shape}, not {given.shape}")
    with np.errstate(over="ignore"):
        view[...] = given
    if not np.isfinite(view).all():
        raise ValueError(f"{name} must be finite in {view.dtype}; it holds NaN, infinity or a number too large")
