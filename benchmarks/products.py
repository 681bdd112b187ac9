"""Matrix products of one layer."""

from typing import Any

from . import suite


class Call(suite.Timed):
    """One product, NumPy and fastff."""

    family = "products"

    def setup(self, *values: str) -> None:
        super().setup(*values)


class Comparison(suite.ComparedProducts):
    """One product, all implementations turn about."""

    family = "products"

    def setup_cache(self) -> dict[tuple[str, ...], Any]:
        return self.compare()

    setup_cache.timeout = 3600  # type: ignore[attr-defined]

    def setup(self, cache: Any, *values: str) -> None:
        super().setup(cache, *values)
