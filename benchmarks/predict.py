"""Predictions of one row, a thousand, and a whole data set."""

from typing import Any

from . import suite


class Call(suite.Timed):
    """One call of predict, NumPy and fastff."""

    family = "predict"
    by_threads = True

    def setup(self, *values: str) -> None:
        super().setup(*values)


class Comparison(suite.ComparedProducts):
    """One call of predict, all implementations turn about."""

    family = "predict"
    by_threads = True

    def setup_cache(self) -> dict[tuple[str, ...], Any]:
        return self.compare()

    setup_cache.timeout = 3600  # type: ignore[attr-defined]

    def setup(self, cache: Any, *values: str) -> None:
        super().setup(cache, *values)
