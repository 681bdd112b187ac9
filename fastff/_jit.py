"""The one home of numba's options: compiled units, how they call each other, and their cache.

A *unit* is a function of addresses and sizes, compiled once for float32 and once for float64 as a C function that needs
neither Python nor the GIL. Units call each other through a table of addresses (`invoke`), never by inlining: numba
would link and optimise an inlined callee again in each of its callers, and a first fit would wait for it. A table entry
starts as a trampoline that compiles the unit, so that code which reaches a unit from a cache of its own (a user's
``@njit`` function) works in a fresh process too.

Under ``NUMBA_DISABLE_JIT=1`` units are the Python functions they are written as, and every intrinsic is its scalar
twin.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba import config, extending, types
from numba.core.caching import FunctionCache, IndexDataCacheFile, NullCache
from numba.core.ccallback import CFunc
from numba.core.datamodel.models import OpaqueModel
from numba.core.errors import TypingError
from numba.core.imputils import lower_constant
from numba.core.runtime import rtsys
from numba.extending import register_model, typeof_impl

DISABLED = bool(config.DISABLE_JIT)
DTYPES = (np.dtype(np.float32), np.dtype(np.float64))
_SCALARS = {DTYPES[0]: types.float32, DTYPES[1]: types.float64}
_C_TYPES: dict[Any, Any] = {
    "i": ctypes.c_int64,
    "d": ctypes.c_double,
    DTYPES[0]: ctypes.c_float,
    DTYPES[1]: ctypes.c_double,
}
_PACKAGE = Path(__file__).resolve().parent

_units: dict[str, Unit] = {}
_watchers: list[Callable[[], None]] = []
_prepared: dict[np.dtype, int] = {}  # how many units there were
_lock = threading.RLock()
_compiled = 0
_stamp: str | None = None
_stamp_cell = ctypes.c_int64()
_STAMP_SYMBOL = "fastff_stamp"


def intrinsic(twin: Callable[..., Any], **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Make an LLVM emitter an intrinsic of numba with a scalar twin of the same signature.

    Parameters
    ----------
    twin : function
        Does the same in plain Python; it is what runs where compilation is disabled.
    **options
        Passed to `numba.extending.intrinsic`.
    """

    def decorate(emit: Callable[..., Any]) -> Any:
        if DISABLED:
            return twin
        return extending.intrinsic(**options)(emit) if options else extending.intrinsic(emit)

    return decorate


def inline(function: Callable[..., Any]) -> Any:
    """Compile a small function into the units that call it; for Python it stays what it is.

    LLVM does that: numba's own inlining would copy it into each caller's code before the types are known, and double
    the compile time of a unit that calls some ten times.
    """
    options = {"nogil": True, "error_model": "numpy", "forceinline": True, "no_cpython_wrapper": True}
    return function if DISABLED else extending.register_jitable(**options)(function)


def package_stamp() -> str:
    """Digest of every source file of the package: part of each cache key, so that no edit or upgrade runs old code.

    numba's own key looks at the file of the compiled function only.
    """
    global _stamp
    if _stamp is None:
        digest = hashlib.sha256()
        for path in sorted(_PACKAGE.rglob("*.py")):
            digest.update(str(path.relative_to(_PACKAGE)).encode())
            digest.update(path.read_bytes())
        _stamp = digest.hexdigest()
    return _stamp


def stamp_number() -> int:
    """The stamp of the package as an int64, which machine code of a user's own cache compares with its own."""
    _stamp_cell.value = int(package_stamp()[:15], 16)
    if not DISABLED:
        binding.add_symbol(_STAMP_SYMBOL, ctypes.addressof(_stamp_cell))
    return _stamp_cell.value


@intrinsic(stamp_number)
def present_stamp(typing_context: Any) -> Any:
    """The stamp of the package that runs, where the one a constant holds was that of the package that was compiled."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        cell = builder.module.globals.get(_STAMP_SYMBOL)
        if cell is None:
            cell = ir.GlobalVariable(builder.module, ir.IntType(64), _STAMP_SYMBOL)
        return builder.load(cell)

    return types.int64(), codegen


class _Files(IndexDataCacheFile):
    """Files of one function: an index, and one file a signature whose name no other signature or version takes.

    numba numbers them, so that two processes that save at once could leave one's code under the other's key.
    """

    def save(self, key: Any, data: Any) -> None:
        """Save machine code; a disk that is full costs the next process a compilation, and nothing else."""
        base = self._index_name.removesuffix(".nbi")
        name = f"{base}.{hashlib.sha256(repr((self._source_stamp, key)).encode()).hexdigest()[:16]}.nbc"
        with contextlib.suppress(OSError):
            overloads = self._load_index()
            if not overloads:
                # the first of this version removes what others have left
                for path in Path(self._cache_path).glob("*.nbc"):
                    if path.name.startswith(f"{base}."):
                        path.unlink(missing_ok=True)
            if key not in overloads:
                self._save_index({**overloads, key: name})
            self._save_data(name, (_symbols(data), data))


def _symbols(data: Any) -> list[str]:
    """Names that a compiled function, as numba saves it, expects to find in the process."""
    (_, _, (_, bitcode)), *_ = data
    functions = binding.parse_bitcode(bitcode).functions
    return [each.name for each in functions if each.is_declaration and not each.name.startswith("llvm.")]


def _are_known(symbols: list[str]) -> bool:
    return all(binding.address_of_symbol(name) for name in symbols)


class PackageCache(FunctionCache):
    """numba's cache of compiled functions, stamped with the whole package instead of one file."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._cache_file = _Files(
            cache_path=self._cache_path, filename_base=self._impl.filename_base, source_stamp=package_stamp()
        )

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Load machine code, or return None.

        numba first readies its compiler: half a second, and of no use to what is compiled already. LLVM ends the
        process where a name is missing, so they are looked up before.
        """
        with self._guard_against_spurious_io_errors():
            found = self._cache_file.load(self._index_key(sig, target_context.codegen()))
            if found is None:
                return None
            symbols, data = found
            if not _are_known(symbols):
                rtsys.initialize(target_context)
            if not _are_known(symbols):
                target_context.refresh()
            return self._impl.rebuild(target_context, data)


def cache_for(function: Callable[..., Any]) -> Any:
    """The cache of a function, or none where no file can be kept: it is then compiled anew in each process."""
    try:
        return PackageCache(function)
    except RuntimeError:
        return NullCache()


class Unit:
    """A function of a scalar that tells the dtype, then addresses and sizes; one compiled instance a dtype.

    Parameters
    ----------
    function : function
        ``function(like, *arguments) -> int``, in the subset of Python that numba compiles.
    arguments : str
        One letter an argument after `like`: ``i`` int64, ``d`` float64.
    rare : bool
        Whether `prepare` passes it over: it is compiled where it is first called.
    """

    def __init__(self, function: Callable[..., int], arguments: str, rare: bool = False) -> None:
        self.name, self.rare = function.__name__, rare
        self.function = function
        self.arguments = arguments
        self._callable: dict[np.dtype, Callable[..., int]] = {}
        self._compiled: dict[np.dtype, CFunc] = {}
        # two entries a unit, float32 and float64; machine code reads them through the symbol of the unit
        self._table = (ctypes.c_int64 * 2)()
        self._trampolines = [self._trampoline(dtype) for dtype in DTYPES] if not DISABLED else []
        for entry, trampoline in enumerate(self._trampolines):
            self._table[entry] = ctypes.cast(trampoline, ctypes.c_void_p).value or 0
        if not DISABLED:
            binding.add_symbol(symbol(self.name), ctypes.addressof(self._table))

    def __getitem__(self, dtype: np.dtype) -> Callable[..., int]:
        """The callable of a dtype, compiled or loaded from the cache where that has not been done yet."""
        found = self._callable.get(dtype)
        return self._compile(dtype) if found is None else found

    def _prototype(self, dtype: np.dtype) -> Any:
        return ctypes.CFUNCTYPE(ctypes.c_int64, _C_TYPES[dtype], *(_C_TYPES[letter] for letter in self.arguments))

    def _trampoline(self, dtype: np.dtype) -> Any:
        return self._prototype(dtype)(lambda *arguments: self[dtype](*arguments))

    def bound(self, dtype: np.dtype, *arguments: float) -> Callable[[], int]:
        """A call with these arguments, ready: ctypes takes 90 ns to convert an int, and objects of its own at once."""
        call = self[dtype]
        if DISABLED:
            return functools.partial(call, 0.0, *arguments)
        kinds = (_C_TYPES[letter] for letter in (dtype, *self.arguments))
        return functools.partial(call, *(kind(value) for kind, value in zip(kinds, (0.0, *arguments), strict=True)))

    def _compile(self, dtype: np.dtype) -> Callable[..., int]:
        global _compiled
        with _lock:
            if dtype in self._callable:
                return self._callable[dtype]
            if DISABLED:
                kind = dtype.type
                self._callable[dtype] = lambda like, *arguments: _invoke_twin(self, kind(like), arguments)
                return self._callable[dtype]
            letters = {"i": types.int64, "d": types.float64}
            signature = types.int64(_SCALARS[dtype], *(letters[letter] for letter in self.arguments))
            compiled = CFunc(
                self.function, (signature.args, signature.return_type), {}, {"nopython": True, "error_model": "numpy"}
            )
            compiled._cache = cache_for(self.function)
            # a unit that is not in the cache takes long enough to be announced
            if not _is_cached(compiled):
                for watcher in _watchers:
                    watcher()
            compiled.compile()
            self._compiled[dtype] = compiled
            self._table[DTYPES.index(dtype)] = compiled.address
            # CFUNCTYPE releases the GIL for the call
            self._callable[dtype] = self._prototype(dtype)(compiled.address)
            _compiled += 1
            return self._callable[dtype]


def unit(arguments: str, rare: bool = False) -> Callable[[Callable[..., int]], Unit]:
    """Make a function a `Unit`. Its name is its key in the table and must be the only one of that name."""

    def decorate(function: Callable[..., int]) -> Unit:
        name = function.__name__
        if name in _units:
            raise ValueError(f"a unit named {name!r} exists already")
        _units[name] = Unit(function, arguments, rare)
        return _units[name]

    return decorate


def symbol(name: str) -> str:
    """The linker's name of a unit's table entries."""
    return f"fastff_{name}"


class UnitType(types.Opaque):
    """numba's type of one unit: nothing is known of it at run time but where its table stands."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        super().__init__(f"Unit({unit.name})")


register_model(UnitType)(OpaqueModel)


@typeof_impl.register(Unit)
def _type_of_unit(unit: Unit, context: Any) -> UnitType:
    return UnitType(unit)


@lower_constant(UnitType)
def _unit_constant(context: Any, builder: ir.IRBuilder, kind: UnitType, unit: Unit) -> ir.Value:
    return context.get_dummy_value()


def _invoke_twin(unit: Unit, like: Any, arguments: tuple[Any, ...]) -> int:
    # addresses may be integers of NumPy, which ctypes does not take
    plain = (int(value) if letter == "i" else value for value, letter in zip(arguments, unit.arguments, strict=True))
    return unit.function(like, *plain)


@intrinsic(_invoke_twin)
def invoke(typing_context: Any, unit: Any, like: Any, arguments: Any) -> Any:
    """``invoke(product, like, (m, n, ...))`` calls a unit in the dtype of `like`, from compiled code."""
    dtype = 0 if like == types.float32 else 1
    letters = "".join(
        "i" if isinstance(kind, types.Integer) else "d" if kind == types.float64 else "?" for kind in arguments
    )
    if letters != unit.unit.arguments:
        raise TypingError(f"unit {unit.unit.name} takes {unit.unit.arguments}, not {letters}")
    signature = types.int64(unit, like, arguments)

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        i64 = ir.IntType(64)
        name = symbol(unit.unit.name)
        table = builder.module.globals.get(name)
        if table is None:
            table = ir.GlobalVariable(builder.module, ir.ArrayType(i64, 2), name)
        address = builder.load(builder.gep(table, [ir.IntType(32)(0), ir.IntType(32)(dtype)]))
        given = [values[1]] + [builder.extract_value(values[2], i) for i in range(len(arguments))]
        given = [
            context.cast(builder, v, kind, types.int64) if isinstance(kind, types.Integer) else v
            for v, kind in zip(given, [like, *arguments], strict=True)
        ]
        function = builder.inttoptr(address, ir.FunctionType(i64, [v.type for v in given]).as_pointer())
        return builder.call(function, given)

    return signature, codegen


def _is_cached(compiled: CFunc) -> bool:
    cache: Any = compiled._cache
    if not isinstance(cache, PackageCache):
        return False
    index = cache._cache_file._load_index()
    codegen = compiled._targetdescr.target_context.codegen()
    return cache._index_key(compiled._sig, codegen) in index


def on_compile(watcher: Callable[[], None]) -> None:
    """Have `watcher` called before each unit that must be compiled because the cache does not hold it."""
    _watchers.append(watcher)


def compilations() -> int:
    """Number of units that were compiled, or loaded from the cache, in this process so far."""
    return _compiled


def prepare(dtype: np.dtype) -> None:
    """Compile or load all units of a dtype but the rare ones."""
    if _prepared.get(dtype) == len(_units):
        return
    for each in _units.values():
        if not each.rare:
            each[np.dtype(dtype)]
    _prepared[dtype] = len(_units)


def warm_up() -> Iterator[tuple[str, str, float]]:
    """Compile and cache every unit for both dtypes; yields name, dtype and seconds of each."""
    for dtype in DTYPES:
        for each in _units.values():
            start = time.perf_counter()
            each[dtype]
            yield each.name, dtype.name, time.perf_counter() - start
