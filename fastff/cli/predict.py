"""``fastff predict``: a model's answers for the rows of a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from ..io import Preparation, read_data, read_model, replacing
from .terminal import compilation_noted, notes

# Rows encoded and predicted at a time.
_CHUNK = 16384


def predict(
    model: Annotated[Path, typer.Argument(help="A model file that `fastff train` wrote.")],
    data: Annotated[Path, typer.Argument(help="CSV, Parquet, NPZ, IDX file or folder with the same columns.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="CSV file to write; without it, standard output.")
    ] = None,
    probabilities: Annotated[bool, typer.Option(help="Add a column with the probability of each class.")] = False,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads; all cores where not given.")] = None,
) -> None:
    """Predict the rows of DATA: a CSV with the column `prediction`, one line a row."""
    from .. import set_num_threads
    from .score import score

    if threads is not None:
        set_num_threads(threads)
    network, _, preparation = read_model(model)
    if preparation is None:
        raise ValueError(f"{model}: the network was saved without a description of its columns; use fastff.io.load")
    rows = read_data(data, only={*preparation.widths, preparation.target})
    if rows.held_out is not None:
        notes.print("predicting the test rows of the data set")
        rows = rows.held_out
    for name, count in preparation.unknown(rows).items():
        notes.print(f"column {name!r}: {count} rows hold a category that the model has not seen; it is left out there")
    with compilation_noted():
        outputs = np.concatenate(
            [
                network.predict(preparation.inputs(rows, part, network.dtype))
                for part in np.array_split(np.arange(rows.rows), -(-rows.rows // _CHUNK))
            ]
        )
    answers = preparation.answers(outputs)
    columns = _columns(preparation, answers, outputs if probabilities else None)
    if output is None:
        _write(columns, sys.stdout.buffer)
    else:
        with replacing(output) as part:
            _write(columns, part)
        notes.print(f"{rows.rows:,} predictions in {output}")
    truth = rows.target if rows.target is not None else rows.features.get(preparation.target)
    if truth is None:
        return
    try:
        preparation.targets(truth)
    except ValueError as error:
        notes.print(f"not scored: {error}")
    else:
        notes.print(", ".join(f"{name} {value}" for name, value in score(preparation.task, truth, answers).items()))


def _columns(preparation: Preparation, answers: np.ndarray, outputs: np.ndarray | None) -> dict[str, np.ndarray]:
    if answers.ndim == 2 and answers.shape[1] > 1:
        columns = {f"prediction_{i}": column for i, column in enumerate(answers.T)}
    else:
        columns = {"prediction": answers.ravel()}
    if outputs is not None:
        if preparation.classes is None:
            raise ValueError("only classes have probabilities, this model predicts numbers")
        columns |= {f"p({name})": column for name, column in zip(preparation.classes, outputs.T, strict=True)}
    return columns


def _write(columns: dict[str, np.ndarray], where: Any) -> None:
    from ..errors import missing_extra

    try:
        import pyarrow as pa
        from pyarrow import csv
    except ModuleNotFoundError as error:
        raise missing_extra("cli", "pyarrow", "writing CSV") from error
    csv.write_csv(pa.table(columns), where)
