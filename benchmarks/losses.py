"""Losses with their gradients."""

from typing import Any

from . import suite


class Call(suite.Timed):
    """One loss and gradient, NumPy and fastff."""

    family = "losses"

    def setup(self, *values: str) -> None:
        super().setup(*values)


class Comparison(suite.ComparedProducts):
    """One loss and gradient, all implementations turn about."""

    family = "losses"

    def setup_cache(self) -> dict[tuple[str, ...], Any]:
        return self.compare()

    setup_cache.timeout = 3600  # type: ignore[attr-defined]

    def setup(self, cache: Any, *values: str) -> None:
        super().setup(cache, *values)
