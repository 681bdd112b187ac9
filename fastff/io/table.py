"""CSV and Parquet through pyarrow, as NumPy columns."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import missing_extra


def read_table(path: Path, choose: Callable[[list[str]], list[str]]) -> dict[str, np.ndarray]:
    """Read a table.

    Parameters
    ----------
    path : Path
        ``.parquet``, or text with the names in the first line, separated by comma, semicolon or tab, plain or gzip.
    choose : function
        Given the names of all columns, returns those wanted; the others may hold anything.

    Returns
    -------
    dict of str to ndarray
        Columns ``(rows,)``: bool, integers, floats, or text as objects. What is missing is NaN, None in text.

    Raises
    ------
    ValueError
        If the file is damaged, rows are of different lengths, the first line looks like data, a name comes twice, or
        a column wanted holds what a network cannot be given (dates, lists).
    ModuleNotFoundError
        If pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        from pyarrow import csv, parquet
    except ModuleNotFoundError as error:
        raise missing_extra("cli", "pyarrow", "reading tables") from error
    try:
        if path.suffix.lower() == ".parquet":
            table = parquet.read_table(path)
        else:
            separator = _separator(path)
            table = csv.read_csv(path, parse_options=csv.ParseOptions(delimiter=separator))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, gzip.BadGzipFile, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: {' '.join(str(error).split())}") from error
    names = table.column_names
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{path}: column {twice[0]!r} comes more than once")
    if path.suffix.lower() != ".parquet" and names and all(_is_number(name) for name in names):
        raise ValueError(f"{path}: the first line must hold the columns' names, and looks like data: {names[0]}, …")
    return {name: _column(name, table.column(name), pa) for name in choose(names)}


def _separator(path: Path) -> str:
    """Return the most frequent of the usual separators in the first line."""
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else open(path, encoding="utf-8") as file:
        first = file.readline(1 << 20)
    return max(",;\t", key=first.count)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _column(name: str, column: Any, pa: Any) -> np.ndarray:
    kinds = pa.types
    if kinds.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    # a truth that is missing has to be NaN, and a column without any value is all of that
    gaps = kinds.is_boolean(column.type) and column.null_count
    if kinds.is_decimal(column.type) or kinds.is_null(column.type) or gaps:
        column = column.cast(pa.float64())
    known = (kinds.is_string, kinds.is_large_string, kinds.is_boolean, kinds.is_integer, kinds.is_floating)
    if not any(is_a(column.type) for is_a in known):
        raise ValueError(
            f"column {name!r} is of type {column.type}; numbers, booleans or text are wanted: "
            f"leave it out with --ignore {name}"
        )
    return np.asarray(column.to_numpy())
