"""Checks of the arguments that describe a network or a training: one wording for every message."""

import math
from collections.abc import Iterable
from numbers import Real

__all__ = ["choice", "number"]


def number(
    name: str,
    value: object,
    *,
    at_least: float | None = None,
    above: float | None = None,
    below: float | None = None,
) -> float:
    """Return a finite real number within bounds as a Python float.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    value : object
        What was given. Booleans are not numbers here.
    at_least, above, below : float, optional
        Bounds: ``at_least <= value``, ``above < value``, ``value < below``.

    Raises
    ------
    TypeError
        If `value` is not a real number.
    ValueError
        If it is not finite or outside the bounds.

    Examples
    --------
    >>> number("momentum", 0.9, at_least=0, below=1)
    0.9
    >>> number("momentum", 1, at_least=0, below=1)
    Traceback (most recent call last):
    ValueError: momentum must be a finite number of at least 0 and below 1, not 1
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, not {value!r} of type {type(value).__name__}")
    given = float(value)
    inside = (
        math.isfinite(given)
        and (at_least is None or given >= at_least)
        and (above is None or given > above)
        and (below is None or given < below)
    )
    if not inside:
        bounds = [
            f"{word} {bound:g}"
            for word, bound in (("of at least", at_least), ("above", above), ("below", below))
            if bound is not None
        ]
        wanted = " ".join(["a finite number", " and ".join(bounds)]).strip()
        raise ValueError(f"{name} must be {wanted}, not {value}")
    return given


def choice(name: str, value: object, known: Iterable[str]) -> str:
    """Return `value` if it is one of the known names.

    Raises
    ------
    TypeError
        If `value` is not a string.
    ValueError
        If it is not known; the message lists the names that are.

    Examples
    --------
    >>> choice("reduction", "median", ("mean", "sum"))
    Traceback (most recent call last):
    ValueError: reduction 'median' is not known; choose one of: mean, sum
    """
    names = list(known)
    if not isinstance(value, str):
        given = f"{value!r} of type {type(value).__name__}"
        raise TypeError(f"{name} must be a name (one of: {', '.join(names)}), not {given}")
    if value not in names:
        raise ValueError(f"{name} {value!r} is not known; choose one of: {', '.join(names)}")
    return value
