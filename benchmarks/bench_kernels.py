"""The three fused kernels against the same work in NumPy calls.

Each class checks both sides in ``setup`` before anything is timed; compilation happens there too. NumPy writes into
arrays it is given (``out=``), so that it does not pay for memory. Unset ``OPENBLAS_*`` before measuring.
"""

from __future__ import annotations

import numpy as np

from fastff import kernels

# (rows, in, out): the first layer of the 1000-100-10 network, of an MNIST classifier, and a wide layer
SHAPES = ["60x1000x100", "64x784x256", "1024x512x512"]
DTYPES = ["float32", "float64"]


class FusedAgainstNumpy:
    """Operands of one layer: x (rows, in), weight (in, out), bias (out,), grad_output (rows, out)."""

    params = (SHAPES, DTYPES)
    param_names = ("shape", "dtype")

    def setup(self, shape: str, dtype: str) -> None:
        self.rows, self.n_in, self.n_out = (int(width) for width in shape.split("x"))
        rng = np.random.default_rng(0)
        # a hidden layer's input: the output of a ReLU, half of it zeros
        self.x = np.maximum(rng.standard_normal((self.rows, self.n_in)), 0).astype(dtype)
        self.weight = (rng.standard_normal((self.n_in, self.n_out)) / np.sqrt(self.n_in)).astype(dtype)
        self.bias = rng.standard_normal(self.n_out).astype(dtype)
        self.grad_output = rng.standard_normal((self.rows, self.n_out)).astype(dtype)
        # large enough for the update to be seen by the check below, small enough to stay finite for millions of steps
        self.learning_rate = 1e-6
        self.prepare()
        fused, plain = np.copy(self.fused()), np.copy(self.plain())
        bound = 8 * max(self.rows, self.n_in, self.n_out) * np.finfo(dtype).eps
        np.testing.assert_allclose(fused, plain, rtol=bound, atol=bound * np.abs(plain).max())

    def time_fastff(self, shape: str, dtype: str) -> None:
        self.fused()

    def time_numpy(self, shape: str, dtype: str) -> None:
        self.plain()


class LinearRelu(FusedAgainstNumpy):
    """``max(x @ weight + bias, 0)``."""

    def prepare(self) -> None:
        self.out = np.empty((self.rows, self.n_out), self.x.dtype)

    def fused(self) -> np.ndarray:
        kernels.linear_relu(self.x, self.weight, self.bias, self.out)
        return self.out

    def plain(self) -> np.ndarray:
        np.matmul(self.x, self.weight, out=self.out)
        np.add(self.out, self.bias, out=self.out)
        return np.maximum(self.out, 0, out=self.out)


class ReluBackward(FusedAgainstNumpy):
    """``(grad_output @ weight.T) * (hidden > 0)``; hidden is the layer's input x."""

    def prepare(self) -> None:
        self.out = np.empty((self.rows, self.n_in), self.x.dtype)
        self.mask = np.empty((self.rows, self.n_in), bool)

    def fused(self) -> np.ndarray:
        kernels.relu_backward(self.grad_output, self.weight, self.x, self.out)
        return self.out

    def plain(self) -> np.ndarray:
        np.matmul(self.grad_output, self.weight.T, out=self.out)
        np.greater(self.x, 0, out=self.mask)
        return np.multiply(self.out, self.mask, out=self.out)


class SgdStep(FusedAgainstNumpy):
    """``weight -= learning_rate * x.T @ grad_output``, each side on weights of its own."""

    def prepare(self) -> None:
        self.gradient = np.empty_like(self.weight)
        self.fused_weight, self.plain_weight = self.weight.copy(), self.weight.copy()

    def fused(self) -> np.ndarray:
        kernels.sgd_step(self.fused_weight, self.x, self.grad_output, self.learning_rate)
        return self.fused_weight

    def plain(self) -> np.ndarray:
        np.matmul(self.x.T, self.grad_output, out=self.gradient)
        np.multiply(self.gradient, self.learning_rate, out=self.gradient)
        return np.subtract(self.plain_weight, self.gradient, out=self.plain_weight)


# asv times every class it finds; the base has no kernel of its own
del FusedAgainstNumpy
