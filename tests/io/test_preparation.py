import numpy as np
import pytest

from fastff.io import Data, prepare
from fastff.io.preparation import MOST_INTEGER_CLASSES

RNG = np.random.default_rng(0)
EPS = np.finfo(np.float64).eps


def test_training_rows_get_mean_0_and_deviation_1():
    data = Data({"a": RNG.normal(5, 3, 100), "b": RNG.normal(-1, 10, (100, 3)), "c": np.ones(100)}, RNG.random(100))
    rows = np.arange(0, 100, 2)
    x = prepare(data, rows).inputs(data, rows, "float64")
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=100 * EPS)
    np.testing.assert_allclose(x.std(axis=0), [1, 1, 1, 1, 0], rtol=100 * EPS, atol=100 * EPS)


def test_nothing_is_learned_from_other_rows():
    column, target = RNG.random(20), RNG.random(20)
    rows = np.arange(10)
    first = prepare(Data({"a": column}, target), rows)
    column[10:], target[10:] = 1e6, -1e6
    second = prepare(Data({"a": column}, target), rows)
    assert (first.mean, first.scale, first.target_mean) == (second.mean, second.scale, second.target_mean)


def test_pixels_share_one_scale():
    pixels = RNG.integers(0, 256, (5000, 6), dtype=np.uint8)
    pixels[:, 0] = 0
    pixels[:4000] //= 2
    preparation = prepare(Data({"pixels": pixels}, pixels[:, 1] > 100), np.arange(4000))
    assert preparation.mean.tolist() == [0] * 6
    assert preparation.scale.tolist() == [127] * 6
    black = prepare(Data({"pixels": np.zeros((4, 2), np.uint8)}, np.arange(4)), np.arange(4))
    assert black.scale.tolist() == [1, 1]


def test_text_is_one_hot_and_unknown_text_zeros():
    data = Data({"kind": np.array(["b", "a", "b"], object), "x": np.arange(3)}, np.arange(3.0))
    preparation = prepare(data, np.arange(3))
    np.testing.assert_array_equal(preparation.inputs(data)[:, :2], [[0, 1], [1, 0], [0, 1]])
    other = Data({"x": np.arange(2), "kind": np.array(["a", "new"])})
    np.testing.assert_array_equal(preparation.inputs(other)[:, :2], [[1, 0], [0, 0]])
    assert preparation.unknown(other) == {"kind": 1}
    assert preparation.unknown(data) == {}


@pytest.mark.parametrize(
    ("target", "task"),
    [
        (["a", "b"] * 20, "classification"),
        ([True, False] * 20, "classification"),
        (np.arange(40) % MOST_INTEGER_CLASSES, "classification"),
        (np.arange(40, dtype=np.uint8), "classification"),
        (np.arange(40), "regression"),
        (np.arange(40.0) % 2, "regression"),
        (np.arange(80).reshape(40, 2), "regression"),
    ],
)
def test_task_by_kind(target, task):
    data = Data({"a": np.arange(40)}, np.asarray(target))
    assert prepare(data, np.arange(40)).task == task


@pytest.mark.parametrize("target", [["no", "yes"] * 4, [True, False] * 4, [3, 7, -1, 7] * 2, [0.5, 2.0] * 4])
def test_classes_come_back(target):
    target = np.asarray(target)
    data = Data({"a": np.arange(8)}, target)
    preparation = prepare(data, np.arange(8), "classification")
    labels = preparation.targets(target)
    assert labels.dtype == np.int64
    np.testing.assert_array_equal(preparation.answers(np.eye(preparation.n_outputs)[labels]), target)


def test_numbers_come_back():
    target = RNG.normal(100, 5, (30, 2))
    preparation = prepare(Data({"a": np.arange(30)}, target, "t"), np.arange(30))
    np.testing.assert_allclose(preparation.answers(preparation.targets(target, "float64")), target, rtol=10 * EPS)
    with pytest.raises(ValueError, match="'t' has 1 columns, the model 2"):
        preparation.targets(target[:, 0])


def bad(column, target=None):
    column = np.asarray(column)
    return Data({"a": column}, np.arange(len(column), dtype=float) if target is None else np.asarray(target), "t")


@pytest.mark.parametrize(
    ("data", "task", "message"),
    [
        (bad([1, np.nan, 2]), None, r"'a' lacks a number .*in row 1"),
        (bad([1, 2, -np.inf]), None, r"'a' lacks a number .*in row 2"),
        (bad(np.array(["x", None, "y"], object)), None, r"'a' lacks text, in row 1"),
        (bad([1, 2, 3], np.array(["x", None, "y"], object)), None, r"'t' lacks text, in row 1"),
        (bad([1, 2, 3], [1, 2, np.nan]), None, r"'t' lacks a number"),
        (bad([1, 2, 3], ["x", "x", "x"]), None, "'t' has only the value 'x'"),
        (bad([1, 2, 3], ["x", "y", "x"]), "regression", "'t' holds text"),
        (bad([1, 2, 3], np.zeros((3, 2))), "classification", "one column"),
        (bad([1, 2, 3]), "clustering", "choose one of: classification, regression"),
        (bad([f"name {i}" for i in range(30)]), None, "30 different values, too many"),
        (Data({"a": np.arange(3)}), None, "no target"),
    ],
)
def test_bad_data(data, task, message):
    with pytest.raises(ValueError, match=message):
        prepare(data, np.arange(data.rows), task)


def test_other_columns_than_learned():
    preparation = prepare(Data({"a": np.arange(3), "b": np.array(["x", "y", "x"])}, np.array(["u", "v", "u"])), [0, 1])
    with pytest.raises(ValueError, match=r"wants column 'b' \(1 missing"):
        preparation.inputs(Data({"a": np.arange(3)}))
    with pytest.raises(ValueError, match="'a' is 2 numbers wide, the model wants 1"):
        preparation.inputs(Data({"a": np.zeros((3, 2)), "b": np.array(["x"] * 3)}))
    with pytest.raises(ValueError, match="'b' holds int64, the model wants text"):
        preparation.inputs(Data({"a": np.arange(3), "b": np.arange(3)}))
    with pytest.raises(ValueError, match="w is none of the classes"):
        preparation.targets(np.array(["u", "w"]))
