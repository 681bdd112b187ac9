"""CSV and Parquet through pyarrow, as NumPy columns."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import missing_extra


def read_table(path: Path) -> dict[str, np.ndarray]:
    """Read a table.

    Parameters
    ----------
    path : Path
        ``.parquet``, or text with the names in the first line, separated by comma, semicolon or tab, plain or gzip.

    Returns
    -------
    dict of str to ndarray
        Columns ``(rows,)`` in the file's order: bool, integers, floats, or text as objects. A missing number is NaN.

    Raises
    ------
    ValueError
        If the file is damaged, rows are of different lengths, the first line looks like data, a name comes twice, text
        is missing, or a column holds what a network cannot be given (dates, lists).
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
    return {name: _column(name, table.column(name), pa) for name in names}


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
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_decimal(column.type):
        column = column.cast(pa.float64())
    kinds = pa.types
    text = kinds.is_string(column.type) or kinds.is_large_string(column.type)
    if not (text or any(is_a(column.type) for is_a in (kinds.is_boolean, kinds.is_integer, kinds.is_floating))):
        hint = "it is empty" if pa.types.is_null(column.type) else "numbers, booleans or text are wanted"
        raise ValueError(f"column {name!r} is of type {column.type}: {hint}; leave it out with --ignore {name}")
    if column.null_count and (text or kinds.is_boolean(column.type)):
        raise ValueError(f"column {name!r} lacks {column.null_count} values: fill them in or leave these rows out")
    # integers with gaps become floats with NaN; preparing the rows names them
    return np.asarray(column.to_numpy())
