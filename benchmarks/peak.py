"""The processor's peak: fused multiply-adds on numbers that never leave the registers.

A loop of LLVM vector code, compiled here for the processor at hand, as wide as its widest registers.
"""

from __future__ import annotations

import ctypes
import functools
import threading
import time
from collections.abc import Callable

from llvmlite import binding

# Chains of multiply-adds that do not wait for each other: more than latency times throughput of any processor's units.
CHAINS = 12
REPEATS = 400_000


def _source(kind: str, lanes: int) -> str:
    vector = f"<{lanes} x {kind}>"
    name = f"llvm.fma.v{lanes}f{32 if kind == 'float' else 64}"
    constants = {
        word: f"<{', '.join([f'{kind} {value}'] * lanes)}>"
        for word, value in (("x", "0.5"), ("y", "0.25"), ("z", "0.0"))
    }
    phis = "\n".join(f"  %a{c} = phi {vector} [ {constants['z']}, %entry ], [ %b{c}, %loop ]" for c in range(CHAINS))
    steps = "\n".join(
        f"  %b{c} = call {vector} @{name}({vector} %a{c}, {vector} {constants['x']}, {vector} %y{c})"
        for c in range(CHAINS)
    )
    # every chain adds another number, so that no two of them are one
    addends = "\n".join(
        f"  %y{c} = insertelement {vector} {constants['y']}, {kind} {c}.0, i32 0" for c in range(CHAINS)
    )
    sums = "\n".join(f"  %s{c + 1} = fadd {vector} %s{c}, %b{c}" for c in range(CHAINS))
    return f"""
declare {vector} @{name}({vector}, {vector}, {vector})
define double @multiply_add(i64 %repeats) {{
entry:
{addends}
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
{phis}
{steps}
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %repeats
  br i1 %more, label %loop, label %done
done:
  %s0 = insertelement {vector} {constants["z"]}, {kind} 0.0, i32 0
{sums}
  %first = extractelement {vector} %s{CHAINS}, i32 0
  %result = {"fpext float %first to double" if kind == "float" else "fadd double %first, 0.0"}
  ret double %result
}}
"""


def _vector_bytes() -> int:
    features = binding.get_host_cpu_features()
    return 64 if features.get("avx512f") else 32 if features.get("avx2") else 16


@functools.cache
def _compiled(dtype: str) -> tuple[Callable[[int], float], int]:
    """Return the loop, and the operations of one round of it."""
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    kind, size = ("float", 4) if dtype == "float32" else ("double", 8)
    lanes = _vector_bytes() // size
    module = binding.parse_assembly(_source(kind, lanes))
    machine = binding.Target.from_default_triple().create_target_machine(
        cpu=binding.get_host_cpu_name(), features=binding.get_host_cpu_features().flatten(), opt=2
    )
    engine = binding.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    call = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int64)(engine.get_function_address("multiply_add"))
    call.engine = engine  # its code lives as long as the engine
    return call, 2 * lanes * CHAINS


def peak_rate(dtype: str = "float32", threads: int = 1) -> float:
    """Return the operations a second that so many threads reach together now, in some milliseconds."""
    call, operations = _compiled(dtype)
    team = [threading.Thread(target=call, args=(REPEATS,)) for _ in range(threads)]  # ctypes releases the GIL
    begin = time.perf_counter()
    for thread in team:
        thread.start()
    for thread in team:
        thread.join()
    return operations * REPEATS * threads / (time.perf_counter() - begin)
