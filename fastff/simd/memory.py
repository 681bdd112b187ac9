"""Reading and writing numbers by address.

Compiled units know arrays as addresses (int64) and strides in bytes; these intrinsics are their only way to single
numbers. The twins do the same through ctypes.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from fastff._jit import intrinsic


def c_type(like: Any) -> Any:
    """The C type of a NumPy scalar."""
    return np.ctypeslib.as_ctypes_type(np.dtype(type(like)))


def view(address: int, like: Any, count: int) -> np.ndarray:
    """Array of `count` numbers of the dtype of `like` at an address (for twins)."""
    if count <= 0:
        return np.empty(0, np.dtype(type(like)))
    return np.ctypeslib.as_array((c_type(like) * count).from_address(address))


def _get_twin(address: int, like: Any) -> Any:
    return type(like)(c_type(like).from_address(address).value)


@intrinsic(_get_twin)
def get(typing_context: Any, address: Any, like: Any) -> Any:
    """The number at an address, of the dtype of `like`."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        kind = context.get_value_type(like)
        loaded = builder.load(builder.inttoptr(values[0], kind.as_pointer()))
        loaded.align = context.get_abi_sizeof(kind)
        return loaded

    return like(types.int64, like), codegen


def _put_twin(address: int, value: Any) -> None:
    c_type(value).from_address(address).value = value.item()


@intrinsic(_put_twin)
def put(typing_context: Any, address: Any, value: Any) -> Any:
    """Write a number to an address."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        kind = context.get_value_type(value)
        stored = builder.store(values[1], builder.inttoptr(values[0], kind.as_pointer()))
        stored.align = context.get_abi_sizeof(kind)
        return context.get_dummy_value()

    return types.void(types.int64, value), codegen


def _get_int_twin(address: int) -> int:
    return ctypes.c_int64.from_address(address).value


@intrinsic(_get_int_twin)
def get_int(typing_context: Any, address: Any) -> Any:
    """The int64 at an address."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        return builder.load(builder.inttoptr(values[0], ir.IntType(64).as_pointer()))

    return types.int64(types.int64), codegen


def _get_ints_twin(address: int, places: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(_get_int_twin(address + 8 * place) for place in places)


@intrinsic(_get_ints_twin, prefer_literal=True)
def get_ints(typing_context: Any, address: Any, places: Any) -> Any:
    """Several int64 of a record as a tuple: fewer words for the compiler than one by one.

    Their places, counted in int64, are a tuple of constants.
    """
    offsets = [8 * place.literal_value for place in places]

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        word = ir.IntType(64)
        addresses = [builder.add(values[0], word(offset)) for offset in offsets]
        loaded = [builder.load(builder.inttoptr(each, word.as_pointer())) for each in addresses]
        return context.make_tuple(builder, signature.return_type, loaded)

    return types.UniTuple(types.int64, len(offsets))(types.int64, places), codegen


def _field_twin(record: int, place: int) -> int:
    return _get_int_twin(record + 8 * place)


@intrinsic(_field_twin)
def field(typing_context: Any, record: Any, place: Any) -> Any:
    """The int64 at a place of a record, counted in int64."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        word = ir.IntType(64)
        return builder.load(builder.gep(builder.inttoptr(values[0], word.as_pointer()), [values[1]]))

    return types.int64(types.int64, types.int64), codegen


def _put_int_twin(address: int, value: int) -> None:
    ctypes.c_int64.from_address(address).value = value


@intrinsic(_put_int_twin)
def put_int(typing_context: Any, address: Any, value: Any) -> Any:
    """Write an int64 to an address."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        builder.store(values[1], builder.inttoptr(values[0], ir.IntType(64).as_pointer()))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


def _get_double_twin(address: int) -> float:
    return ctypes.c_double.from_address(address).value


@intrinsic(_get_double_twin)
def get_double(typing_context: Any, address: Any) -> Any:
    """The float64 at an address."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        return builder.load(builder.inttoptr(values[0], ir.DoubleType().as_pointer()))

    return types.float64(types.int64), codegen


def _put_double_twin(address: int, value: float) -> None:
    ctypes.c_double.from_address(address).value = value


@intrinsic(_put_double_twin)
def put_double(typing_context: Any, address: Any, value: Any) -> Any:
    """Write a float64 to an address."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        builder.store(values[1], builder.inttoptr(values[0], ir.DoubleType().as_pointer()))
        return context.get_dummy_value()

    return types.void(types.int64, types.float64), codegen


def _size_twin(like: Any) -> int:
    return np.dtype(type(like)).itemsize


@intrinsic(_size_twin)
def size_of(typing_context: Any, like: Any) -> Any:
    """Bytes of a number of the dtype of `like`."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        return ir.IntType(64)(4 if like == types.float32 else 8)

    return types.int64(like), codegen


def _number_twin(value: float, like: Any) -> Any:
    return type(like)(value)


@intrinsic(_number_twin)
def number(typing_context: Any, value: Any, like: Any) -> Any:
    """A float64 in the dtype of `like`."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        return builder.fptrunc(values[0], ir.FloatType()) if like == types.float32 else values[0]

    return like(types.float64, like), codegen


def _copy_bytes_twin(target: int, source: int, n_bytes: int) -> None:
    ctypes.memmove(target, source, n_bytes)


@intrinsic(_copy_bytes_twin)
def copy_bytes(typing_context: Any, target: Any, source: Any, n_bytes: Any) -> Any:
    """Copy bytes that do not overlap."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        byte = ir.IntType(8).as_pointer()
        memcpy = builder.module.declare_intrinsic("llvm.memcpy", [byte, byte, ir.IntType(64)])
        target_, source_ = (builder.inttoptr(value, byte) for value in values[:2])
        builder.call(memcpy, [target_, source_, values[2], ir.IntType(1)(0)])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), codegen


def ask_for_line(builder: ir.IRBuilder, address: ir.Value) -> None:
    """Emit a prefetch of the line at an address (int64), which need not be valid, to the second level."""
    byte, i32 = ir.IntType(8).as_pointer(), ir.IntType(32)
    name = "llvm.prefetch.p0"
    kind = ir.FunctionType(ir.VoidType(), [byte, i32, i32, i32])
    function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
    builder.call(function, [builder.inttoptr(address, byte), i32(0), i32(2), i32(1)])


def _prefetch_twin(address: int) -> None:
    return None


@intrinsic(_prefetch_twin)
def prefetch(typing_context: Any, address: Any) -> Any:
    """Ask for the line at an address, which need not be valid, to be brought near."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        ask_for_line(builder, values[0])
        return context.get_dummy_value()

    return types.void(types.int64), codegen
