"""Model files: the parameters as safetensors, everything else as JSON in its header. No pickle.

The header's metadata has one entry, ``fastff``, a JSON object::

    {"format": 1, "version": "0.1.0",
     "network": {"sizes": [64, 32, 10], "activations": ["relu", "softmax"], "bias": true, "dtype": "float32"},
     "loss": {"name": "cross_entropy", "reduction": "mean", "scale": 1.0},
     "preparation": null or {"widths": …, "categories": …, "task": …, "target": …, "classes": …}}

Tensors are ``layer0.weight (in, out)``, ``layer0.bias (out,)``, ``layer1.weight`` …, and with a preparation
``input.mean``, ``input.scale`` ``(inputs,)``, ``target.mean``, ``target.scale``.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from ..network import Network
from ..ops.losses import LOSSES, Loss, SquaredError, resolve
from .atomic import replacing
from .preparation import Preparation

FORMAT = 1
_ARRAYS = {"input.mean": "mean", "input.scale": "scale", "target.mean": "target_mean", "target.scale": "target_scale"}
_PLAIN = ("widths", "categories", "task", "target", "classes")


class Model(NamedTuple):
    """What a model file holds.

    Attributes
    ----------
    network : Network
        With the parameters saved.
    loss : loss object
        What it was trained with.
    preparation : Preparation or None
        How columns become inputs; None where the network was saved alone.
    """

    network: Network
    loss: Loss
    preparation: Preparation | None


def save(
    network: Network,
    path: str | os.PathLike[str],
    *,
    loss: str | Loss = "auto",
    preparation: Preparation | None = None,
) -> None:
    """Write a network to a file, whole or not at all.

    Parameters
    ----------
    network : Network
        Read, not changed.
    path : path-like
        The file, ``.safetensors`` by custom; one that is there is replaced once the new one is complete.
    loss : str or loss object
        What the network was trained with, for the record.
    preparation : Preparation, optional
        How its inputs were made, as `prepare` returns it.

    Raises
    ------
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import fastff as ff
    >>> from tempfile import TemporaryDirectory
    >>> net = ff.Network(sizes=(3, 4, 1), random_state=0)
    >>> with TemporaryDirectory() as folder:
    ...     ff.io.save(net, f"{folder}/net.safetensors")
    ...     again = ff.io.load(f"{folder}/net.safetensors")
    >>> bool((again.parameters == net.parameters).all())
    True
    """
    plan = network.plan
    chosen = resolve(loss, plan.activations[-1])
    tensors = {f"layer{i}.weight": weight for i, weight in enumerate(network.weights)}
    tensors |= {f"layer{i}.bias": bias for i, bias in enumerate(network.biases)}
    if preparation is not None:
        tensors |= {name: getattr(preparation, attribute) for name, attribute in _ARRAYS.items()}
    from .. import __version__

    header = {
        "format": FORMAT,
        "version": __version__,
        "network": {
            "sizes": list(plan.sizes),
            "activations": list(plan.activations),
            "bias": plan.bias,
            "dtype": plan.dtype.name,
        },
        "loss": {"name": chosen.name, "reduction": chosen.reduction, "scale": chosen.scale},
        "preparation": preparation and {name: getattr(preparation, name) for name in _PLAIN},
    }
    with replacing(path) as part:
        save_file(
            {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()},
            part,
            {"fastff": json.dumps(header, ensure_ascii=False)},
        )


def load(path: str | os.PathLike[str]) -> Network:
    """Read the network of a model file.

    Parameters
    ----------
    path : path-like
        A file that `save` wrote.

    Raises
    ------
    ValueError
        If it is not a model of fastff, damaged, or of a later format.
    OSError
        If it cannot be read.

    See Also
    --------
    read_model : The network, its loss and how its inputs are made.
    """
    return read_model(path).network


def read_model(path: str | os.PathLike[str]) -> Model:
    """Read all that a model file holds.

    Parameters
    ----------
    path : path-like
        A file that `save` wrote. Nothing in it is executed, and sizes are checked before they are believed.

    Raises
    ------
    ValueError
        If it is not a model of fastff, damaged, or of a later format.
    OSError
        If it cannot be read.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        with safe_open(path, framework="numpy") as file:
            header = (file.metadata() or {}).get("fastff")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (SafetensorError, TypeError) as error:
        raise ValueError(f"{path}: not a model file, or damaged ({error})") from error
    if header is None:
        raise ValueError(f"{path}: a safetensors file, but not one that fastff wrote")
    try:
        return _model(json.loads(header), tensors)
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{path}: the model's header and tensors do not agree ({error})") from error


def _model(header: dict[str, Any], tensors: dict[str, np.ndarray]) -> Model:
    if header["format"] != FORMAT:
        raise ValueError(f"format {header['format']}, this version of fastff reads format {FORMAT}")
    shape = header["network"]
    _check_sizes(shape["sizes"], bool(shape["bias"]), tensors)
    network = Network(
        sizes=tuple(shape["sizes"]),
        activation=tuple(shape["activations"][:-1]),
        output=shape["activations"][-1],
        bias=bool(shape["bias"]),
        init="zeros",
        dtype=shape["dtype"],
    )
    for i, weight in enumerate(network.weights):
        weight[...] = tensors[f"layer{i}.weight"]
    for i, bias in enumerate(network.biases):
        bias[...] = tensors[f"layer{i}.bias"]
    kind, described = LOSSES[header["loss"]["name"]], header["loss"]
    if kind is SquaredError:
        loss: Loss = SquaredError(described["reduction"], described["scale"])
    else:
        loss = kind(described["reduction"])
    plain = header["preparation"]
    preparation = None
    if plain is not None:
        fields = {name: plain[name] for name in _PLAIN}
        fields |= {attribute: tensors[name] for name, attribute in _ARRAYS.items()}
        preparation = Preparation(**fields)
        if (preparation.n_inputs, preparation.n_outputs) != (network.plan.sizes[0], network.plan.sizes[-1]):
            raise ValueError("the columns described are not as many as the network's inputs and outputs")
    return Model(network, loss, preparation)


def _check_sizes(sizes: list[int], bias: bool, tensors: dict[str, np.ndarray]) -> None:
    """Compare the header with the tensors before memory of the header's sizes is asked for."""
    for i, (n_in, n_out) in enumerate(zip(sizes, sizes[1:], strict=False)):
        wanted = {f"layer{i}.weight": (n_in, n_out)} | ({f"layer{i}.bias": (n_out,)} if bias else {})
        for name, shape in wanted.items():
            if tensors[name].shape != shape:
                raise ValueError(f"{name} is {tensors[name].shape}, the header says {shape}")
