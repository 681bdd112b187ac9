"""``fastff info`` and ``fastff warmup``."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from .terminal import duration

NOT_KEPT = "not kept, as no folder for it may be written"


def info() -> None:
    """What fastff sees of this machine: CPU, vectors, register tile, threads, cache."""
    import llvmlite
    import numba
    import numpy as np
    from llvmlite import binding

    from .. import __version__, _cpu, _jit, get_num_threads

    row = _cpu.ROW
    tiles = ", ".join(
        f"{row.tile_rows} x {2 * _cpu.lanes(dtype.itemsize)} {dtype.name}" for dtype in map(np.dtype, ("f4", "f8"))
    )
    table = Table(show_header=False, box=None)
    table.add_row("fastff", __version__)
    table.add_row("Python", platform.python_version())
    table.add_row("numba, llvmlite, NumPy", f"{numba.__version__}, {llvmlite.__version__}, {np.__version__}")
    table.add_row("CPU", processor_name())
    table.add_row("compiled for", str(numba.config.CPU_NAME or binding.get_host_cpu_name()))
    table.add_row("vectors", f"{row.name}, {8 * row.vector_bytes} bits")
    table.add_row("register tile", tiles)
    table.add_row("data caches", f"L1 {_cpu.L1_BYTES >> 10} KB, L2 {_cpu.L2_BYTES >> 10} KB")
    table.add_row("threads", f"{get_num_threads()} of {_cpu.cores()} cores (FASTFF_NUM_THREADS, --threads)")
    table.add_row("compiled code", _cache())
    if _jit.DISABLED:
        table.add_row("note", "NUMBA_DISABLE_JIT is set: everything runs as plain Python")
    Console(highlight=False, width=None if sys.stdout.isatty() else 120).print(table)


def warmup() -> None:
    """Compile everything for this machine, both dtypes, and keep it in the cache for later runs."""
    from .. import _jit, kernels, training  # noqa: F401 (importing them makes their units known)

    total, count = 0.0, 0
    for name, dtype, seconds in _jit.warm_up():
        total, count = total + seconds, count + 1
        if seconds > 0.1:
            print(f"{name} ({dtype}): {duration(seconds)}")
    folders = _cache_folders()
    kept = f"kept in {os.path.commonpath(folders)}" if folders else f"{NOT_KEPT}, and compiled anew in each process"
    print(f"{count} functions ready in {duration(total)}; {kept}")


def processor_name() -> str:
    """Return the processor's name as the system tells it, with LLVM's."""
    from llvmlite import binding

    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{models[0] if models else platform.processor() or platform.machine()} ({binding.get_host_cpu_name()})"


def _cache_folders() -> list[Path]:
    """Return where numba keeps each module's machine code: beside it, or where NUMBA_CACHE_DIR or its rules say.

    None at all where no folder may be written.
    """
    from .. import _jit, kernels, training  # noqa: F401 (importing them makes their units known)

    paths = {_jit.cache_for(unit.function).cache_path for unit in _jit._units.values()}
    return sorted(Path(path) for path in paths if path is not None)


def _cache() -> str:
    folders = _cache_folders()
    if not folders:
        return f"{NOT_KEPT}: set NUMBA_CACHE_DIR to one"
    size = sum(file.stat().st_size for folder in folders if folder.is_dir() for file in folder.glob("*.nb[ci]"))
    set_by = ", set by NUMBA_CACHE_DIR" if os.environ.get("NUMBA_CACHE_DIR") else ""
    return f"{os.path.commonpath(folders)} ({size / 1e6:.1f} MB{set_by})"
