"""Fused kernels: forward with ReLU, backward through its mask, updates in place."""

from typing import Any

from . import suite


class Call(suite.Timed):
    """One kernel, NumPy and fastff."""

    family = "kernels"

    def setup(self, *values: str) -> None:
        super().setup(*values)


class Comparison(suite.ComparedProducts):
    """One kernel, all implementations turn about."""

    family = "kernels"

    def setup_cache(self) -> dict[tuple[str, ...], Any]:
        return self.compare()

    setup_cache.timeout = 3600  # type: ignore[attr-defined]

    def setup(self, cache: Any, *values: str) -> None:
        super().setup(cache, *values)
