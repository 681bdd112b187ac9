"""Products and fused kernels of one layer: the six functions of `fastff.kernels`.

Both sides write into arrays they are given, so that neither pays for memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastff import reference
from fastff.ops.losses import SquaredError
from fastff.optim import SGD
from fastff.reference import Plan

from .entry import Entry, Inputs, Work

# (rows, in, out): the first layers of the 1000-100-10 network and of MNIST classifiers, and a wide layer
SHAPES = ("60x1000x100", "64x784x256", "1024x512x512")
DTYPES = ("float32", "float64")
PARAMS = {"shape": SHAPES, "dtype": DTYPES}


def _inputs(check: bool, shape: str, dtype: str) -> Inputs:
    rows, n_in, n_out = (int(width) for width in shape.split("x"))
    rng = np.random.default_rng(0)
    arrays = {
        # a hidden layer's input: the output of a ReLU, half of it zeros
        "x": np.maximum(rng.standard_normal((rows, n_in)), 0),
        "weight": rng.standard_normal((n_in, n_out)) / np.sqrt(n_in),
        "bias": rng.standard_normal(n_out),
        "grad_output": rng.standard_normal((rows, n_out)),
        "forward": np.zeros((rows, n_out)),
        "backward": np.zeros((rows, n_in)),
        "gradient": np.zeros((n_in, n_out)),
        "bias_gradient": np.zeros(n_out),
    }
    inputs: Inputs = {name: array.astype(dtype) for name, array in arrays.items()}
    # timed in place millions of times, weights must stay finite
    inputs["learning_rate"] = 0.1 if check else 1e-7
    inputs["mask"] = np.zeros((rows, n_in), bool)
    return inputs


def _operations(shape: str, dtype: str) -> float:
    rows, n_in, n_out = (int(width) for width in shape.split("x"))
    return 2.0 * rows * n_in * n_out


def _tolerance(terms: str) -> Callable[[Inputs, str], float]:
    axis = {"in": ("x", 1), "out": ("grad_output", 1), "batch": ("x", 0)}[terms]

    def tolerance(i: Inputs, impl: str) -> float:
        # rounding errors of a sum's terms add up like a random walk
        array = i[axis[0]]
        return 16 * float(np.sqrt(array.shape[axis[1]])) * float(np.finfo(array.dtype).eps)

    return tolerance


def _doubles(i: Inputs) -> list[np.ndarray]:
    return [i[name].astype(np.float64) for name in ("x", "weight", "bias", "grad_output")]


def _layer(i: Inputs, activation: str = "identity") -> tuple[Plan, np.ndarray]:
    _, weight, bias, _ = _doubles(i)
    return Plan(weight.shape, (activation,), True), np.concatenate([weight.ravel(), bias])


def _gradient(plan: Plan, parameters: np.ndarray, x: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
    """Return the gradient by the parameters of a loss that has the stated gradient by the outputs."""
    # half a squared error's is the difference
    y = reference.predict(plan, parameters, x) - grad_output
    return reference.loss_and_gradient(plan, parameters, x, y, SquaredError("sum", 0.5))[1]


def _forward(activation: str) -> Callable[[Inputs, str], list[np.ndarray]]:
    return lambda i, impl: [reference.predict(*_layer(i, activation), _doubles(i)[0])]


def _weight_gradient(i: Inputs, impl: str) -> list[np.ndarray]:
    plan, parameters = _layer(i)
    x, _, _, grad_output = _doubles(i)
    return reference.split(plan, _gradient(plan, parameters, x, grad_output))[0]


def _relu_backward(i: Inputs, impl: str) -> list[np.ndarray]:
    # behind rows of the unit matrix, a hidden layer's logits are the first weights, and so are their gradients
    x, weight, _, grad_output = _doubles(i)
    plan = Plan((len(x), *weight.shape), ("relu", "identity"), False)
    parameters = np.concatenate([x.ravel(), weight.ravel()])
    return reference.split(plan, _gradient(plan, parameters, np.eye(len(x)), grad_output))[0][:1]


def _updated(part: int) -> Callable[[Inputs, str], list[np.ndarray]]:
    """The weights (0) or the biases (1) after a step of gradient descent."""

    def expected(i: Inputs, impl: str) -> list[np.ndarray]:
        plan, parameters = _layer(i)
        x, _, _, grad_output = _doubles(i)
        gradient = _gradient(plan, parameters, x, grad_output)
        reference.update(SGD(i["learning_rate"]), parameters, gradient, np.empty((0, parameters.size)), 1)
        return reference.split(plan, parameters)[part]

    return expected


def _numpy(result: str, run: Callable[[Inputs], object]) -> Callable[[Inputs], Work]:
    return lambda i: Work(lambda: run(i), lambda: [i[result]])


def _fastff(result: str, name: str, *arguments: str) -> Callable[[Inputs], Work]:
    def work(i: Inputs) -> Work:
        from fastff import kernels

        kernel, given = getattr(kernels, name), [i[argument] if argument else None for argument in arguments]
        return Work(lambda: kernel(*given), lambda: [i[result]])

    return work


def _torch(result: str, run: Callable[..., object]) -> Callable[[Inputs], Work]:
    def work(i: Inputs) -> Work:
        import torch

        # the tensors share the arrays' memory
        t = {name: torch.from_numpy(value) if isinstance(value, np.ndarray) else value for name, value in i.items()}
        return Work(lambda: run(torch, t), lambda: [i[result]])

    return work


def _jax(result: str, formula: Callable[..., Any], *arguments: str, in_place: bool = False) -> Callable[[Inputs], Work]:
    def work(i: Inputs) -> Work:
        import jax

        jax.config.update("jax_enable_x64", True)
        arrays = [jax.numpy.asarray(i[name]) for name in arguments]
        call = jax.jit(formula, donate_argnums=0 if in_place else ())

        def run() -> None:
            out = call(*arrays)
            out.block_until_ready()
            if in_place:
                arrays[0] = out
            i[result] = out

        return Work(run, lambda: [np.asarray(i[result])])

    return work


def _numpy_linear(i: Inputs) -> np.ndarray:
    np.matmul(i["x"], i["weight"], out=i["forward"])
    return np.add(i["forward"], i["bias"], out=i["forward"])


def _numpy_linear_relu(i: Inputs) -> np.ndarray:
    return np.maximum(_numpy_linear(i), 0, out=i["forward"])


def _numpy_relu_backward(i: Inputs) -> np.ndarray:
    np.matmul(i["grad_output"], i["weight"].T, out=i["backward"])
    np.greater(i["x"], 0, out=i["mask"])
    return np.multiply(i["backward"], i["mask"], out=i["backward"])


def _numpy_weight_gradient(i: Inputs) -> np.ndarray:
    return np.matmul(i["x"].T, i["grad_output"], out=i["gradient"])


def _numpy_sgd_step(i: Inputs) -> None:
    gradient = _numpy_weight_gradient(i)
    gradient *= i["learning_rate"]
    i["weight"] -= gradient


def _numpy_sgd_step_bias(i: Inputs) -> None:
    gradient = i["grad_output"].sum(axis=0, out=i["bias_gradient"])
    gradient *= i["learning_rate"]
    i["bias"] -= gradient


ENTRIES = [
    Entry(
        "linear",
        "products",
        "Forward product",
        "One layer's output: the product of rows and weights, and the bias.",
        PARAMS,
        _inputs,
        {
            "numpy": _numpy("forward", _numpy_linear),
            "fastff": _fastff("forward", "linear", "x", "weight", "bias", "forward"),
            "torch": _torch("forward", lambda torch, t: torch.addmm(t["bias"], t["x"], t["weight"], out=t["forward"])),
            "jax": _jax("forward", lambda x, w, b: x @ w + b, "x", "weight", "bias"),
        },
        _forward("identity"),
        _tolerance("in"),
        _operations,
        ("linear",),
        True,
    ),
    Entry(
        "weight_gradient",
        "products",
        "Gradient of the weights",
        "How the loss changes with each weight: the product of a layer's inputs and the gradient of its outputs.",
        PARAMS,
        _inputs,
        {
            "numpy": _numpy("gradient", _numpy_weight_gradient),
            "fastff": _fastff("gradient", "weight_gradient", "x", "grad_output", "gradient"),
            "torch": _torch("gradient", lambda torch, t: torch.mm(t["x"].t(), t["grad_output"], out=t["gradient"])),
            "jax": _jax("gradient", lambda x, g: x.T @ g, "x", "grad_output"),
        },
        _weight_gradient,
        _tolerance("batch"),
        _operations,
        ("weight_gradient",),
        True,
    ),
    Entry(
        "linear_relu",
        "kernels",
        "Forward: product, bias, ReLU",
        "A hidden layer forward, in one pass over memory instead of three.",
        PARAMS,
        _inputs,
        {
            "numpy": _numpy("forward", _numpy_linear_relu),
            "fastff": _fastff("forward", "linear_relu", "x", "weight", "bias", "forward"),
            "torch": _torch(
                "forward", lambda torch, t: torch.addmm(t["bias"], t["x"], t["weight"], out=t["forward"]).relu_()
            ),
            "jax": _jax("forward", lambda x, w, b: (x @ w + b).clip(0), "x", "weight", "bias"),
        },
        _forward("relu"),
        _tolerance("in"),
        _operations,
        ("linear_relu",),
        True,
    ),
    Entry(
        "relu_backward",
        "kernels",
        "Backward: product and ReLU's mask",
        "The gradient on its way back through a layer and the ReLU before it.",
        PARAMS,
        _inputs,
        {
            "numpy": _numpy("backward", _numpy_relu_backward),
            "fastff": _fastff("backward", "relu_backward", "grad_output", "weight", "x", "backward"),
            "torch": _torch(
                "backward",
                lambda torch, t: torch.mm(t["grad_output"], t["weight"].t(), out=t["backward"]).mul_(t["x"] > 0),
            ),
            "jax": _jax("backward", lambda g, w, h: (g @ w.T) * (h > 0), "grad_output", "weight", "x"),
        },
        _relu_backward,
        _tolerance("out"),
        _operations,
        ("relu_backward",),
        True,
    ),
    Entry(
        "sgd_step",
        "kernels",
        "Update of the weights in place",
        "Gradient and step of gradient descent together: the array of the gradient is never written.",
        PARAMS,
        _inputs,
        {
            "numpy": _numpy("weight", _numpy_sgd_step),
            "fastff": _fastff("weight", "sgd_step", "weight", "x", "grad_output", "learning_rate"),
            "torch": _torch(
                "weight", lambda torch, t: t["weight"].addmm_(t["x"].t(), t["grad_output"], alpha=-t["learning_rate"])
            ),
            "jax": _jax(
                "weight",
                lambda w, x, g, rate: w - rate * (x.T @ g),
                "weight",
                "x",
                "grad_output",
                "learning_rate",
                in_place=True,
            ),
        },
        _updated(0),
        _tolerance("batch"),
        _operations,
        ("sgd_step",),
        True,
    ),
    Entry(
        "sgd_step_bias",
        "kernels",
        "Update of the biases in place",
        "The sum of the gradient's rows, and the step, in one pass.",
        PARAMS,
        _inputs,
        {
            "numpy": _numpy("bias", _numpy_sgd_step_bias),
            "fastff": _fastff("bias", "sgd_step_bias", "bias", "grad_output", "learning_rate"),
            "torch": _torch("bias", lambda torch, t: t["bias"].sub_(t["grad_output"].sum(0), alpha=t["learning_rate"])),
            "jax": _jax(
                "bias", lambda b, g, rate: b - rate * g.sum(0), "bias", "grad_output", "learning_rate", in_place=True
            ),
        },
        _updated(1),
        _tolerance("batch"),
        # one multiply-add a number
        lambda shape, dtype: _operations(shape, dtype) / int(shape.split("x")[1]),
        covers=("sgd_step_bias",),
        fast=True,
    ),
]
