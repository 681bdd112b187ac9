"""Update rules."""

from typing import Any

from . import suite


class Call(suite.Timed):
    """Twenty steps, NumPy and fastff."""

    family = "optimizers"

    def setup(self, *values: str) -> None:
        super().setup(*values)


class Comparison(suite.ComparedProducts):
    """Twenty steps, all implementations turn about."""

    family = "optimizers"

    def setup_cache(self) -> dict[tuple[str, ...], Any]:
        return self.compare()

    setup_cache.timeout = 3600  # type: ignore[attr-defined]

    def setup(self, cache: Any, *values: str) -> None:
        super().setup(cache, *values)
