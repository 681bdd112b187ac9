"""Activations and their way back: every number of an array, as a layer's output has them.

``direction`` is ``value``, ``h = activation(z)``, or ``gradient``, ``g = grad * activation'(z)``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from fastff import reference

from .entry import Entry, Inputs, Work

# One batch of a hidden layer; a row of softmax is a row of it.
ROWS, COLUMNS = 256, 256
DIRECTIONS = ("value", "gradient")
NAMES = ("relu", "leaky_relu", "sigmoid", "tanh", "elu", "gelu", "silu", "softplus", "softmax")
NOT_TIMED = {"identity": "computes nothing"}


def _inputs(check: bool, direction: str, dtype: str) -> Inputs:
    rng = np.random.default_rng(0)
    z, grad = (2 * rng.standard_normal((2, ROWS, COLUMNS))).astype(dtype)
    return {"z": z, "grad": grad, "out": np.zeros_like(z), "direction": direction}


def _reference(name: str, z: np.ndarray) -> np.ndarray:
    if name == "gelu":
        try:
            from scipy.special import erfc
        except ImportError:
            pass
        else:  # the definition takes erfc from the standard library, number by number
            return z * erfc(z * -np.sqrt(z.dtype.type(0.5))) / 2
    return reference.ACTIVATION[name](z)


def _slope(name: str, z: np.ndarray, h: np.ndarray) -> np.ndarray:
    if name == "gelu":
        try:
            from scipy.special import erfc
        except ImportError:
            pass
        else:
            return erfc(z * -np.sqrt(z.dtype.type(0.5))) / 2 + z * np.exp(-z * z / 2) / np.sqrt(2 * z.dtype.type(np.pi))
    return reference.SLOPE[name](z, h)


def _expected(name: str, i: Inputs, impl: str) -> list[np.ndarray]:
    z = i["z"].astype(np.float64)
    h = reference.ACTIVATION[name](z)
    if i["direction"] == "value":
        return [h]
    return [i["grad"] * reference.SLOPE[name](z, h)]


def _numpy(name: str, i: Inputs) -> Work:
    if i["direction"] == "value":
        return Work(lambda: i.update(out=_reference(name, i["z"])), lambda: [i["out"]])
    h = _reference(name, i["z"])
    return Work(lambda: np.multiply(i["grad"], _slope(name, i["z"], h), out=i["out"]), lambda: [i["out"]])


def _fastff(name: str, i: Inputs) -> Work:
    from fastff.ops.activate import activate, derivative
    from fastff.ops.activations import OUTPUTS
    from fastff.ops.softmax import softmax

    z, grad, out, code = i["z"], i["grad"], i["out"], OUTPUTS[name]
    if i["direction"] == "gradient":
        h = np.empty_like(z)
        activate[z.dtype](0, code, z.size, z.ctypes.data, h.ctypes.data)
        backward = _held(
            derivative[z.dtype], (0, code, z.size, h.ctypes.data, z.ctypes.data, out.ctypes.data), h, z, out
        )
        # the gradient is updated in place
        return Work(lambda: (np.copyto(out, grad), backward()), lambda: [out])
    if name == "softmax":
        rows = _held(softmax[z.dtype], (0, *z.shape, out.ctypes.data, z.strides[0]), out)
        return Work(lambda: (np.copyto(out, z), rows()), lambda: [out])
    return Work(_held(activate[z.dtype], (0, code, z.size, z.ctypes.data, out.ctypes.data), z, out), lambda: [out])


def _held(unit: Callable[..., int], addresses: tuple[int, ...], *arrays: np.ndarray) -> Callable[[], int]:
    """Return the call of a unit that holds on to the arrays whose addresses it is given."""

    def call() -> int:
        return unit(*addresses) if arrays else 0

    return call


def _torch_function(name: str) -> Callable[[Any], Any]:
    import torch

    if name == "softmax":
        return partial(torch.softmax, dim=1)
    return getattr(torch.nn.functional, name) if name not in ("sigmoid", "tanh") else getattr(torch, name)


def _torch(name: str, i: Inputs) -> Work:
    import torch

    z, grad, function = torch.from_numpy(i["z"]), torch.from_numpy(i["grad"]), _torch_function(name)
    if i["direction"] == "value":
        return Work(lambda: i.update(out=function(z)), lambda: [i["out"].numpy()])
    h = function(z.requires_grad_())
    return Work(lambda: i.update(out=torch.autograd.grad(h, z, grad, retain_graph=True)[0]), lambda: [i["out"].numpy()])


def _jax(name: str, i: Inputs) -> Work:
    import jax

    jax.config.update("jax_enable_x64", True)
    function = partial(jax.nn.gelu, approximate=False) if name == "gelu" else getattr(jax.nn, name)
    z, grad = jax.numpy.asarray(i["z"]), jax.numpy.asarray(i["grad"])
    value = jax.jit(function)
    gradient = jax.jit(lambda z, grad: jax.vjp(function, z)[1](grad)[0])
    call = partial(value, z) if i["direction"] == "value" else partial(gradient, z, grad)
    return Work(lambda: i.update(out=call().block_until_ready()), lambda: [np.asarray(i["out"])])


_WORKS: dict[str, Callable[[str, Inputs], Work]] = {"numpy": _numpy, "fastff": _fastff, "torch": _torch, "jax": _jax}

ENTRIES = [
    Entry(
        name,
        "activations",
        f"Activation {name}",
        "The function between two layers, forward (value) and on the way back (gradient)"
        if name != "softmax"
        else "Numbers of a row to probabilities, the output of a classifier",
        {"direction": DIRECTIONS if name != "softmax" else ("value",), "dtype": ("float32", "float64")},
        _inputs,
        {impl: partial(work, name) for impl, work in _WORKS.items()},
        partial(_expected, name),
        lambda i, impl: 64 * float(np.finfo(i["z"].dtype).eps),
        covers=(name,),
        fast=name in ("tanh", "sigmoid", "softmax"),
    )
    for name in NAMES
]
