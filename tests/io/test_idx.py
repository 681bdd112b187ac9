import gzip
import struct

import numpy as np
import pytest

from fastff.io import read_data
from fastff.io.idx import read_idx

CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx(array):
    """An IDX file's bytes."""
    code = CODES[array.dtype.str[1:]]
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_every_kind_of_number(tmp_path, dtype, pack):
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    (tmp_path / "file").write_bytes(pack(idx(array)))
    read = read_idx(tmp_path / "file")
    assert read.dtype == array.dtype
    np.testing.assert_array_equal(read, array)


GOOD = idx(np.zeros((2, 3), np.uint8))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an IDX file"),
        (b"\x89PNG\r\n", "not an IDX file"),
        (b"\0\0\x07\x01\0\0\0\0", "not an IDX file"),
        (b"\0\0\x08\0", "not an IDX file"),
        (GOOD[:6], "holds less"),
        (GOOD[:-1], "holds less"),
        (GOOD + b"\0", "holds more"),
        (struct.pack(">BBBB3I", 0, 0, 8, 3, 2**32 - 1, 2**32 - 1, 2**31), "holds less"),
        (gzip.compress(GOOD)[:-12], "damaged gzip"),
        (gzip.compress(GOOD)[:20] + b"\xff\xff\xff" + gzip.compress(GOOD)[23:], "damaged gzip"),
    ],
)
def test_damage_is_told(tmp_path, content, message):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_idx(tmp_path / "file")


def write_images(folder, packed=False, names=("train", "t10k")):
    """A folder as MNIST's, of ten and four images."""
    rng = np.random.default_rng(0)
    for name, rows in zip(names, (10, 4), strict=False):
        for kind, array in (
            ("images-idx3", rng.integers(0, 256, (rows, 5, 5), np.uint8)),
            ("labels-idx1", np.arange(rows, dtype=np.uint8) % 3),
        ):
            content = idx(array)
            path = folder / f"{name}-{kind}-ubyte{'.gz' if packed else ''}"
            path.write_bytes(gzip.compress(content) if packed else content)


@pytest.mark.parametrize("packed", [False, True])
def test_folder(tmp_path, packed):
    write_images(tmp_path, packed)
    data = read_data(tmp_path)
    assert data.features["pixels"].shape == (10, 25)
    assert data.target_name == "label"
    np.testing.assert_array_equal(data.target, np.arange(10) % 3)
    assert data.held_out is not None
    assert data.held_out.features["pixels"].shape == (4, 25)
    assert read_data(next(tmp_path.glob("t10k-images*"))).rows == 4


def test_folder_prefers_the_unpacked_file(tmp_path):
    write_images(tmp_path, packed=True)
    write_images(tmp_path, packed=False)
    assert read_data(tmp_path).rows == 10


def test_folder_without_a_test_set(tmp_path):
    write_images(tmp_path, names=("train",))
    assert read_data(tmp_path).held_out is None


def test_folder_that_does_not_fit(tmp_path):
    with pytest.raises(ValueError, match="no IDX files in this folder"):
        read_data(tmp_path)
    write_images(tmp_path)
    with pytest.raises(ValueError, match="target of these files is 'label'"):
        read_data(tmp_path, target="digit")
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(np.zeros(9, np.uint8)))
    with pytest.raises(ValueError, match="10 images but labels of shape"):
        read_data(tmp_path)
