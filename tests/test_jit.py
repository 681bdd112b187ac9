"""Compiled units: one instance a dtype, calls between them, what is counted and announced, and the cache's key."""

import ctypes
import errno
import threading

import numba
import numpy as np
import pytest
from numba.core.caching import IndexDataCacheFile
from numba.core.cpu import CPUContext
from numba.core.errors import TypingError

from fastff import _jit
from fastff._jit import DTYPES, Unit, invoke
from fastff.simd.memory import get, put

compiled_only = pytest.mark.skipif(_jit.DISABLED, reason="nothing is compiled")
FLOAT32, FLOAT64 = DTYPES


def doubled_by_tests(like, address):
    put(address, get(address, like) + get(address, like))
    return 1


def added_by_tests(like, address, factor):
    return address + int(2 * factor)


DOUBLED = Unit(doubled_by_tests, "i")


def doubled_twice_by_tests(like, address):
    return invoke(DOUBLED, like, (address,)) + invoke(DOUBLED, like, (address,))


@pytest.fixture
def empty_cache(monkeypatch, tmp_path):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    return tmp_path


@pytest.mark.portable
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_one_instance_a_dtype(dtype):
    number = np.array([1.5], dtype)
    assert DOUBLED[dtype](0, number.ctypes.data) == 1
    assert number[0] == 3
    assert DOUBLED[dtype] is DOUBLED[dtype]
    assert DOUBLED[FLOAT32] is not DOUBLED[FLOAT64]


@pytest.mark.portable
def test_arguments_are_integers_and_doubles():
    assert Unit(added_by_tests, "id")[FLOAT32](0, 2**40, 2.75) == 2**40 + 5


@pytest.mark.portable
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_units_call_each_other(dtype):
    number = np.array([1.5], dtype)
    assert Unit(doubled_twice_by_tests, "i")[dtype](0, number.ctypes.data) == 2
    assert number[0] == 6


@compiled_only
def test_a_call_compiles_what_is_not_compiled_yet(monkeypatch):
    """A caller that comes from a cache meets callees that nobody has asked for."""
    callee = Unit(doubled_by_tests, "i")
    monkeypatch.setitem(globals(), "DOUBLED", callee)
    caller = Unit(doubled_twice_by_tests, "i")[FLOAT64]
    before, number = _jit.compilations(), np.array([1.0])
    for count in (1, 1):
        caller(0, number.ctypes.data)
        assert _jit.compilations() == before + count
    assert number[0] == 16
    assert callee[FLOAT64](0, number.ctypes.data) == 1


@compiled_only
def test_wrong_arguments_of_a_call_are_found_when_compiling():
    def wrong_call_of_tests(like, address):
        return invoke(DOUBLED, like, (address, 1.5))

    with pytest.raises(TypingError, match="unit doubled_by_tests takes i, not id"):
        Unit(wrong_call_of_tests, "i")[FLOAT64]


@compiled_only
def test_compilations_are_counted_once():
    unit, before = Unit(doubled_by_tests, "i"), _jit.compilations()
    unit[FLOAT32]
    unit[FLOAT32]
    assert _jit.compilations() == before + 1


def test_rare_units_are_not_prepared(monkeypatch):
    units = {name: Unit(doubled_by_tests, "i", rare=name == "rare") for name in ("usual", "rare")}
    monkeypatch.setattr(_jit, "_units", units)
    _jit.prepare(FLOAT32)
    assert [FLOAT32 in units[name]._callable for name in units] == [True, False]
    assert [name for name, *_ in _jit.warm_up()] == ["doubled_by_tests"] * 4  # all, in both dtypes


@compiled_only
def test_threads_that_ask_at_once_compile_once():
    unit, before, found = Unit(doubled_by_tests, "i"), _jit.compilations(), []
    team = [threading.Thread(target=lambda: found.append(unit[FLOAT64])) for _ in range(4)]
    for thread in team:
        thread.start()
    for thread in team:
        thread.join()
    assert _jit.compilations() == before + 1
    assert len({id(each) for each in found}) == 1


@compiled_only
def test_compiling_is_announced_and_loading_is_not(empty_cache, monkeypatch):
    told = []
    monkeypatch.setattr(_jit, "_watchers", [])
    _jit.on_compile(lambda: told.append(1))
    number = np.array([1.0])
    for count in (1, 1):
        assert Unit(doubled_by_tests, "i")[FLOAT64](0, number.ctypes.data) == 1
        assert len(told) == count
    assert number[0] == 4
    assert any(path.suffix == ".nbi" for path in empty_cache.rglob("*"))


@compiled_only
def test_the_two_dtypes_do_not_take_each_others_code(empty_cache):
    for dtype in (*DTYPES, *DTYPES):
        number = np.array([1.5, 1.5], dtype)
        Unit(doubled_by_tests, "i")[dtype](0, number.ctypes.data)
        np.testing.assert_array_equal(number, [3, 1.5])


@compiled_only
def test_processes_that_save_at_once_do_not_mix_their_code(empty_cache, monkeypatch):
    """Both found the cache empty, and the first to name its file is the last to write it."""
    late = []
    with monkeypatch.context() as patch:
        patch.setattr(IndexDataCacheFile, "_load_index", lambda self: {})
        patch.setattr(IndexDataCacheFile, "_save_data", lambda *arguments: late.append(arguments))
        for dtype in DTYPES:
            Unit(doubled_by_tests, "i")[dtype]
    assert len(late) == len(DTYPES)
    for file, name, data in reversed(late):
        file._save_data(name, data)
    for dtype in DTYPES:
        number = np.array([1.5, 1.5], dtype)
        Unit(doubled_by_tests, "i")[dtype](0, number.ctypes.data)
        np.testing.assert_array_equal(number, [3, 1.5])


@compiled_only
def test_a_full_disk_costs_time_only(empty_cache, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(IndexDataCacheFile, "_save_index", full)
    number = np.array([1.5])
    Unit(doubled_by_tests, "i")[FLOAT64](0, number.ctypes.data)
    assert number[0] == 3


@compiled_only
def test_the_key_of_the_cache_holds_the_package(empty_cache, monkeypatch):
    """Another state of any file: nothing cached is used."""
    told = []
    monkeypatch.setattr(_jit, "_watchers", [lambda: told.append(1)])
    Unit(doubled_by_tests, "i")[FLOAT64]
    kept = {path.name for path in empty_cache.rglob("*.nbc")}
    monkeypatch.setattr(_jit, "_stamp", "another state of the package")
    Unit(doubled_by_tests, "i")[FLOAT64]
    assert len(told) == 2
    # and nothing old is left
    assert len(kept) == 1
    assert len({path.name for path in empty_cache.rglob("*.nbc")} - kept) == 1
    assert not {path.name for path in empty_cache.rglob("*.nbc")} & kept


@compiled_only
def test_loading_does_not_ready_the_compiler(empty_cache, monkeypatch):
    """That takes half a second. Only where names of the process are missing, without which LLVM would end it."""
    number, readied = np.array([1.0]), []
    refresh = CPUContext.refresh
    Unit(doubled_by_tests, "i")[FLOAT64]
    with monkeypatch.context() as patch:
        patch.setattr(_jit, "_symbols", lambda data: ["a name that no process has"])
        Unit(doubled_by_tests, "i")[FLOAT32]
    monkeypatch.setattr(CPUContext, "refresh", lambda self: (readied.append(1), refresh(self)))
    assert Unit(doubled_by_tests, "i")[FLOAT64](0, number.ctypes.data) == 1
    assert not readied
    assert number[0] == 2
    Unit(doubled_by_tests, "i")[FLOAT32]
    assert readied


@pytest.mark.portable
def test_a_call_that_is_ready():
    number = np.array([1.5])
    call = DOUBLED.bound(FLOAT64, number.ctypes.data)
    assert call() == call() == 1
    assert number[0] == 6
    assert Unit(added_by_tests, "id").bound(FLOAT32, 2**40, 2.75)() == 2**40 + 5


@pytest.mark.portable
def test_the_stamp_covers_every_file(monkeypatch, tmp_path):
    stamps = []
    for name, text in [("a.py", "1"), ("a.py", "2"), ("b.py", "2"), ("inner/a.py", ""), ("inner/a.py", "2")]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
        monkeypatch.setattr(_jit, "_PACKAGE", tmp_path)
        monkeypatch.setattr(_jit, "_stamp", None)
        stamps.append(_jit.package_stamp())
    assert len(set(stamps)) == len(stamps)


@compiled_only
def test_without_a_place_for_files(monkeypatch):
    """Nowhere to write: compiled anew, and it works."""

    class Nowhere(_jit.PackageCache):
        def __init__(self, function):
            raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr(_jit, "PackageCache", Nowhere)
    number = np.array([1.0])
    Unit(doubled_by_tests, "i")[FLOAT64](0, number.ctypes.data)
    assert number[0] == 2


@pytest.mark.portable
def test_names_of_units_are_their_own():
    from fastff.gemm.product import product as known

    assert _jit._units["product"] is known
    with pytest.raises(ValueError, match="'product' exists already"):

        @_jit.unit("i")
        def product(like, address):
            return 0


@compiled_only
def test_units_do_not_check_python_signatures():
    """A C function: what does not fit is refused before it runs."""
    with pytest.raises(TypeError):
        DOUBLED[FLOAT64](0)
    with pytest.raises(ctypes.ArgumentError, match="wrong type"):
        DOUBLED[FLOAT64](0, 1.5)


@_jit.inline
def next_by_tests(number):
    return number + 1


def next_but_one_by_tests(like, number):
    return next_by_tests(next_by_tests(number))


@pytest.mark.portable
def test_inlined_functions_are_plain_ones_to_python():
    assert next_by_tests(1) == 2
    assert Unit(next_but_one_by_tests, "i")[FLOAT64](0, 1) == 3
