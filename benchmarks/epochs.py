"""The jobs of the comparison with other libraries: one epoch each, or as many as take a while."""

from typing import Any

from . import suite


class Call(suite.Timed):
    """One training, NumPy and fastff."""

    family = "epochs"
    by_threads = True
    number = 1
    repeat = (1, 3, 5.0)
    rounds = 1
    warmup_time = 0.0

    def setup(self, *values: str) -> None:
        super().setup(*values)


class Comparison(suite.ComparedProducts):
    """One training, all implementations turn about."""

    family = "epochs"
    by_threads = True

    def setup_cache(self) -> dict[tuple[str, ...], Any]:
        return self.compare()

    setup_cache.timeout = 3600  # type: ignore[attr-defined]

    def setup(self, cache: Any, *values: str) -> None:
        super().setup(cache, *values)
