"""The commands gathered, and how errors leave the program."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from .. import __version__
from ..errors import DivergedError
from .bench import bench
from .machine import info, warmup
from .predict import predict
from .train import train

BAD_INPUT = 2
INTERRUPTED = 130

app = typer.Typer(
    name="fastff",
    help="Feed-forward networks trained fast on CPUs. Start with: fastff train",
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (train, predict, bench, info, warmup):
    app.command()(command)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"fastff {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def entrance(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Feed-forward networks trained fast on CPUs. Start with: fastff train."""
    if context.invoked_subcommand is None:
        print(context.get_help())


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code: 0, 2 for bad input, 130 where Ctrl-C left nothing to keep.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the process where not given.

    Examples
    --------
    >>> run(["--version"])
    fastff ...
    0
    """
    try:
        code: Any = app(arguments, prog_name="fastff", standalone_mode=False)
        return int(code or 0)
    except (typer.Abort, KeyboardInterrupt):
        print("fastff: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # whoever read the output has gone: end quietly, as `fastff predict … | head` should
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (DivergedError, ModuleNotFoundError, OSError, TypeError, ValueError) as error:
        return _bad_input(str(error))
    except Exception as error:
        # usage errors: their class is click's, or typer's own copy of it, as typer's version has it
        message = getattr(error, "format_message", None)
        if message is None:
            raise
        return _bad_input(message())


def _bad_input(message: str) -> int:
    print(f"fastff: {' '.join(message.split())}", file=sys.stderr)
    return BAD_INPUT
