"""Tables and images as columns: CSV, Parquet, NPZ, and the IDX files of MNIST."""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from .idx import is_idx, read_idx
from .table import read_table

KINDS = "CSV (.csv, .tsv, .csv.gz), Parquet (.parquet), NPZ (.npz), or a folder of MNIST's IDX files"


@dataclass(frozen=True)
class Data:
    """Rows of named features, with what is to be predicted where that is known.

    Attributes
    ----------
    features : dict of str to ndarray
        Columns ``(rows,)`` of numbers, booleans or text, and blocks ``(rows, width)`` of numbers, in the file's order.
    target : ndarray or None
        ``(rows,)``, or ``(rows, outputs)`` of numbers.
    target_name : str
        The target's name, ``""`` where there is none.
    held_out : Data or None
        Rows that the data set itself keeps for testing.
    """

    features: dict[str, np.ndarray]
    target: np.ndarray | None = None
    target_name: str = ""
    held_out: Data | None = None

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(next(iter(self.features.values())))


def read_data(
    path: str | os.PathLike[str],
    target: str | None = None,
    ignore: Collection[str] = (),
    only: Collection[str] | None = None,
    supervised: bool = False,
) -> Data:
    r"""Read a table or a set of images.

    Parameters
    ----------
    path : path-like
        A CSV (first line: names), Parquet or NPZ file, one IDX file, or a folder of MNIST's files. An NPZ holds
        arrays of equally many rows, or pairs ``x_train, y_train, x_test, y_test``.
    target : str, optional
        The column or array to be predicted. NPZ: ``y`` where it is there; IDX: the labels. None: none.
    ignore : collection of str
        Columns that are not features.
    only : collection of str, optional
        Columns to read where they are there; all where not given.
    supervised : bool
        Whether data without a target are of no use, and an error.

    Returns
    -------
    Data
        With at least one row and one feature.

    Raises
    ------
    ValueError
        If the file is of no known kind, damaged or empty, or a name is not in it.
    OSError
        If it cannot be read.
    ModuleNotFoundError
        If CSV or Parquet is read without pyarrow; the message names the extra.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "scores.csv"
    ...     _ = path.write_text("hours,day,grade\n1,mon,2\n3,tue,5\n")
    ...     data = read_data(path, target="grade")
    >>> list(data.features), data.target
    (['hours', 'day'], array([2, 5]))
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder")
    suffixes = path.name.lower().split(".")[1:]

    def choose(names: list[str]) -> list[str]:
        return _chosen(names, ignore, only)

    def choose_of_table(names: list[str]) -> list[str]:
        if target not in names and (supervised or target is not None):
            raise _no_target(target, names)
        return choose(names)

    if path.is_dir():
        data = _select(_folder(path), choose)
    elif is_idx(path):
        data = _select(Data({"pixels": _rows_of_numbers(read_idx(path), str(path))}), choose)
    elif suffixes[-1:] == ["npz"]:
        data = _select(_npz(path, target), choose)
    elif suffixes[-1:] == ["parquet"] or {"csv", "tsv", "txt"} & set(suffixes):
        # columns that are not wanted may hold anything, so they are not even converted
        data = _split(read_table(path, choose_of_table), target)
    else:
        raise ValueError(f"{path}: no known kind of data; fastff reads {KINDS}")
    if supervised and data.target is None:
        raise _no_target(target, data.features)
    if target is not None and data.target_name != target:
        raise ValueError(f"{path}: the target of these files is {data.target_name!r}, not {target!r}")
    if not data.features or data.rows == 0:
        raise ValueError(f"{path}: there are no {'rows' if data.features else 'features'} in it")
    return data


def _chosen(names: list[str], ignore: Collection[str], only: Collection[str] | None) -> list[str]:
    for name in ignore:
        if name not in names:
            raise ValueError(f"cannot ignore {name!r}: no such column; there are {_listed(names)}")
    return [name for name in names if name not in ignore and (only is None or name in only)]


def _no_target(target: str | None, names: Collection[str]) -> ValueError:
    wrong = "no target is named, say --target NAME" if target is None else f"there is no column {target!r}"
    return ValueError(f"{wrong}; there are {_listed(names)}")


def _select(data: Data, choose: Callable[[list[str]], list[str]]) -> Data:
    kept = {name: data.features[name] for name in choose(list(data.features))}
    return replace(data, features=kept, held_out=data.held_out and _select(data.held_out, choose))


def _split(columns: dict[str, np.ndarray], target: str | None) -> Data:
    """Take the target out of the columns."""
    if target is None:
        return Data(columns)
    if target not in columns:
        raise _no_target(target, columns)
    rest = {name: column for name, column in columns.items() if name != target}
    return Data(rest, columns[target], target)


def _folder(path: Path) -> Data:
    """MNIST and its relatives: images and labels to train on, and where they are there, others for testing."""
    parts = []
    for name in ("train", "t10k", "test"):
        found = [_one(path, f"*{name}-{kind}") for kind in ("images", "labels")]
        if found[0] and found[1]:
            images, labels = (read_idx(file) for file in found if file)
            if labels.ndim != 1 or len(labels) != len(images):
                raise ValueError(f"{path}: {len(images)} images but labels of shape {labels.shape} ({name})")
            parts.append(Data({"pixels": _rows_of_numbers(images, name)}, labels, "label"))
    if not parts:
        raise ValueError(f"{path}: no IDX files in this folder, such as train-images-idx3-ubyte.gz and its labels")
    first = parts[0]
    return Data(first.features, first.target, "label", parts[1] if len(parts) > 1 else None)


def _one(folder: Path, pattern: str) -> Path | None:
    """Return the one IDX file of a name, the unpacked one where both are there."""
    found = sorted(file for file in folder.glob(f"{pattern}*") if is_idx(file))
    if len({file.name.removesuffix(".gz") for file in found}) > 1:
        raise ValueError(f"{folder}: more than one file is called {pattern}: {', '.join(f.name for f in found)}")
    return found[0] if found else None


def _npz(path: Path, target: str | None) -> Data:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: cannot be read as NPZ ({error})") from error
    ends = ("_train", "_test")
    if arrays and all(name.endswith(ends) for name in arrays):
        if target is None and "y_train" in arrays:
            target = "y"
        both = [
            _arrays({name.removesuffix(end): a for name, a in arrays.items() if name.endswith(end)}, target, path)
            for end in ends
        ]
        return Data(both[0].features, both[0].target, both[0].target_name, both[1])
    return _arrays(arrays, "y" if target is None and "y" in arrays else target, path)


def _arrays(arrays: dict[str, np.ndarray], target: str | None, path: Path) -> Data:
    lengths = {name: array.shape[0] if array.ndim else None for name, array in arrays.items()}
    if None in lengths.values() or len(set(lengths.values())) > 1:
        raise ValueError(f"{path}: arrays of different numbers of rows: {lengths}")
    return _split({name: _rows_of_numbers(array, name) for name, array in arrays.items()}, target)


def _rows_of_numbers(array: np.ndarray, name: str) -> np.ndarray:
    """Images and other blocks as ``(rows, width)``; columns as they are, text of one width included."""
    if array.dtype.kind not in "biufU" or (array.dtype.kind == "U" and array.ndim > 1):
        raise ValueError(f"{name!r} holds {array.dtype} of shape {array.shape}; numbers or a column of text are wanted")
    return array if array.ndim <= 1 else array.reshape(len(array), math.prod(array.shape[1:]))


def _listed(names: Collection[str], most: int = 12) -> str:
    shown = ", ".join(list(names)[:most])
    return shown if len(names) <= most else f"{shown}, … ({len(names)} in all)"
