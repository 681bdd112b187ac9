import json
import os

import numpy as np
import pytest
from safetensors.numpy import save_file

import fastff as ff
from fastff.io import Data, prepare, read_model


def test_round_trip(tmp_path):
    path = tmp_path / "m.safetensors"
    for bias in (True, False):
        for dtype in ("float32", "float64"):
            net = ff.Network((3, 5, 4, 2), activation=("tanh", "gelu"), output="sigmoid", bias=bias, dtype=dtype)
            ff.io.save(net, path, loss=ff.losses.SquaredError("sum", 0.5))
            model = read_model(path)
            assert model.network.plan == net.plan
            assert model.loss == ff.losses.SquaredError("sum", 0.5)
            assert model.preparation is None
            np.testing.assert_array_equal(model.network.parameters, net.parameters)
    assert os.listdir(tmp_path) == ["m.safetensors"]


def test_preparation_comes_along(tmp_path):
    data = Data(
        {"a": np.arange(4.0), "b": np.array(["ä", "b", "ä", "c"], object), "p": np.eye(4, dtype=np.uint8)},
        np.array([True, False, True, True]),
        "t",
    )
    preparation = prepare(data, np.arange(4))
    net = ff.Network((preparation.n_inputs, 2), output="softmax")
    ff.io.save(net, tmp_path / "m.safetensors", preparation=preparation)
    model = read_model(tmp_path / "m.safetensors")
    again = model.preparation
    assert again is not None
    assert model.loss == ff.losses.CrossEntropy()
    assert (again.widths, again.categories, again.task, again.target) == (
        {"a": 1, "b": 1, "p": 4},
        {"b": ["b", "c", "ä"]},
        "classification",
        "t",
    )
    np.testing.assert_array_equal(again.inputs(data), preparation.inputs(data))
    assert again.answers(np.eye(2)).tolist() == [False, True]


def header_of(net, **changes):
    plan = net.plan
    header = {
        "format": 1,
        "network": {
            "sizes": list(plan.sizes),
            "activations": list(plan.activations),
            "bias": True,
            "dtype": plan.dtype.name,
        },
        "loss": {"name": "squared_error", "reduction": "mean", "scale": 1.0},
        "preparation": None,
    }
    for place, value in changes.items():
        *path, last = place.split("__")
        part = header
        for name in path:
            part = part[name]
        part[last] = value
    return header


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, "format 2, this version"),
        ({"format": None}, "format None"),
        ({"network__sizes": [3, 2]}, "is .3, 4., the header says"),
        ({"network__sizes": [3, 4, 2, 10**9]}, "layer2.weight"),
        ({"network__sizes": [10**6, 10**6]}, "header says"),
        ({"network__sizes": []}, "sizes"),
        ({"network__sizes": ["a", "b"]}, "header"),
        ({"network__activations": ["relu", "open"]}, "'open' is not known"),
        ({"network__dtype": "int8"}, "dtype"),
        ({"loss__name": "hinge"}, "hinge"),
        ({"loss": None}, "agree"),
        ({"network": None}, "agree"),
        ({"preparation": {}}, "agree"),
    ],
)
def test_headers_are_not_believed(tmp_path, changes, message):
    net, path = ff.Network((3, 4, 2)), tmp_path / "m.safetensors"
    tensors = {f"layer{i}.weight": w for i, w in enumerate(net.weights)}
    tensors |= {f"layer{i}.bias": b for i, b in enumerate(net.biases)}
    save_file(tensors, path, {"fastff": json.dumps(header_of(net))})
    ff.io.load(path)
    save_file(tensors, path, {"fastff": json.dumps(header_of(net, **changes))})
    with pytest.raises(ValueError, match=message):
        ff.io.load(path)


def test_other_files(tmp_path):
    path = tmp_path / "m.safetensors"
    with pytest.raises(FileNotFoundError, match="no such file"):
        ff.io.load(path)
    for content in (b"", b"not a model", b"\xff" * 100):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="not a model file"):
            ff.io.load(path)
    ff.io.save(ff.Network((3, 4, 2)), path)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ValueError, match="not a model file, or damaged"):
        ff.io.load(path)
    save_file({"a": np.zeros(3)}, path)
    with pytest.raises(ValueError, match="not one that fastff wrote"):
        ff.io.load(path)
    save_file({"a": np.zeros(3)}, path, {"fastff": "{"})
    with pytest.raises(ValueError, match="do not agree"):
        ff.io.load(path)
    with pytest.raises(FileNotFoundError, match=r"folder .* does not exist"):
        ff.io.save(ff.Network((3, 4, 2)), tmp_path / "no" / "m.safetensors")
