"""The table of machines: which line is chosen for what processor, and what every line must keep."""

import os

import numpy as np
import pytest

from fastff import _cpu

AVX512 = {"avx512f": True, "avx512vl": True, "avx2": True, "fma": True}


@pytest.fixture
def machine(monkeypatch):
    """Choose for another machine: its features, or the names that numba's environment gives."""

    def choose(features=(), name=None, given=None, avx=1, triple="x86_64-unknown-linux-gnu"):
        monkeypatch.setattr(_cpu.config, "CPU_NAME", name)
        monkeypatch.setattr(_cpu.config, "CPU_FEATURES", given)
        monkeypatch.setattr(_cpu.config, "ENABLE_AVX", avx)
        monkeypatch.setattr(_cpu.binding, "get_host_cpu_features", lambda: dict(features))
        monkeypatch.setattr(_cpu.binding, "get_default_triple", lambda: triple)
        return _cpu._choose()

    return choose


@pytest.mark.portable
def test_features_choose_the_line(machine):
    assert machine(AVX512) is _cpu.AVX512
    assert machine({**AVX512, "avx512vl": False}) is _cpu.AVX2
    assert machine({"avx2": True, "fma": True}) is _cpu.AVX2
    assert machine({"avx2": True, "fma": False}) is _cpu.PLAIN
    assert machine({"sse4.2": True}) is _cpu.PLAIN
    assert machine(AVX512, avx=0) is _cpu.PLAIN
    assert machine(triple="arm64-apple-darwin23.0.0") is _cpu.NEON
    assert machine(triple="aarch64-unknown-linux-gnu") is _cpu.NEON


@pytest.mark.portable
@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("haswell", "avx2"),
        ("znver3", "avx2"),
        ("znver4", "avx512"),
        ("skylake", "avx2"),
        ("skylake-avx512", "avx512"),
        ("x86-64-v3", "avx2"),
        ("generic", "plain"),
        ("nehalem", "plain"),
    ],
)
def test_a_named_processor_is_not_asked(machine, name, line):
    """NUMBA_CPU_NAME rules over what this machine could do."""
    assert machine(AVX512, name=name, given="").name == line
    assert machine(AVX512, name=name).name == line


@pytest.mark.portable
def test_given_features(machine):
    assert machine(AVX512, name="generic", given="+avx2,+fma") is _cpu.AVX2
    assert machine(AVX512, name="generic", given="+avx2,-fma") is _cpu.PLAIN


@pytest.mark.portable
@pytest.mark.parametrize("row", _cpu.ROWS.values(), ids=lambda row: row.name)
def test_lines(row):
    assert row.vector_bytes in (16, 32, 64)
    # accumulators, two vectors of an operand and one broadcast number: no more than there are registers
    registers = 32 if row.name in ("avx512", "neon") else 16
    assert 2 * row.tile_rows + 3 <= registers


@pytest.mark.portable
def test_this_machine():
    assert _cpu.ROW in _cpu.ROWS.values()
    assert _cpu.lanes(4) == 2 * _cpu.lanes(8) == _cpu.ROW.vector_bytes // 4
    assert 1 <= _cpu.cores() <= (os.cpu_count() or 1)
    assert 4 << 10 <= _cpu.L1_BYTES < _cpu.L2_BYTES < 1 << 30
    assert _cpu.cache_bytes(3) >= 1 << 20


@pytest.mark.portable
def test_caches_are_guessed_where_the_system_does_not_tell(monkeypatch):
    class Nothing:
        def __init__(self, path):
            pass

        def glob(self, pattern):
            return []

    monkeypatch.setattr(_cpu, "Path", Nothing)
    sizes = [_cpu.cache_bytes(level) for level in (1, 2, 3)]
    assert sizes == sorted(sizes)
    assert np.all(np.array(sizes) > 0)
