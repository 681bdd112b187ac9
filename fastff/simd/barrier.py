"""What a team of threads needs inside compiled code: an atomic counter, and waiting that is short or polite.

A barrier is three int64 on cache lines of their own: arrivals, the number of times it has opened, and how often waiting
threads gave their core away. Waiting spins, and after some thousand turns gives the core away at each look, so that a
team on a busy machine does not hold up whoever it waits for.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

from llvmlite import binding, ir
from numba import types

from fastff._jit import inline, intrinsic
from fastff.simd.memory import _get_int_twin, _put_int_twin

#: Bytes of a barrier: its numbers are two lines apart because processors fetch lines in pairs.
BARRIER_BYTES = 384
_OPENINGS = 128
#: Where the number of yields stands.
YIELDS = 256
#: Looks before the core is given away: some 50 to 200 us, more than any phase of a step that is worth two threads
#: differs by.
_SPINS = 3000
_X86 = binding.get_default_triple().startswith("x86_64")


_adding = threading.Lock()


def _add_twin(address: int, value: int) -> int:
    with _adding:
        before = _get_int_twin(address)
        _put_int_twin(address, before + value)
    return before


@intrinsic(_add_twin)
def atomic_add(typing_context: Any, address: Any, value: Any) -> Any:
    """Add to the int64 at an address; returns what it was before."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        pointer = builder.inttoptr(values[0], ir.IntType(64).as_pointer())
        return builder.atomic_rmw("add", pointer, values[1], "seq_cst")

    return types.int64(types.int64, types.int64), codegen


@intrinsic(_get_int_twin)
def atomic_get(typing_context: Any, address: Any) -> Any:
    """The int64 at an address, as other threads left it."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        return builder.load_atomic(builder.inttoptr(values[0], ir.IntType(64).as_pointer()), "seq_cst", 8)

    return types.int64(types.int64), codegen


def _pause_twin() -> None:
    return None


@intrinsic(_pause_twin)
def pause(typing_context: Any) -> Any:
    """Tell the core that this is a waiting loop."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        if _X86:
            kind = ir.FunctionType(ir.VoidType(), [])
            name = "llvm.x86.sse2.pause"
            builder.call(builder.module.globals.get(name) or ir.Function(builder.module, kind, name), [])
        return context.get_dummy_value()

    return types.void(), codegen


def _give_way_twin() -> None:
    if hasattr(os, "sched_yield"):
        os.sched_yield()


@intrinsic(_give_way_twin)
def give_way(typing_context: Any) -> Any:
    """Let another thread have the core."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        if sys.platform != "win32":
            kind = ir.FunctionType(ir.IntType(32), [])
            builder.call(
                builder.module.globals.get("sched_yield") or ir.Function(builder.module, kind, "sched_yield"), []
            )
        return context.get_dummy_value()

    return types.void(), codegen


@inline
def wait(barrier: int, threads: int) -> None:
    """Return when all threads of a team have come here; what each wrote before is seen by all after."""
    if threads > 1:
        opened = atomic_get(barrier + _OPENINGS)
        if atomic_add(barrier, 1) == threads - 1:
            atomic_add(barrier, -threads)
            atomic_add(barrier + _OPENINGS, 1)
        else:
            spins = yields = 0
            while atomic_get(barrier + _OPENINGS) == opened:
                if spins < _SPINS:
                    spins += 1
                    pause()
                else:
                    give_way()
                    yields += 1
            if yields > 0:
                atomic_add(barrier + YIELDS, yields)
