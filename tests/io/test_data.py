import gzip

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from fastff.io import read_data

TEXT = "length,kind,ok,name\n1,a,true,x\n2.5,b,false,y\n3,a,true,z\n"


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(TEXT)
    return path


def test_csv(table):
    data = read_data(table, "ok", ignore=("name",))
    assert list(data.features) == ["length", "kind"]
    np.testing.assert_array_equal(data.features["length"], [1, 2.5, 3])
    assert data.features["kind"].tolist() == ["a", "b", "a"]
    assert data.target is not None
    assert data.target.dtype == bool
    assert (data.target_name, data.rows) == ("ok", 3)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", TEXT.replace(",", ";").encode()),
        ("t.tsv", TEXT.replace(",", "\t").encode()),
        ("t.csv.gz", gzip.compress(TEXT.encode())),
        ("T.CSV", b"\xef\xbb\xbf" + TEXT.encode()),
    ],
)
def test_other_texts(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert list(read_data(tmp_path / name, "ok").features) == ["length", "kind", "name"]


def test_parquet(tmp_path):
    columns = {
        "a": pa.array([1, 2], pa.int16()),
        "b": pa.array(["x", "y"]).dictionary_encode(),
        "c": pa.array([0.5, None], pa.float32()),
        "d": pa.array([1, 2]).cast(pa.decimal128(25, 2)),
    }
    parquet.write_table(pa.table(columns), tmp_path / "t.parquet")
    data = read_data(tmp_path / "t.parquet", "a")
    assert data.features["b"].tolist() == ["x", "y"]
    np.testing.assert_array_equal(data.features["c"], [0.5, np.nan])
    np.testing.assert_array_equal(data.features["d"], [1.0, 2.0])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n3\n", "Expected 2 columns, got 1"),
        ("1,2\n3,4\n", "first line must hold the columns' names"),
        ("a,a\n1,2\n", "'a' comes more than once"),
        ("a,b\n2020-01-01,2\n", "'a' is of type date32.*--ignore a"),
        ("a,b\n", "no rows"),
        ("", "Empty CSV"),
        ("b\n1\n", "no features"),
        ("a,c\n1,2\n", "no column 'b'; there are a, c"),
    ],
)
def test_csv_that_does_not_fit(tmp_path, content, message):
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(ValueError, match=message):
        read_data(tmp_path / "t.csv", "b")


def test_what_is_missing(tmp_path):
    parquet.write_table(
        pa.table({"a": ["x", None], "b": [True, None], "c": [1, None], "d": pa.nulls(2)}), tmp_path / "t.parquet"
    )
    features = read_data(tmp_path / "t.parquet").features
    assert features["a"].tolist() == ["x", None]
    np.testing.assert_array_equal(features["b"], [1, np.nan])
    np.testing.assert_array_equal(features["c"], [1, np.nan])
    np.testing.assert_array_equal(features["d"], [np.nan, np.nan])


def test_columns_not_wanted_may_hold_anything(tmp_path):
    (tmp_path / "t.csv").write_text("a,day,b\n1,2020-01-01,2\n")
    assert list(read_data(tmp_path / "t.csv", "b", ignore=("day",)).features) == ["a"]
    assert list(read_data(tmp_path / "t.csv", only=("b", "c")).features) == ["b"]


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.parquet", "t.npz"])
def test_noise_is_told(tmp_path, name):
    (tmp_path / name).write_bytes(np.random.default_rng(0).bytes(1000))
    with pytest.raises(ValueError, match=name.replace(".", r"\.")):
        read_data(tmp_path / name, "b")


def test_unknown_kinds(tmp_path, table):
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        read_data(tmp_path / "no.csv")
    (tmp_path / "t.xlsx").write_bytes(b"")
    with pytest.raises(ValueError, match="fastff reads CSV"):
        read_data(tmp_path / "t.xlsx")
    with pytest.raises(ValueError, match="cannot ignore 'weight': no such column; there are length, kind, ok, name"):
        read_data(table, "ok", ignore=("weight",))


def test_npz(tmp_path):
    path = tmp_path / "t.npz"
    np.savez(path, X=np.zeros((4, 2, 3), np.float32), y=np.arange(4), weight=np.ones(4))
    data = read_data(path)
    assert data.target_name == "y"
    assert {name: column.shape for name, column in data.features.items()} == {"X": (4, 6), "weight": (4,)}
    assert read_data(path, "weight", ignore=("y",)).target_name == "weight"


def test_npz_with_a_test_set(tmp_path):
    path = tmp_path / "t.npz"
    np.savez(path, x_train=np.zeros((4, 2)), y_train=np.arange(4), x_test=np.zeros((3, 2)), y_test=np.arange(3))
    data = read_data(path)
    assert data.held_out is not None
    assert (data.rows, data.held_out.rows, data.target_name) == (4, 3, "y")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"X": np.zeros((4, 2)), "y": np.zeros(3)}, "different numbers of rows"),
        ({"X": np.zeros((2, 2), complex), "y": np.zeros(2)}, "'X' holds complex128"),
        ({"X": np.array([{}, {}]), "y": np.zeros(2)}, "cannot be read as NPZ"),
        ({"X": np.zeros((0, 2)), "y": np.zeros(0)}, "no rows"),
        ({"X": np.float64(3), "y": np.float64(3)}, "different numbers of rows"),
        ({}, "no column 'y'|no features"),
    ],
)
def test_npz_that_does_not_fit(tmp_path, arrays, message):
    np.savez(tmp_path / "t.npz", **arrays)
    with pytest.raises(ValueError, match=message):
        read_data(tmp_path / "t.npz", "y")
