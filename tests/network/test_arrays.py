"""What X and y may be, and what each bad one is told."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastff.losses import BinaryCrossEntropy, CrossEntropy, SquaredError
from fastff.network import arrays
from fastff.network.arrays import _SMALL, all_finite, as_rows, as_targets
from fastff.network.plan import make_plan

pytestmark = pytest.mark.portable


def plan(inputs=3, outputs=4, dtype="float32"):
    return make_plan((inputs, outputs), (), "identity", True, dtype)


TABLE = np.arange(12.0).reshape(4, 3)


def read_only():
    table = TABLE.astype(np.float32)
    table.flags.writeable = False
    return table


def unaligned():
    table = np.zeros(4 * 3 * 4 + 1, np.uint8)[1:].view(np.float32).reshape(4, 3)
    table[...] = TABLE
    return table


FORMS = {
    "list": TABLE.tolist(),
    "tuples": tuple(map(tuple, TABLE)),
    "float16": TABLE.astype(np.float16),
    "float32": TABLE.astype(np.float32),
    "float64": TABLE,
    "longdouble": TABLE.astype(np.longdouble),
    "int8": TABLE.astype(np.int8),
    "uint64": TABLE.astype(np.uint64),
    "objects": TABLE.astype(object),
    "fortran": np.asfortranarray(TABLE, np.float32),
    "strided": np.repeat(TABLE.astype(np.float32), 2, axis=1)[:, ::2],
    "reversed": TABLE[::-1].astype(np.float32)[::-1],
    "big-endian": TABLE.astype(">f4"),
    "read-only": read_only(),
    "unaligned": unaligned(),
    "matrix": np.asmatrix(TABLE),
    "masked, nothing masked": np.ma.array(TABLE),
}


@pytest.mark.filterwarnings("ignore:the matrix subclass")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_accepted_converted_and_not_changed(form, dtype):
    X = FORMS[form]
    before = np.array(X)
    for array in (as_rows(X, plan(dtype=dtype)), as_targets(X, 4, plan(outputs=3, dtype=dtype), SquaredError())):
        assert type(array) is np.ndarray
        assert array.dtype == dtype
        assert array.flags.c_contiguous
        assert array.flags.aligned
        np.testing.assert_array_equal(array, TABLE)
    np.testing.assert_array_equal(np.array(X), before)


@pytest.mark.parametrize("rows", [1, 4, _SMALL])
def test_no_copy_where_none_is_needed(rows):
    X, labels = np.ones((rows, 3), np.float32), np.ones(rows, np.int64)
    assert as_rows(X, plan()) is X
    assert as_targets(X, rows, plan(outputs=3), SquaredError()) is X
    assert as_targets(labels, rows, plan(), CrossEntropy()) is labels
    assert np.shares_memory(as_targets(X[:, 0].copy(), rows, plan(outputs=1), SquaredError()), X) is False
    column = np.ones(rows, np.float32)
    assert np.shares_memory(as_targets(column, rows, plan(outputs=1), SquaredError()), column)
    X.flags.writeable = False
    assert np.shares_memory(as_rows(X, plan()), X)


def with_value(value, shape=(4, 3), dtype=float, place=(2, 1)):
    array = np.zeros(shape, dtype)
    array[place] = value
    return array


BAD_X = {
    "one-dimensional": (np.zeros(3), ValueError, r"two-dimensional, \(rows, 3\); it has shape \(3,\) \(X.reshape"),
    "one-dimensional, other length": (np.zeros(7), ValueError, r"two-dimensional, \(rows, 3\); it has shape \(7,\)$"),
    "three-dimensional": (np.zeros((2, 3, 1)), ValueError, "two-dimensional"),
    "a number": (1.0, ValueError, "two-dimensional"),
    "too wide": (np.zeros((2, 4)), ValueError, r"3 columns, as many as the network has inputs; it has shape \(2, 4\)"),
    "too narrow": (np.zeros((2, 2), np.float32), ValueError, "3 columns"),
    "empty": (np.zeros((0, 3)), ValueError, r"at least one row; it has shape \(0, 3\)"),
    "empty list": ([], ValueError, "two-dimensional"),
    "ragged": ([[1, 2, 3], [4, 5]], ValueError, "rows differ in length"),
    "ragged objects": (np.array([[1, 2, 3], [4, 5]], dtype=object), ValueError, "rows differ in length"),
    "text": ([["a", "b", "c"]], TypeError, "X must be an array of real numbers, not of dtype <U1"),
    "text among numbers": (np.array([[1, "b", 3]], dtype=object), TypeError, "X must hold real numbers only"),
    "None": ([[1, None, 3]], ValueError, r"X\[0, 1\] is nan"),
    "nothing": (None, TypeError, "X must be an array, not None"),
    "complex": (np.zeros((2, 3), complex), TypeError, "real numbers, not of dtype complex128"),
    "dates": (np.zeros((2, 3), "M8[s]"), TypeError, "real numbers, not of dtype datetime64"),
    "NaN": (with_value(np.nan), ValueError, r"X must be finite: X\[2, 1\] is nan"),
    "infinity": (with_value(np.inf), ValueError, r"X\[2, 1\] is inf, which is not finite"),
    "minus infinity": (with_value(-np.inf, dtype=np.float32), ValueError, r"X\[2, 1\] is -inf"),
    "NaN in a large array": (
        with_value(np.nan, (900_000, 3), np.float32, (800_000, 2)),
        ValueError,
        r"X\[800000, 2\] is nan",
    ),
    "both infinities": (np.array([[np.inf, -np.inf, 0]] * _SMALL), ValueError, r"X\[0, 0\] is inf"),
    "too large": (with_value(1e300), ValueError, r"X\[2, 1\] is 1e\+300, too large for float32"),
    "masked": (np.ma.array(TABLE, mask=TABLE > 5), ValueError, "X must not have masked values"),
}


@pytest.mark.parametrize("case", BAD_X)
def test_bad_x(case):
    X, error, message = BAD_X[case]
    with pytest.raises(error, match=message):
        as_rows(X, plan())


def test_sparse_is_refused():
    sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(TypeError, match=r"X must be a dense array, not csr_matrix: X.toarray\(\) is one"):
        as_rows(sparse.csr_matrix(TABLE), plan())


SE, CE, BCE = SquaredError(), CrossEntropy(), BinaryCrossEntropy()
BAD_Y = {
    "fewer rows": (np.zeros((3, 4)), SE, ValueError, "as many rows: X has 2, y has 3"),
    "fewer labels": ([1], CE, ValueError, "as many rows: X has 2, y has 1"),
    "fewer probabilities": (np.zeros((3, 4)), CE, ValueError, "as many rows: X has 2, y has 3"),
    "narrow": (np.zeros((2, 3)), SE, ValueError, r"y must have shape \(2, 4\); it has \(2, 3\)"),
    "labels for squared error": ([0, 1], SE, ValueError, r"class labels want loss='cross_entropy'"),
    "column of labels": ([[0], [1]], CE, ValueError, r"y.ravel\(\) if they are labels"),
    "a number": (1.0, SE, ValueError, "y must have shape"),
    "label too large": ([0, 4], CE, ValueError, r"class labels from 0 to 3; y\[1\] is 4"),
    "label negative": (np.array([-1, 0]), CE, ValueError, r"class labels from 0 to 3; y\[0\] is -1"),
    "label huge": (np.array([2**63, 0], np.uint64), CE, ValueError, r"y\[0\] is 9223372036854775808"),
    "label fractional": ([0.0, 1.5], CE, ValueError, r"integer class labels for cross_entropy; y\[1\] is 1.5"),
    "label NaN": ([np.nan, 1.0], CE, ValueError, r"y\[0\] is nan"),
    "label infinite": ([0.0, np.inf], CE, ValueError, r"y\[1\] is inf"),
    "labels as text": (["cat", "dog"], CE, TypeError, "y must be an array of real numbers"),
    "negative probability": (
        with_value(-0.5, (2, 4), place=(1, 3)),
        CE,
        ValueError,
        r"of at least 0 .*y\[1, 3\] is -0.5",
    ),
    "below 0": (with_value(-1, (2, 4), int, (1, 3)), BCE, ValueError, r"from 0 to 1 for binary.*y\[1, 3\] is -1"),
    "above 1": (with_value(2, (2, 4), place=(0, 3)), BCE, ValueError, r"from 0 to 1 for binary.*y\[0, 3\] is 2"),
    "NaN": (with_value(np.nan, (2, 4), place=(1, 0)), SE, ValueError, r"y must be finite: y\[1, 0\] is nan"),
    "ragged": ([[1, 2, 3, 4], [5]], SE, ValueError, "y must be a table of numbers; its rows differ"),
    "nothing": (None, SE, TypeError, "y must be an array, not None"),
}


@pytest.mark.parametrize("case", BAD_Y)
def test_bad_y(case):
    y, loss, error, message = BAD_Y[case]
    with pytest.raises(error, match=message):
        as_targets(y, 2, plan(), loss)


@pytest.mark.parametrize(
    "labels",
    [
        [0, 3],
        [0.0, 3.0],
        np.array([0, 3], np.uint8),
        np.array([0, 9, 3, 9])[::2],
        np.array([0, 3], ">i4"),
        np.array([0, 3], np.float16),
        np.array([0, 3], object),
    ],
)
def test_labels(labels):
    converted = as_targets(labels, 2, plan(), CE)
    assert converted.dtype == np.int64
    assert converted.flags.c_contiguous
    np.testing.assert_array_equal(converted, [0, 3])


def test_one_output_takes_a_vector():
    for loss in (SE, BCE, CE):
        targets = as_targets([1, 0], 2, plan(outputs=1), loss)
        assert targets.dtype == np.float32
        np.testing.assert_array_equal(targets, [[1], [0]])


def test_finite_though_its_square_is_not():
    X = np.full((2, 3), 3e38, np.float32)
    assert as_rows(X, plan()) is not None
    assert all_finite(np.full((3 * _SMALL, 2), -3e38, np.float32))


EXTREMES = st.sampled_from([0.0, 1.0, -1e30, 3e38, np.nan, np.inf, -np.inf])


@settings(deadline=None, derandomize=True, max_examples=50)
@given(st.lists(EXTREMES, min_size=1, max_size=6), st.sampled_from([1, _SMALL, _SMALL + 1]))
def test_all_finite(values, size):
    array = np.zeros((size, 2), np.float32)
    array[-1, -1] = values[0]
    array.ravel()[: len(values)] = values[: array.size]
    assert all_finite(array) == np.isfinite(array).all()


@pytest.mark.parametrize("n_threads", [1, 2, 3])
@pytest.mark.parametrize("bad", [None, np.nan, np.inf])
def test_all_finite_on_several_threads(monkeypatch, n_threads, bad):
    monkeypatch.setattr(arrays, "get_num_threads", lambda: n_threads)
    monkeypatch.setattr(arrays, "_SHARE", 1000)
    array = np.ones((_SMALL, 3), np.float32)
    if bad is not None:
        array[-5, 1], array[3, 0] = bad, -bad
    assert all_finite(array) == (bad is None)
