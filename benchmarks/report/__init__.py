"""``python -m benchmarks.report [--run]``: docs/benchmarks.md, its pictures, and the README's figures, from results."""
