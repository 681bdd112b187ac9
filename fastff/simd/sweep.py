"""Loops of vector code over adjacent numbers, with a part of a vector at the end.

A sweep runs its body in two passes: over whole vectors, and once more over what is left. Where masks are free the
second pass loads and stores under a mask; elsewhere it works on copies in whole vectors on the stack, and only their
way in and out is masked. So the body is emitted once, and the loop over whole vectors pays nothing for the tail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from llvmlite import ir

from fastff._cpu import ROW
from fastff.simd.blocks import keep_rolled
from fastff.simd.lanes import I1, I64, Vectors
from fastff.simd.words import Lanes, Number

Body = Callable[[Lanes, list[Number], list[ir.Value], ir.Value, ir.Value], tuple[list[Number], list[ir.Value]]]


def stack_room(v: Vectors, vectors: int = 1) -> ir.Value:
    """Address of room for some vectors on the stack."""
    with v.builder.goto_entry_block():
        room = v.builder.alloca(v.type, vectors)
    return v.builder.ptrtoint(room, I64)


def sweep(
    v: Vectors,
    count: ir.Value,
    sources: Sequence[ir.Value],
    targets: Sequence[ir.Value],
    body: Body,
    carry: Sequence[ir.Value] = (),
) -> list[ir.Value]:
    """Emit a sweep over `count` numbers.

    Parameters
    ----------
    v : Vectors
        The kind of vector, and the builder.
    count : ir.Value
        int64; nothing is done where it is not positive.
    sources, targets : sequence of ir.Value
        Addresses (int64) of what is read and what is written. A target may be a source, or not overlap any.
    body : function
        ``body(o, x, carry, mask, index) -> (y, carry)``: the numbers of the sources, what the vector before handed
        on, the mask of valid lanes, and the index of the first lane; gives the numbers of the targets and what to
        hand on. Lanes outside the mask hold zeros.
    carry : sequence of ir.Value
        What the first vector gets.

    Returns
    -------
    list of ir.Value
        What the last vector handed on.
    """
    builder = v.builder
    step = I64(v.width * v.size)
    addresses = [*sources, *targets]
    everything = ir.Constant(v.mask_type, [1] * v.width)
    whole = builder.sdiv(count, I64(v.width))
    rest = builder.srem(count, I64(v.width))
    done = builder.mul(whole, step)
    rooms = [] if ROW.masked else [stack_room(v) for _ in addresses]
    tail_mask = v.first(rest)
    entry = builder.block
    start, loop, end, tail, leave = (
        builder.append_basic_block(name) for name in ("sweep", "vectors", "swept", "tail", "leave")
    )
    builder.branch(start)

    builder.position_at_end(start)
    last = builder.phi(I1)
    left_ = builder.phi(I64)
    index_ = builder.phi(I64)
    mask = builder.phi(v.mask_type)
    bases = [builder.phi(I64) for _ in addresses]
    handed = [builder.phi(value.type) for value in carry]
    builder.cbranch(builder.icmp_signed(">", left_, I64(0)), loop, end)

    builder.position_at_end(loop)
    left, offset, index = builder.phi(I64), builder.phi(I64), builder.phi(I64)
    state = [builder.phi(value.type) for value in carry]
    places = [builder.add(base, offset) for base in bases]
    use = mask if ROW.masked else None
    o = Lanes(v)
    x = [o.wrap(v.load(place, use)) for place in places[: len(sources)]]
    results, after = body(o, x, list(state), mask, index)
    for result, place in zip(results, places[len(sources) :], strict=True):
        v.store(result.value, place, use)
    following = builder.sub(left, I64(1))
    body_end = builder.block
    for phi, first, then in (
        (left, left_, following),
        (offset, I64(0), builder.add(offset, step)),
        (index, index_, builder.add(index, I64(v.width))),
        *zip(state, handed, after, strict=True),
    ):
        phi.add_incoming(first, start)
        phi.add_incoming(then, body_end)
    keep_rolled(builder, builder.cbranch(builder.icmp_signed(">", following, I64(0)), loop, end))

    builder.position_at_end(end)
    result_state = [builder.phi(value.type) for value in carry]
    for merged, first, then in zip(result_state, handed, after, strict=True):
        merged.add_incoming(first, start)
        merged.add_incoming(then, body_end)
    finish = builder.append_basic_block("finish")
    builder.cbranch(builder.or_(last, builder.icmp_signed("<=", rest, I64(0))), finish, tail)

    builder.position_at_end(tail)
    ends = [builder.add(address, done) for address in addresses]
    if not ROW.masked:
        for room, place in zip(rooms, ends[: len(sources)]):
            v.store(v.load(place, tail_mask), room)
    begun = builder.mul(whole, I64(v.width))
    builder.branch(start)
    for phi, first, then in (
        (last, I1(0), I1(1)),
        (left_, whole, I64(1)),
        (index_, I64(0), begun),
        (mask, everything, tail_mask),
        *zip(bases, addresses, ends if ROW.masked else rooms, strict=True),
        *zip(handed, carry, result_state, strict=True),
    ):
        phi.add_incoming(first, entry)
        phi.add_incoming(then, tail)

    builder.position_at_end(finish)
    if ROW.masked or not targets:
        builder.branch(leave)
    else:
        write = builder.append_basic_block("write")
        builder.cbranch(last, write, leave)
        builder.position_at_end(write)
        for room, address in zip(rooms[len(sources) :], targets):
            v.store(v.load(room), builder.add(address, done), tail_mask)
        builder.branch(leave)
    builder.position_at_end(leave)
    return result_state


def switch(builder: ir.IRBuilder, code: ir.Value, cases: Iterable[int], emit: Callable[[int], None]) -> None:
    """Emit ``emit(case)`` for every case, and a jump to the one that `code` (int64) says; none for an unknown code."""
    leave = builder.append_basic_block("known")
    jump = builder.switch(code, leave)
    for case in cases:
        block = builder.append_basic_block(f"case.{case}")
        jump.add_case(I64(case), block)
        builder.position_at_end(block)
        emit(case)
        builder.branch(leave)
    builder.position_at_end(leave)
