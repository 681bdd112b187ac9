"""What a network is, as data: widths, activations, and where each layer lies in the flat parameter vector."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .._arguments import choice
from ..ops.activations import ACTIVATIONS, OUTPUTS
from .arguments import integer

__all__ = ["DTYPES", "Plan", "make_plan"]

DTYPES = ("float32", "float64")

# Parameters start where a cache line does, so that vectors of a first layer with an even width never straddle two.
_ALIGNMENT = 64


@dataclass(frozen=True)
class Plan:
    """Shape of a network, and the layout of its parameters: ``W1, b1, W2, b2, ...``, each ``W`` in C order.

    Parameters
    ----------
    sizes : tuple of int
        Widths, the input's first.
    activations : tuple of str
        One name a layer, the output's last.
    bias : bool
        Whether layers have biases.
    dtype : numpy.dtype
        float32 or float64.

    Examples
    --------
    >>> plan = Plan((3, 4, 1), ("relu", "identity"), True, np.dtype("float32"))
    >>> plan.n_parameters
    21
    >>> [weight.shape for weight in plan.weights(plan.empty())]
    [(3, 4), (4, 1)]
    """

    sizes: tuple[int, ...]
    activations: tuple[str, ...]
    bias: bool
    dtype: np.dtype

    @property
    def n_inputs(self) -> int:
        """Width of the input."""
        return self.sizes[0]

    @property
    def n_outputs(self) -> int:
        """Width of the output."""
        return self.sizes[-1]

    @property
    def n_layers(self) -> int:
        """Number of layers that have weights."""
        return len(self.activations)

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """Place of each layer's weights in the flat vector; last its length. The biases follow the weights."""
        places = [0]
        for fan_in, fan_out in zip(self.sizes, self.sizes[1:]):
            places.append(places[-1] + (fan_in + self.bias) * fan_out)
        return tuple(places)

    @property
    def n_parameters(self) -> int:
        """Length of the flat vector."""
        return self.offsets[-1]

    def weights(self, flat: np.ndarray, /) -> list[np.ndarray]:
        """Return views of each layer's weights, ``(in, out)``."""
        shapes = zip(self.offsets, self.sizes, self.sizes[1:])
        return [flat[start : start + rows * columns].reshape(rows, columns) for start, rows, columns in shapes]

    def biases(self, flat: np.ndarray, /) -> list[np.ndarray]:
        """Return views of each layer's biases, ``(out,)``; an empty list without biases."""
        if not self.bias:
            return []
        return [flat[end - width : end] for end, width in zip(self.offsets[1:], self.sizes[1:])]

    def empty(self) -> np.ndarray:
        """Return a new flat vector, aligned to a cache line, its values not set."""
        n_bytes = self.n_parameters * self.dtype.itemsize
        memory = np.empty(n_bytes + _ALIGNMENT, np.uint8)
        start = -memory.ctypes.data % _ALIGNMENT
        return memory[start : start + n_bytes].view(self.dtype)


def make_plan(sizes: Iterable[int], activation: str | Iterable[str], output: str, bias: bool, dtype: object) -> Plan:
    """Check the arguments that describe a network and return its plan.

    Parameters
    ----------
    sizes : iterable of int
        At least two widths, the input's first.
    activation : str or iterable of str
        One name for all hidden layers, or one each.
    output : str
        Activation of the last layer.
    bias : bool
        Whether layers have biases.
    dtype : dtype-like
        float32 or float64.

    Raises
    ------
    ValueError, TypeError
        If one of them is not as above; the message names it and lists the known names.

    Examples
    --------
    >>> make_plan((3, 4), "relu", "sofmax", True, "float32")
    Traceback (most recent call last):
    ValueError: output 'sofmax' is not known; choose one of: identity, relu, leaky_relu, sigmoid, tanh, ...
    """
    widths = _widths(sizes)
    n_hidden = len(widths) - 2
    names = [activation] * n_hidden if isinstance(activation, str) else list(activation)
    if isinstance(activation, str):
        choice("activation", activation, ACTIVATIONS)  # also where there is no hidden layer
    if len(names) != n_hidden:
        raise ValueError(
            f"activation must be one name, or one for each of the {n_hidden} hidden layers; got {len(names)}"
        )
    hidden = [choice("activation", name, ACTIVATIONS) for name in names]
    if not isinstance(bias, (bool, np.bool_)):
        raise TypeError(f"bias must be True or False, not {bias!r} of type {type(bias).__name__}")
    return Plan(widths, (*hidden, choice("output", output, OUTPUTS)), bool(bias), _dtype(dtype))


def _widths(sizes: Iterable[int]) -> tuple[int, ...]:
    wanted = "sizes must be the layers' widths, input first, such as (784, 128, 10)"
    if isinstance(sizes, (str, bytes)) or not isinstance(sizes, Iterable):
        raise TypeError(f"{wanted}, not {sizes!r} of type {type(sizes).__name__}")
    widths = tuple(integer(f"sizes[{place}]", size, 1) for place, size in enumerate(sizes))
    if len(widths) < 2:
        raise ValueError(f"{wanted}: at least two, not {widths}")
    return widths


def _dtype(dtype: object) -> np.dtype:
    try:
        found = np.dtype(dtype)  # type: ignore[call-overload]
    except TypeError:
        found = None
    if dtype is None or found is None or found.name not in DTYPES or not found.isnative:
        raise ValueError(f"dtype must be 'float32' or 'float64', not {dtype!r}")
    return found
