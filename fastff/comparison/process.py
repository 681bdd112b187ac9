"""A worker as its contest sees it: a process that answers, or says why not."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from typing import Any

from .conditions import environment

__all__ = ["Process"]

_PATIENCE = 5.0  # seconds for a process to end by itself


class Process:
    """A worker process, to be used as a context.

    Parameters
    ----------
    name : str
        The trainer, or `PEAK`.
    threads : int
        How many it may use.
    """

    def __init__(self, name: str, threads: int) -> None:
        self.name = name
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._process = subprocess.Popen(
            # -P: a file of the user's that is called jax.py is not JAX
            [sys.executable, "-P", "-m", "fastff.comparison.worker", name, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=environment(threads),
        )

    def ask(self, *order: Any) -> dict[str, Any]:
        """Give an order and wait for its answer; a process that has ended answers ``{"error": its last words}``."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            stdin.write(json.dumps(order) + "\n")
            stdin.flush()
            line = stdout.readline()
        except BrokenPipeError:
            line = ""
        if line:
            return json.loads(line)
        self._log.seek(0)
        words = self._log.read().strip().splitlines()
        return {"error": f"the process ended: {words[-1] if words else 'without a word'}"[:300]}

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *error: object) -> None:
        """Have the process end: by itself, or if it is in the middle of something at once."""
        if any(error):
            self._process.terminate()
        try:
            self._process.communicate(timeout=_PATIENCE)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        self._log.close()
