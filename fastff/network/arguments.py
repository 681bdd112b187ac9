"""Checks of arguments that are neither plain numbers nor names: integers and random states."""

from __future__ import annotations

import operator

import numpy as np

__all__ = ["generator", "integer"]


def integer(name: str, value: object, at_least: int) -> int:
    """Return `value` as a Python int.

    Raises
    ------
    TypeError
        If it is not an integer; a float with an integral value is not, nor is True.
    ValueError
        If it is below `at_least`.

    Examples
    --------
    >>> integer("epochs", -1, 0)
    Traceback (most recent call last):
    ValueError: epochs must be at least 0, not -1
    """
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise TypeError(f"{name} must be an integer, not {value!r} of type {type(value).__name__}")
    if number < at_least:
        raise ValueError(f"{name} must be at least {at_least}, not {number}")
    return number


def generator(random_state: object) -> np.random.Generator:
    """Return the random numbers that a ``random_state`` stands for.

    Parameters
    ----------
    random_state : int, None, numpy.random.Generator or SeedSequence
        A seed of at least 0; None for numbers that differ each time; a generator is used as it is, and goes on.

    Raises
    ------
    TypeError, ValueError
        If it is anything else.

    Examples
    --------
    >>> generator(0).integers(100)
    np.int64(85)
    """
    try:
        return np.random.default_rng(random_state)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        wanted = "random_state must be an integer of at least 0, None or a numpy.random.Generator"
        raise type(error)(f"{wanted}, not {random_state!r}") from None
