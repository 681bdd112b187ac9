"""The IDX format of MNIST: a header of sizes, then the numbers, big-endian, plain or gzip."""

from __future__ import annotations

import gzip
import math
import os
import zlib
from pathlib import Path

import numpy as np

_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_PIECE = 1 << 24


def is_idx(path: str | os.PathLike[str]) -> bool:
    """Tell from its name whether a file is an IDX file, as ``train-images-idx3-ubyte.gz`` is."""
    name = Path(path).name
    return "idx" in name and name.removesuffix(".gz").endswith("byte")


def read_idx(path: str | os.PathLike[str]) -> np.ndarray:
    """Read one IDX file.

    Parameters
    ----------
    path : path-like
        The file, plain or gzip, whatever its name.

    Returns
    -------
    ndarray
        Of the sizes and the dtype that the header tells, in native byte order.

    Raises
    ------
    ValueError
        If the header is not one of IDX, or the file holds less or more than it announces.

    References
    ----------
    LeCun, Cortes, Burges, "The MNIST database of handwritten digits", 1998: the format's description.
    """
    path = Path(path)
    with open(path, "rb") as raw:
        zipped = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        try:
            with gzip.open(raw) if zipped else raw as file:
                magic = file.read(4)
                if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _DTYPES or magic[3] == 0:
                    raise ValueError(f"{path}: not an IDX file, it starts with {magic.hex(' ')}")
                dtype = np.dtype(_DTYPES[magic[2]])
                header = file.read(4 * magic[3])
                sizes = [int(size) for size in np.frombuffer(header[: len(header) // 4 * 4], ">u4")]
                wanted = math.prod(sizes) * dtype.itemsize if len(sizes) == magic[3] else 0
                # piece by piece: memory grows with what is there, not with what is announced; one byte more than
                # announced tells a file that is longer
                content = bytearray()
                while len(content) <= wanted and (piece := file.read(min(_PIECE, wanted + 1 - len(content)))):
                    content += piece
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ValueError(f"{path}: damaged gzip file ({error})") from error
    if len(sizes) < magic[3] or len(content) != wanted:
        held = "more" if len(content) > wanted else "less"
        raise ValueError(f"{path}: the header announces sizes {sizes}, the file holds {held}")
    return np.frombuffer(content, dtype).reshape(sizes).astype(dtype.newbyteorder("="))
