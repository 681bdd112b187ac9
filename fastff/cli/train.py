"""``fastff train``: from a file of rows to a model, a picture and a table."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from .._arguments import choice
from ..io.atomic import check_place
from ..io.preparation import TASKS
from .terminal import compilation_noted, duration, notes, progress_bar

if TYPE_CHECKING:
    from ..optim import SGD, Adam
    from ..training import History, Trainer
    from .job import Job

DTYPES = ("float32", "float64")
OPTIMIZERS = ("adam", "sgd", "momentum", "nesterov")
INTERRUPTED = 130


def train(
    data: Annotated[
        Path | None,
        typer.Argument(help="CSV, Parquet, NPZ, or a folder with MNIST's files. Without it: 1,797 scanned digits."),
    ] = None,
    target: Annotated[str | None, typer.Option("--target", "-t", help="Column to predict.")] = None,
    task: Annotated[str | None, typer.Option(help="classification or regression; else by the target's kind.")] = None,
    ignore: Annotated[list[str] | None, typer.Option(help="Column to leave out; can be repeated.")] = None,
    hidden: Annotated[str, typer.Option(help="Widths of the hidden layers; '' for none.")] = "256,128",
    activation: Annotated[str, typer.Option(help="Of the hidden layers.")] = "relu",
    epochs: Annotated[int, typer.Option(min=1, help="How often every row is trained on.")] = 30,
    batch_size: Annotated[int, typer.Option(min=0, help="Rows of a step; 0: all.")] = 64,
    learning_rate: Annotated[float | None, typer.Option(help="Step size; else the optimizer's own.")] = None,
    optimizer: Annotated[str, typer.Option(help=f"One of: {', '.join(OPTIMIZERS)}.")] = "adam",
    weight_decay: Annotated[float, typer.Option(help="Decoupled decay of the parameters.")] = 0.0,
    test_fraction: Annotated[
        float, typer.Option(help="Share of the rows held out, where the data set keeps none itself; 0: none.")
    ] = 0.2,
    dtype: Annotated[str, typer.Option(help="float32 or float64.")] = "float32",
    threads: Annotated[int | None, typer.Option(min=1, help="Threads; else all cores.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the weights, the order of rows, the rows held out.")] = 0,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Model file; the learning curve goes beside it as .png.")
    ] = None,
) -> int:
    """Train a network, tell how good and how fast it is, write the model and its learning curve."""
    from .. import Network, Trainer, set_num_threads
    from ..io import save
    from .job import read_job
    from .report import draw_curve, print_table

    if threads is not None:
        set_num_threads(threads)
    widths = _widths(hidden)
    rule = _rule(optimizer, learning_rate, weight_decay)
    task = None if task is None else choice("task", task, TASKS)
    if not 0 <= test_fraction < 1:
        raise ValueError(f"--test-fraction must be at least 0 and below 1, not {test_fraction}")
    output = Path(f"{_stem(data)}.safetensors") if output is None else output
    picture = output.with_suffix(".png")
    if picture == output:
        raise ValueError("--output names the model file; the picture will be the .png beside it")
    for path in (output, picture):
        check_place(path)

    job = read_job(data, target, task, ignore or [], test_fraction, seed, choice("dtype", dtype, DTYPES))
    network = Network(
        sizes=(job.preparation.n_inputs, *widths, job.preparation.n_outputs),
        activation=activation,
        output="identity" if job.preparation.classes is None else "softmax",
        dtype=dtype,
        random_state=seed,
    )
    start = network.parameters.copy()
    trainer = Trainer(network, optimizer=rule, batch_size=batch_size or None, random_state=seed)
    history = _fit(trainer, job, epochs)
    if not history.epochs:
        notes.print("interrupted before the first epoch was complete: nothing is saved")
        return INTERRUPTED
    save(network, output, loss=trainer.loss, preparation=job.preparation)
    draw_curve(history.loss, trainer.loss.name, output.stem, picture)
    print_table(_table(job, trainer, history, epochs, start) | {"model": str(output), "learning curve": str(picture)})
    if history.interrupted:
        notes.print(f"interrupted: the model is that of epoch {history.epochs}, the last complete one")
        return INTERRUPTED
    return 0


def _stem(data: Path | None) -> str:
    if data is None:
        return "digits"
    return data.resolve().name.partition(".")[0] or "model"


def _widths(hidden: str) -> tuple[int, ...]:
    try:
        widths = tuple(int(width) for width in hidden.split(",") if hidden.strip())
    except ValueError:
        widths = (0,)
    if any(width < 1 for width in widths):
        raise ValueError(f"--hidden must be widths such as 256,128, not {hidden!r}")
    return widths


def _rule(name: str, learning_rate: float | None, weight_decay: float) -> SGD | Adam:
    from ..optim import SGD, Adam

    rate = {} if learning_rate is None else {"learning_rate": learning_rate}
    if choice("optimizer", name, OPTIMIZERS) == "adam":
        return Adam(**rate, weight_decay=weight_decay)
    momentum = 0.0 if name == "sgd" else 0.9
    return SGD(**rate, momentum=momentum, nesterov=name == "nesterov", weight_decay=weight_decay)


def _fit(trainer: Trainer, job: Job, epochs: int) -> History:
    """Train with a bar; compilation comes first, so that it is neither timed nor drawn."""
    from .. import _jit

    with compilation_noted():
        _jit.prepare(trainer.network.dtype)
    with warnings.catch_warnings(), progress_bar() as bar:
        # the table says it in its own words
        warnings.filterwarnings("ignore", "fit was interrupted", UserWarning)
        line = bar.add_task("", total=epochs, loss="")
        return trainer.fit(
            job.x, job.y, epochs, callback=lambda done, loss: bar.update(line, completed=done, loss=f"{loss:.4g}")
        )


def _table(job: Job, trainer: Trainer, history: History, epochs: int, start: np.ndarray) -> dict[str, str]:
    """Put the figures of a training in words."""
    from .. import get_num_threads
    from .score import score

    network, threads = trainer.network, get_num_threads()
    rows, held_out = len(job.x), f", {len(job.truth):,} held out" if job.held_out else ""
    sizes = "-".join(str(size) for size in network.plan.sizes)
    activation = f", {network.plan.activations[0]}" if len(network.plan.sizes) > 2 else ""
    lines = {
        "rows": f"{rows:,} trained on{held_out}",
        "network": f"{sizes}{activation}, {network.plan.n_parameters:,} parameters, {network.dtype.name}",
        "epochs": f"{history.epochs} of {epochs}, interrupted" if history.interrupted else f"{epochs}",
        "seconds": f"{history.seconds:.3g} ({threads} thread{'s' if threads > 1 else ''})",
        "last loss": f"{history.loss[-1]:.4g} ({trainer.loss.name.replace('_', ' ')})",
    }
    answers = job.preparation.answers(network.predict(job.x_scored))
    where = "held out" if job.held_out else "on the rows trained on"
    lines |= {f"{name} {where}": value for name, value in score(job.preparation.task, job.truth, answers).items()}
    if not history.interrupted:
        lines["times faster"] = _speed(job, trainer, history, start)
    return lines


def _speed(job: Job, trainer: Trainer, history: History, start: np.ndarray) -> str:
    """Compare with the same job in plain NumPy, and say what was timed."""
    from .. import get_num_threads
    from .baseline import time_numpy

    steps = history.epochs * history.steps_per_epoch
    try:
        with notes.status("timing the same job in plain NumPy …"):
            numpy = time_numpy(
                trainer.network.plan,
                start,
                job.x,
                job.y,
                trainer.loss,
                trainer.optimizer,
                min(trainer.batch_size or len(job.x), len(job.x)),
                steps,
                get_num_threads(),
            )
    except KeyboardInterrupt:
        return "not timed, interrupted"
    seconds = f"{duration(numpy.seconds)}, measured on {numpy.steps:,} of {steps:,} steps"
    return f"{numpy.seconds / history.seconds:.1f} than plain NumPy (reference.py: {seconds})"
