"""The command line: ``fastff train``, ``predict``, ``info`` and ``warmup``.

Bad input ends with exit code 2 and one line on stderr; files appear whole or not at all.
"""

from __future__ import annotations

from .app import app, run

__all__ = ["app", "run"]
