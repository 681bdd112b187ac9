"""From a file to arrays: rows to train on, rows held out, and how both were made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import missing_extra
from ..io import Data, Preparation, prepare, read_data


@dataclass(frozen=True)
class Job:
    """What there is to learn.

    Attributes
    ----------
    x, y : ndarray
        Inputs ``(rows, inputs)`` and targets, encoded and scaled, to train on.
    x_scored, truth : ndarray
        Inputs and unencoded targets of the rows that tell how good the network is.
    held_out : bool
        Whether these are other rows than those trained on.
    preparation : Preparation
        How all of them were made.
    """

    x: np.ndarray
    y: np.ndarray
    x_scored: np.ndarray
    truth: np.ndarray
    held_out: bool
    preparation: Preparation


def read_job(
    path: Path | None,
    target: str | None,
    task: str | None,
    ignore: list[str],
    test_fraction: float,
    seed: int,
    dtype: str,
) -> Job:
    """Read, hold rows out, learn the scaling from the others, and apply it to both.

    Parameters
    ----------
    path : Path or None
        Data; None stands for scikit-learn's digits.
    target, ignore
        As `fastff.io.read_data`.
    task
        As `fastff.io.prepare`.
    test_fraction : float
        Share of the rows held out, where the data set does not keep some itself; 0: none.
    seed : int
        Of the choice of rows.
    dtype : {"float32", "float64"}
        Of the inputs.

    Raises
    ------
    ValueError, OSError, ModuleNotFoundError
        As the functions named, or if there are too few rows to hold some out.
    """
    data = _digits() if path is None else read_data(path, target, ignore, supervised=True)
    rows, scored, other = np.arange(data.rows), np.arange(data.rows), data
    if data.held_out is not None:
        other, scored = data.held_out, np.arange(data.held_out.rows)
    elif test_fraction:
        rows, scored = _split(data, test_fraction, seed, task)
    if data.target is None or other.target is None:
        raise ValueError("the rows held out lack the target")
    preparation = prepare(data, rows, task)
    preparation.targets(other.target)
    return Job(
        x=preparation.inputs(data, rows, dtype),
        y=preparation.targets(data.target[rows], dtype),
        x_scored=preparation.inputs(other, scored, dtype),
        truth=other.target[scored],
        held_out=other is not data or len(rows) < data.rows,
        preparation=preparation,
    )


def _digits() -> Data:
    """1,797 scans of 8 x 8 pixels from 0 to 16, of 43 writers (Alpaydin, Kaynak 1998)."""
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError as error:
        raise missing_extra("cli", "scikit-learn", "the embedded data set") from error
    digits = load_digits()
    return Data({"pixels": digits.data.astype(np.uint8)}, digits.target.astype(np.uint8), "digit")


def _split(data: Data, fraction: float, seed: int, task: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Choose rows to hold out, of each class its share where classes are learned and none is too rare."""
    from sklearn.model_selection import train_test_split

    target = data.target
    classes = prepare(Data({"row": np.arange(data.rows)}, target, data.target_name), np.arange(data.rows), task).classes
    strata = None
    if classes is not None and target is not None:
        strata, counts = np.unique(target.astype(str), return_inverse=True, return_counts=True)[1:]
        n_test = int(np.ceil(fraction * data.rows))
        if counts.min() < 2 or min(n_test, data.rows - n_test) < len(counts):
            strata = None
    if data.rows < 2 or np.ceil(fraction * data.rows) >= data.rows:
        raise ValueError(f"{data.rows} rows are too few to hold {fraction:g} of them out")
    rows, held_out = train_test_split(np.arange(data.rows), test_size=fraction, random_state=seed, stratify=strata)
    return rows, held_out
