"""Benchmarks in asv's form; run them from this folder."""
