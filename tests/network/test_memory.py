"""Buffers of compiled code: where they begin, how rows are padded, and the address of any array."""

import numpy as np
import pytest

from fastff.network import memory
from fastff.network.memory import ALIGNMENT, address_of, aligned, padded_row

pytestmark = pytest.mark.portable


@pytest.mark.parametrize("n_bytes", [0, 1, 127, 1000])
def test_buffers_begin_at_lines(n_bytes):
    memory = aligned(n_bytes)
    assert memory.ctypes.data % ALIGNMENT == 0
    # a vector may be written behind the last number
    assert memory.size >= n_bytes + 64


@pytest.mark.parametrize("itemsize", [4, 8])
def test_rows_are_padded(itemsize):
    for width in (1, 3, 15, 16, 17, 128, 256, 1000, 1024):
        row = padded_row(width, itemsize)
        assert row >= width * itemsize
        assert row % 16 == 0
        assert row % 1024 != 0


def test_the_address_of_any_array(tmp_path):
    base = np.arange(24.0).reshape(4, 6)
    frozen = base.copy()
    frozen.flags.writeable = False
    mapped = np.memmap(tmp_path / "numbers", "f8", "w+", shape=(2, 2))
    arrays = [
        base,
        base[1:],
        base[::2, ::-1],
        base[:0],
        np.float32([1]),
        np.array(3.0),
        frozen,
        mapped,
        np.empty((0, 3)),
    ]
    for array in (*arrays, base.view(np.matrix), np.ma.array(base), np.frombuffer(b"12345678")):
        assert address_of(array) == array.ctypes.data


def test_looking_into_objects_where_they_look_otherwise(monkeypatch):
    """Then arrays are asked."""
    assert memory._peeking_works() == memory.PEEKS
    monkeypatch.setattr(memory, "_is_seen", lambda array: False)
    assert not memory._peeking_works()
    assert memory._ask(np.ones(3)[1:]) != 0
