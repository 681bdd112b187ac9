"""Activations, forward and back."""

from typing import Any

from . import suite


class Call(suite.Timed):
    """One pass over a layer's numbers, NumPy and fastff."""

    family = "activations"

    def setup(self, *values: str) -> None:
        super().setup(*values)


class Comparison(suite.Compared):
    """One pass over a layer's numbers, all implementations turn about."""

    family = "activations"

    def setup_cache(self) -> dict[tuple[str, ...], Any]:
        return self.compare()

    setup_cache.timeout = 3600  # type: ignore[attr-defined]

    def setup(self, cache: Any, *values: str) -> None:
        super().setup(cache, *values)
