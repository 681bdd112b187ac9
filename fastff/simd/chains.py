"""Fused multiply-adds that wait for nothing and read no memory: what the processor's units can do at most."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types

from fastff._cpu import ROW, lanes
from fastff._jit import intrinsic, unit
from fastff.simd.blocks import close_loop, open_loop
from fastff.simd.lanes import I64, Vectors
from fastff.simd.memory import view

#: Chains that do not wait for each other: more than latency times throughput of any processor's units, and a register
#: each. Where there are 32 registers more chains find the peak on processors with four units as well.
CHAINS = 12 if ROW.name in ("avx2", "plain") else 24
#: Every chain goes towards ``ADDEND / (1 - FACTOR)``, from wherever it starts.
FACTOR, ADDEND = 0.5, 0.25


def chain_numbers(itemsize: int) -> int:
    """Numbers that the chains are made of.

    Examples
    --------
    >>> chain_numbers(4) == 2 * chain_numbers(8)
    True
    """
    return CHAINS * lanes(itemsize)


def _chain_twin(like: Any, repeats: int, numbers: int) -> None:
    chains = view(numbers, like, chain_numbers(like.dtype.itemsize))
    for _ in range(repeats):
        chains *= type(like)(FACTOR)
        chains += type(like)(ADDEND)


@intrinsic(_chain_twin)
def chain(typing_context: Any, like: Any, repeats: Any, numbers: Any) -> Any:
    """``a = FACTOR a + ADDEND``, `repeats` times, for each of the CHAINS vectors at `numbers`, which are *updated*."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        v = Vectors(builder, like)
        factor, addend = v.constant(FACTOR), v.constant(ADDEND)
        places = [builder.add(values[2], I64(c * v.width * v.size)) for c in range(CHAINS)]
        # where they start is read from memory, so that no chain is known to be another one, or to end somewhere
        starts = [v.load(place) for place in places]
        index, entry, body, leave = open_loop(builder, values[1], "chain")
        sums = [builder.phi(v.type) for _ in places]
        after = [v.fma(total, factor, addend) for total in sums]
        for total, start, following in zip(sums, starts, after, strict=True):
            total.add_incoming(start, entry)
            total.add_incoming(following, body)
        close_loop(builder, index, builder.add(index, I64(1)), values[1], body, leave)
        ends = [builder.phi(v.type) for _ in places]
        for place, end, start, following in zip(places, ends, starts, after, strict=True):
            end.add_incoming(start, entry)
            end.add_incoming(following, body)
            v.store(end, place)
        return context.get_dummy_value()

    return types.void(like, types.int64, types.int64), codegen


@unit("ii")
def multiply_add_chains(like: Any, repeats: int, numbers: int) -> int:
    """Run the chains: ``2 * repeats * chain_numbers(itemsize)`` floating-point operations.

    Parameters
    ----------
    repeats : int
        Multiply-adds of each chain.
    numbers : int
        Address of `chain_numbers` numbers. *Updated.*
    """
    chain(like, repeats, numbers)
    return 0
