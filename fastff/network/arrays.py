"""Users' arrays as compiled code wants them: C-contiguous, of the network's dtype, finite, and of shapes that fit.

Integers, booleans, float16 and objects that are numbers are converted; an array that needs no conversion is handed on
as it is, without a copy. What is given is never changed.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import numpy as np

from .._threads import get_num_threads
from ..ops.losses import BinaryCrossEntropy, CrossEntropy, Loss
from .plan import Plan

__all__ = ["all_finite", "as_rows", "as_targets", "require_finite"]

# Up to here vdot, one call into BLAS, is quickest (0.4 us for a row of 40, isfinite and all 0.9). Beyond, a sum keeps
# BLAS from waking its threads.
_SMALL = 8192
# Numbers that a further thread must find before it is worth starting: a pool takes half a millisecond to start and to
# end, in which one thread sums three million up.
_SHARE = 1 << 23


def as_rows(X: object, plan: Plan, *, finite: bool = False) -> np.ndarray:
    """Return the inputs as the network reads them.

    Parameters
    ----------
    X : array-like of shape (rows, plan.n_inputs)
        Numbers. Read.
    plan : Plan
        The network's.
    finite : bool
        Taken to be free of NaN and infinity: a large array that needs no conversion is then not read at all.

    Returns
    -------
    ndarray of shape (rows, plan.n_inputs) and the plan's dtype
        C-contiguous: X itself where it is so already.

    Raises
    ------
    ValueError
        Rows of different lengths, another width, no rows, NaN, infinity, or numbers too large for the dtype.
    TypeError
        Values that are not real numbers, or a sparse matrix.

    Examples
    --------
    >>> from fastff.network.plan import make_plan
    >>> as_rows([[1, 2]], make_plan((3, 1), (), "identity", True, "float32"))
    Traceback (most recent call last):
    ValueError: X must have 3 columns, as many as the network has inputs; it has shape (1, 2)
    """
    if type(X) is np.ndarray and _fits(X, plan.n_inputs, plan.dtype):
        return X
    given = _array("X", X)
    width = plan.n_inputs
    if given.ndim != 2:
        hint = " (X.reshape(1, -1) makes one row of it)" if given.shape == (width,) else ""
        raise ValueError(f"X must be two-dimensional, (rows, {width}); it has shape {given.shape}{hint}")
    if given.shape[1] != width:
        inputs = "column, as the network has one input" if width == 1 else "columns, as many as the network has inputs"
        raise ValueError(f"X must have {width} {inputs}; it has shape {given.shape}")
    if len(given) == 0:
        raise ValueError(f"X must have at least one row; it has shape {given.shape}")
    return _converted("X", given, plan.dtype, finite)


def as_targets(y: object, rows: int, plan: Plan, loss: Loss) -> np.ndarray:
    """Return the targets as the training reads them.

    Parameters
    ----------
    y : array-like
        Numbers ``(rows, plan.n_outputs)``, or ``(rows,)`` for one output; for cross entropy of several outputs also
        class labels ``(rows,)``, integral and from 0. Read.
    rows : int
        Number of rows of X.
    plan : Plan
        The network's.
    loss : loss object
        What compares them with the outputs: binary cross entropy wants numbers from 0 to 1, cross entropy none below 0.

    Returns
    -------
    ndarray
        ``(rows, plan.n_outputs)`` of the plan's dtype, or int64 ``(rows,)`` for labels; C-contiguous, y itself or a
        view of it where it is so already.

    Raises
    ------
    ValueError
        Another shape, labels or numbers out of range, NaN, infinity, or numbers too large for the dtype.
    TypeError
        Values that are not real numbers, or a sparse matrix.

    Examples
    --------
    >>> from fastff.network.plan import make_plan
    >>> plan = make_plan((3, 10), (), "softmax", True, "float32")
    >>> as_targets([3, 10], 2, plan, CrossEntropy())
    Traceback (most recent call last):
    ValueError: y must hold class labels from 0 to 9; y[1] is 10
    """
    width = plan.n_outputs
    targets = y if type(y) is np.ndarray else _array("y", y)
    if targets.ndim == 1 and width > 1 and isinstance(loss, CrossEntropy):
        return _labels(targets, rows, width)
    if targets.ndim == 1 and width == 1:
        targets = targets.reshape(-1, 1)
    if len(targets.shape) != 2 or targets.shape[0] != rows or not _fits(targets, width, plan.dtype):
        targets = _array("y", targets)
        if targets.shape != (rows, width):
            _refuse_shape(targets, rows, width, loss)
        targets = _converted("y", targets, plan.dtype)
    if not isinstance(loss, (CrossEntropy, BinaryCrossEntropy)):
        return targets
    if np.minimum.reduce(targets, axis=None) < 0:
        _refuse_range("y", targets, targets < 0, loss)
    if isinstance(loss, BinaryCrossEntropy) and np.maximum.reduce(targets, axis=None) > 1:
        _refuse_range("y", targets, targets > 1, loss)
    return targets


def all_finite(array: np.ndarray) -> bool:
    """Whether a C-contiguous array of floats holds neither NaN nor infinity; allocates nothing of its size."""
    if array.size <= _SMALL:
        # a square may overflow where the number is finite: the exact answer is asked then
        return math.isfinite(np.vdot(array, array)) or bool(np.isfinite(array).all())
    return math.isfinite(_sum(array)) or _first_bad(array) is None


def _sum(array: np.ndarray) -> float:
    """Return a sum over all numbers; on several threads, as it is bound by memory: MNIST in 6 ms on two, 11 on one."""
    n_threads = min(get_num_threads(), max(1, array.size // _SHARE))
    if n_threads == 1:
        return _sum_of_part(array)
    with ThreadPoolExecutor(n_threads) as pool:
        return sum(pool.map(_sum_of_part, np.array_split(array.reshape(-1), n_threads)))


def _sum_of_part(part: np.ndarray) -> float:
    with np.errstate(all="ignore"):  # a thread of its own has its own error state
        return float(part.sum())


def _fits(array: np.ndarray, width: int, dtype: np.dtype) -> bool:
    """Whether an array can be read as it is; a large one is left to the careful path."""
    return (
        array.dtype == dtype
        and array.flags.carray
        and array.ndim == 2
        and array.shape[1] == width
        and 0 < array.size <= _SMALL
        and math.isfinite(np.vdot(array, array))
    )


def _array(name: str, values: Any) -> np.ndarray:
    """Return `values` as an array of booleans, integers or floats."""
    if values is None:
        raise TypeError(f"{name} must be an array, not None")
    if hasattr(values, "toarray"):
        raise TypeError(f"{name} must be a dense array, not {type(values).__name__}: {name}.toarray() is one")
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise ValueError(f"{name} must not have masked values")
    try:
        array = np.asarray(values)
    except ValueError:
        _refuse_ragged(name)
    if array.dtype.kind == "O":
        if any(isinstance(value, (list, tuple, np.ndarray)) for value in array.flat):
            _refuse_ragged(name)
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise TypeError(f"{name} must hold real numbers only ({error})") from None
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be an array of real numbers, not of dtype {array.dtype}")
    return array


def _converted(name: str, given: np.ndarray, dtype: np.dtype, finite: bool = False) -> np.ndarray:
    """Return the array C-contiguous, aligned and of the dtype: itself, where it is so already; checked to be finite."""
    with np.errstate(all="ignore"):
        array = np.require(given, dtype, ["C", "A"])
    if not (finite and array is given and array.size > _SMALL):
        require_finite(name, array, given)
    return array


def require_finite(name: str, array: np.ndarray, given: np.ndarray) -> None:
    """Raise ValueError if an array, converted from `given`, holds NaN or infinity; the message names the place."""
    if all_finite(array):
        return
    place = _first_bad(array)
    assert place is not None
    value = given[place]
    reason = f"too large for {array.dtype}" if math.isfinite(value) else "which is not finite"
    raise ValueError(f"{name} must be finite: {name}{list(place)} is {value}, {reason}")


def _first_bad(array: np.ndarray) -> tuple[int, ...] | None:
    """Return the place of the first NaN or infinity, or None; looks at some rows at a time."""
    step = max(1, (1 << 20) * len(array) // array.size)
    for start in range(0, len(array), step):
        bad = ~np.isfinite(array[start : start + step])
        if bad.any():
            first, *rest = (int(i) for i in np.argwhere(bad)[0])
            return (start + first, *rest)
    return None


def _labels(given: np.ndarray, rows: int, classes: int) -> np.ndarray:
    """Return class labels as int64 ``(rows,)``, checked."""
    labels = given
    if not (given.dtype == np.int64 and given.flags.carray):
        given = _array("y", given)
        with np.errstate(invalid="ignore"):
            labels = np.require(given, np.int64, ["C", "A"])
        if given.dtype.kind == "f" and not (labels == given).all():
            place = int(np.argmin(labels == given))
            raise ValueError(f"y must hold integer class labels for cross_entropy; y[{place}] is {given[place]}")
    if len(labels) != rows:
        raise ValueError(f"X and y must have as many rows: X has {rows}, y has {len(labels)}")
    # read as unsigned, a negative label is larger than any class
    if int(np.maximum.reduce(labels.view(np.uint64))) >= classes:
        place = int(np.argmax(labels.view(np.uint64)))
        raise ValueError(f"y must hold class labels from 0 to {classes - 1}; y[{place}] is {given[place]}")
    return labels


def _refuse_shape(y: np.ndarray, rows: int, width: int, loss: Loss) -> NoReturn:
    if y.ndim > 0 and len(y) != rows:
        raise ValueError(f"X and y must have as many rows: X has {rows}, y has {len(y)}")
    wanted = f"({rows}, {width})" + (f" or ({rows},)" if width == 1 else "")
    hint = ""
    if width > 1 and isinstance(loss, CrossEntropy):
        wanted = f"({rows},) for class labels or ({rows}, {width}) for probabilities"
        hint = ": y.ravel() if they are labels" if y.shape == (rows, 1) else ""
    elif width > 1 and y.shape == (rows,):
        hint = ", one number an output; class labels want loss='cross_entropy'"
    raise ValueError(f"y must have shape {wanted}; it has {y.shape}{hint}")


def _refuse_range(name: str, y: np.ndarray, bad: np.ndarray, loss: Loss) -> NoReturn:
    row, column = (int(i) for i in np.argwhere(bad)[0])
    wanted = "from 0 to 1" if isinstance(loss, BinaryCrossEntropy) else "of at least 0"
    raise ValueError(f"{name} must hold numbers {wanted} for {loss.name}; {name}[{row}, {column}] is {y[row, column]}")


def _refuse_ragged(name: str) -> NoReturn:
    raise ValueError(f"{name} must be a table of numbers; its rows differ in length")
