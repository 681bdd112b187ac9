"""Columns by their kind: numbers, text, classes, and rows of all of them as one array."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import missing_extra

# Text of more different values is a name or a remark, not a category.
MOST_CATEGORIES = 1000


class Encoder:
    """Rows of columns as one float64 array: numbers as they are, text one-hot."""

    def __init__(self, columns: dict[str, np.ndarray], categories: dict[str, list[str]]) -> None:
        self.columns = columns
        self.one_hot = {name: _one_hot(known) for name, known in categories.items()}

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Return these rows, ``(rows, inputs)`` float64, newly made."""
        parts = []
        for name, column in self.columns.items():
            if name in self.one_hot:
                parts.append(self.one_hot[name].transform(as_text(name, column[rows], rows)[:, None]))
            else:
                parts.append(as_numbers(name, column[rows], rows))
        return np.concatenate(parts, axis=1)


def class_values(name: str, target: np.ndarray) -> np.ndarray:
    """Classes in one of the kinds that JSON knows: text, booleans, whole numbers, numbers."""
    if target.ndim != 1:
        raise ValueError(f"classes must be one column, the target {name!r} has shape {target.shape}")
    if is_text(target):
        return as_text(name, target)
    if target.dtype.kind == "f":
        return as_numbers(name, target)[:, 0]
    return target if target.dtype.kind == "b" else target.astype(np.int64)


def categories_of(name: str, column: np.ndarray) -> list[str]:
    """Return the different values of a column of text, sorted, unless they are too many to be categories."""
    values = np.unique(as_text(name, column)).tolist()
    if len(values) > MOST_CATEGORIES or 10 < len(values) == len(column):
        raise ValueError(
            f"column {name!r} is text of {len(values):,} different values, too many for categories; "
            f"leave it out with --ignore {name}"
        )
    return values


def as_numbers(name: str, column: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
    """Return ``(rows, width)`` float64, all finite; `rows` are their places in the data, for the message."""
    if is_text(column):
        raise ValueError(f"{name!r} holds text ({column[0]!r}, …), numbers are wanted")
    numbers = column.reshape(len(column), -1).astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(numbers).all(axis=1))
    if len(bad):
        raise ValueError(
            f"{name!r} lacks a number or holds an infinite one, in row {_row(bad[0], rows)} (the first row is 0)"
        )
    return numbers


def as_text(name: str, column: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
    """Return a column of text as ``(rows,)`` strings, none missing; `rows` as for `as_numbers`."""
    missing = [place for place, value in enumerate(column) if value is None]
    if missing:
        raise ValueError(f"{name!r} lacks text, in row {_row(missing[0], rows)} (the first row is 0)")
    return column.astype(str)


def is_text(column: np.ndarray) -> bool:
    """Tell whether a column holds text."""
    return column.dtype.kind in "UO"


def width_of(column: np.ndarray) -> int:
    """Return how many numbers a row of a column or block has."""
    return 1 if column.ndim == 1 else column.shape[1]


def _row(place: int, rows: np.ndarray | None) -> int:
    """Return the row of the data that a place among the chosen ones stands for."""
    return place if rows is None else int(rows[place])


def _one_hot(known: list[str]) -> Any:
    try:
        from sklearn.preprocessing import OneHotEncoder
    except ModuleNotFoundError as error:
        raise missing_extra("cli", "scikit-learn", "columns of text") from error
    encoder = OneHotEncoder(categories=[np.asarray(known)], handle_unknown="ignore", sparse_output=False)
    return encoder.fit(np.asarray(known)[:, None])
