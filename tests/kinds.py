"""The same numbers as arrays of other kinds: dtypes, orders of bytes, layouts, subclasses."""

import pickle

import numpy as np


def changed(array, name):
    """The same numbers as an array of another kind."""
    raw = np.zeros(array.nbytes + 1, np.uint8)
    unaligned = raw[1:].view(array.dtype).reshape(array.shape)
    unaligned[...] = array
    frozen = array.copy()
    frozen.flags.writeable = False
    return {
        "list": array.tolist(),
        "integers": array.astype("i8"),
        "other dtype": array.astype("f4" if array.dtype == "f8" else "f8"),
        "other bytes": array.astype(array.dtype.newbyteorder()),
        "columns": np.asfortranarray(array),
        "every second": np.repeat(array, 2, axis=0)[::2],
        "unaligned": unaligned,
        "read-only": frozen,
        "matrix": array.view(np.matrix),
        "pickled": pickle.loads(pickle.dumps(array)),
    }[name]


KINDS = (
    "list",
    "integers",
    "other dtype",
    "other bytes",
    "columns",
    "every second",
    "unaligned",
    "read-only",
    "matrix",
    "pickled",
)
