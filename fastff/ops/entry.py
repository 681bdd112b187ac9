"""The way into a compiled kernel from Python: nothing between a call that fits and the machine code.

A call whose arrays fit goes straight to numba's dispatcher, which knows them by their types. Any other call makes it
raise, and only then is there time to look closer: to say what is wrong, or to bring arrays of other layouts into shape.

One thing numba does not see: it remembers the type of an unaligned array by a fingerprint that does not hold the order
of bytes, and from then on takes arrays of the other order for native ones. So kernels look at that themselves.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import from_dtype, njit, types
from numba.core.errors import TypingError

from fastff._jit import DISABLED, DTYPES, cache_for

_lock = threading.Lock()


def _nothing(*arguments: Any) -> bool:
    return False


class Entry:
    """A compiled function on arrays with its checks.

    Parameters
    ----------
    name : str
        The public kernel's, for messages.
    core : function
        ``core(*arrays, *numbers) -> bool``: whether shapes fitted; nothing is written where they did not.
    shapes : dict
        Symbolic shape of each array argument by name, in their order: ``{"x": ("batch", "in")}``.
    written : str
        The array that is written.
    optional : str
        An array that may be None.

    Attributes
    ----------
    compiled : function
        The kernel for native arrays of the layouts it is compiled for: as `core`. It raises TypeError for all others.
    """

    def __init__(
        self, name: str, core: Callable[..., bool], shapes: dict[str, tuple[str, ...]], written: str, optional: str = ""
    ) -> None:
        self.name, self.core, self.shapes, self.written, self.optional = name, core, shapes, written, optional
        self._numbers = core.__code__.co_varnames[len(shapes) : core.__code__.co_argcount]
        # a dispatcher that must not compile by itself, as it would for every other layout; without signatures it may
        # not say so
        self.compiled: Any = _nothing
        self._dispatcher: Any = core
        if not DISABLED:
            self._dispatcher = njit(nogil=True, error_model="numpy")(core)
            self._dispatcher._cache = cache_for(core)

    def slowly(self, *arguments: Any) -> None:
        """Check everything, bring arrays into the compiled layout, compile for their dtype if that is to do; run."""
        arrays = dict(zip(self.shapes, arguments, strict=False))
        self.check(arrays)
        numbers = [self._number(*each) for each in zip(self._numbers, arguments[len(self.shapes) :], strict=True)]
        ready = {
            name: None
            if array is None
            else np.require(array, requirements=["C", "W"] if name == self.written else ["C"])
            for name, array in arrays.items()
        }
        # a read-only array is a type of its own to numba: a copy is cheaper than another compilation
        ready = {
            name: array.copy() if array is not None and not array.flags.writeable else array
            for name, array in ready.items()
        }
        target = arrays[self.written]
        if ready[self.written] is not target and np.shares_memory(ready[self.written], target):
            ready[self.written] = target.copy()
        if not DISABLED:
            self._compile(ready)
        if not self._dispatcher(*ready.values(), *numbers):
            raise AssertionError(f"{self.name}: shapes were checked and did not fit")
        if ready[self.written] is not target:
            target[...] = ready[self.written]

    def _number(self, name: str, value: Any) -> float:
        try:
            return float(value)
        except (TypeError, ValueError):
            given = f"{value!r} of type {type(value).__name__}"
            raise TypeError(f"{self.name}: {name} must be a number, not {given}") from None

    def _compile(self, arrays: dict[str, Any]) -> None:
        kinds = [
            types.none if array is None else types.Array(from_dtype(array.dtype), array.ndim, "C")
            for array in arrays.values()
        ]
        signature = (*kinds, *[types.float64] * len(self._numbers))
        if signature not in self._dispatcher.overloads:
            with _lock:
                self._dispatcher.disable_compile(False)
                self._dispatcher.compile(signature)
                self._dispatcher.disable_compile()
                self.compiled = self._dispatcher

    def check(self, arrays: dict[str, Any]) -> None:
        """Raise TypeError or ValueError for the first array that does not fit: what it is, what it should be."""
        sizes: dict[str, tuple[int, str]] = {}
        dtype, first = None, ""
        for name, shape in self.shapes.items():
            array = arrays[name]
            if array is None and name == self.optional:
                continue
            wanted = f"({', '.join(shape)}{',' if len(shape) == 1 else ''})"
            if not isinstance(array, np.ndarray):
                raise TypeError(f"{self.name}: {name} must be an array of shape {wanted}, not {type(array).__name__}")
            if array.dtype not in DTYPES:
                raise TypeError(f"{self.name}: {name} must be float32 or float64, not {array.dtype}")
            if dtype is not None and array.dtype != dtype:
                raise TypeError(f"{self.name}: {name} must be {dtype} as {first} is, not {array.dtype}")
            dtype, first = (array.dtype, name) if dtype is None else (dtype, first)
            if array.ndim != len(shape):
                raise ValueError(f"{self.name}: {name} must have shape {wanted}, not {array.shape}")
            for axis, symbol in enumerate(shape):
                size, source = sizes.setdefault(symbol, (array.shape[axis], name))
                if array.shape[axis] != size:
                    given = f"{name} has shape {array.shape} where {wanted} is wanted"
                    raise ValueError(f"{self.name}: {given}, and {symbol} is {size} by {source}")
            if name == self.written and not array.flags.writeable:
                raise ValueError(f"{self.name}: {name} is written, and the array given is read-only")
        target = arrays[self.written]
        for name, array in arrays.items():
            if (
                name != self.written
                and array is not None
                and np.may_share_memory(array, target)
                and np.shares_memory(array, target)
            ):
                raise ValueError(f"{self.name}: {self.written} must not overlap {name}")

    def check_types(self, *kinds: Any) -> None:
        """The same for numba's types, while a user's function is being compiled: dtypes, dimensions and layout."""
        dtype, first = None, ""
        for (name, shape), kind in zip(self.shapes.items(), kinds, strict=False):
            if name == self.optional and kind in (types.none, None):
                continue
            if not isinstance(kind, types.Array):
                raise TypingError(f"{self.name}: {name} must be an array of {len(shape)} dimensions, not {kind}")
            if kind.dtype not in (types.float32, types.float64):
                raise TypingError(f"{self.name}: {name} must be float32 or float64, not {kind.dtype}")
            if dtype is not None and kind.dtype != dtype:
                raise TypingError(f"{self.name}: {name} must be {dtype} as {first} is, not {kind.dtype}")
            dtype, first = (kind.dtype, name) if dtype is None else (dtype, first)
            if kind.ndim != len(shape):
                raise TypingError(f"{self.name}: {name} must have {len(shape)} dimensions, not {kind.ndim}")
            if kind.layout != "C":
                raise TypingError(
                    f"{self.name}: {name} must be C-contiguous in compiled code; numpy.ascontiguousarray makes it so"
                )
            if name == self.written and not kind.mutable:
                raise TypingError(f"{self.name}: {name} is written, and its type is a read-only array")
