"""This machine as the compiler sees it: vector width, register tiles, caches and cores, in one table."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from llvmlite import binding
from numba import config


@dataclass(frozen=True)
class Row:
    """One line of the table: what a vector instruction set wants.

    Attributes
    ----------
    name : str
        The instruction set.
    vector_bytes : int
        Width of a vector register.
    tile_rows : int
        Height MR of the register tile of two vectors.
    masked : bool
        Whether masked loads and stores cost no more than plain ones, so that every tile may use them.
    """

    name: str
    vector_bytes: int
    tile_rows: int
    masked: bool


# Heights: 14 x 2 accumulators, two vectors of B and one broadcast fill 32 registers, 6 x 2 fill 16. A height of 12 with
# 512-bit vectors was measured at 165 GFLOP/s against 240 of 13 and 14 (AMD Zen 5).
AVX512 = Row("avx512", 64, 14, True)
AVX2 = Row("avx2", 32, 6, False)
NEON = Row("neon", 16, 12, False)
PLAIN = Row("plain", 16, 6, False)
ROWS = {row.name: row for row in (AVX512, AVX2, NEON, PLAIN)}

# Names that NUMBA_CPU_NAME may give; the features of a named processor cannot be asked of LLVM.
_NAMED_AVX512 = (
    "skylake-avx512",
    "cascadelake",
    "cooperlake",
    "icelake",
    "sapphirerapids",
    "graniterapids",
    "tigerlake",
    "znver4",
    "znver5",
    "x86-64-v4",
)
_NAMED_AVX2 = (
    "haswell",
    "broadwell",
    "skylake",
    "alderlake",
    "znver",
    "core-avx2",
    "x86-64-v3",
    "raptorlake",
    "meteorlake",
)


def _features() -> set[str]:
    """Names of the features the compiler may use."""
    if config.CPU_FEATURES is not None:
        return {part[1:] for part in str(config.CPU_FEATURES).split(",") if part.startswith("+")} | _named_features()
    if config.CPU_NAME and config.CPU_NAME != "host":
        return _named_features()
    return {name for name, present in binding.get_host_cpu_features().items() if present}


def _named_features() -> set[str]:
    name = str(config.CPU_NAME or "")
    if name.startswith(_NAMED_AVX512):
        return {"avx512f", "avx512vl", "avx2", "fma"}
    if name.startswith(_NAMED_AVX2):
        return {"avx2", "fma"}
    return set()


def _choose() -> Row:
    machine = binding.get_default_triple().split("-")[0]
    if machine in ("aarch64", "arm64"):
        return NEON
    features = _features()
    if not config.ENABLE_AVX:
        return PLAIN
    if {"avx512f", "avx512vl"} <= features:
        return AVX512
    if {"avx2", "fma"} <= features:
        return AVX2
    return PLAIN


ROW = _choose()


def lanes(itemsize: int) -> int:
    """Numbers in a vector register."""
    return ROW.vector_bytes // itemsize


def cores() -> int:
    """Number of cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cache_bytes(level: int) -> int:
    """Size of a data cache of the first core as the system tells it, or a cautious guess where it does not."""
    for index in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"):
        try:
            if int((index / "level").read_text()) == level and (index / "type").read_text().strip() != "Instruction":
                size = (index / "size").read_text().strip()
                return int(size.rstrip("KM")) * {"K": 1024, "M": 1 << 20}.get(size[-1], 1)
        except (OSError, ValueError):
            continue
    return {1: 32 << 10, 2: 512 << 10, 3: 8 << 20}[level]


# Block of rows whose activations should stay in the second level.
L1_BYTES = cache_bytes(1)
L2_BYTES = cache_bytes(2)
