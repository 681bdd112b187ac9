"""Feed-forward networks trained fast on CPUs."""

__version__ = "0.1.0"
