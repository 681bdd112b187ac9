"""The fused operations, from Python and from a user's own ``@njit`` code.

Arrays are float32 or float64, all of one dtype. C-contiguous arrays are used as they are; from Python any strides are
accepted, at the price of a copy, and inputs are never changed; the mask of a masked array is not looked at. Inside
``@njit`` code arrays must be C-contiguous. One thread computes; the GIL is released meanwhile. A NaN in an operand
shows in the result, ReLU included.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.core.errors import NumbaError
from numba.extending import overload, register_jitable

from fastff._jit import invoke, present_stamp, stamp_number
from fastff.gemm.product import PANEL_BYTES, product
from fastff.ops.entry import Entry
from fastff.ops.linear import PACKED_ROWS, gradient_product, linear_rows, relu_backward_rows, scratch_bytes

__all__ = ["linear", "linear_relu", "relu_backward", "sgd_step", "sgd_step_bias", "weight_gradient"]


@register_jitable
def _apart(written: Any, read: Any) -> bool:
    """Whether two contiguous arrays have no number in common."""
    first, other = written.ctypes.data, read.ctypes.data
    return first + written.nbytes <= other or other + read.nbytes <= first or written.size == 0 or read.size == 0


@register_jitable
def _linear(x: Any, weight: Any, bias: Any, out: Any, floor: Any) -> bool:
    m, k = x.shape
    n = weight.shape[1]
    if weight.shape[0] != k or out.shape[0] != m or out.shape[1] != n or not (_apart(out, x) and _apart(out, weight)):
        return False
    address = 0
    if bias is not None:
        if bias.shape[0] != n or not _apart(out, bias):
            return False
        address = int(np.int64(bias.ctypes.data))
    size = x.itemsize
    scratch = np.empty(scratch_bytes(n, k, size) if m >= PACKED_ROWS else 1, np.uint8)
    invoke(
        linear_rows,
        x.dtype.type(0),
        (
            m,
            n,
            k,
            x.ctypes.data,
            k * size,
            size,
            weight.ctypes.data,
            n * size,
            address,
            out.ctypes.data,
            n * size,
            floor,
            scratch.ctypes.data,
        ),
    )
    # a use behind the call: memory is given back after the last one, and an address is none
    return scratch.size > 0


@register_jitable
def _linear_plain(x: Any, weight: Any, bias: Any, out: Any) -> bool:
    return _linear(x, weight, bias, out, -np.inf)


@register_jitable
def _linear_relu(x: Any, weight: Any, bias: Any, out: Any) -> bool:
    return _linear(x, weight, bias, out, 0.0)


@register_jitable
def _relu_backward(grad_output: Any, weight: Any, hidden: Any, out: Any) -> bool:
    m, k = grad_output.shape
    n = weight.shape[0]
    if weight.shape[1] != k or hidden.shape[0] != m or hidden.shape[1] != n or out.shape[0] != m or out.shape[1] != n:
        return False
    if not (_apart(out, grad_output) and _apart(out, weight) and _apart(out, hidden)):
        return False
    size = out.itemsize
    scratch = np.empty(scratch_bytes(n, k, size), np.uint8)
    invoke(
        relu_backward_rows,
        out.dtype.type(0),
        (
            m,
            n,
            k,
            grad_output.ctypes.data,
            k * size,
            size,
            weight.ctypes.data,
            k * size,
            hidden.ctypes.data,
            n * size,
            out.ctypes.data,
            n * size,
            scratch.ctypes.data,
        ),
    )
    # a use behind the call: memory is given back after the last one, and an address is none
    return scratch.size > 0


@register_jitable
def _weight_gradient(x: Any, grad_output: Any, out: Any) -> bool:
    return _gradient(x, grad_output, out, 0.0)


@register_jitable
def _sgd_step(weight: Any, x: Any, grad_output: Any, learning_rate: Any) -> bool:
    rate = weight.dtype.type(learning_rate)
    if rate != 0:
        return _gradient(x, grad_output, weight, learning_rate)
    # to a product, a factor of 0 means to write; and 0 times NaN is NaN
    gradient = np.empty_like(weight)
    if not (_apart(weight, x) and _apart(weight, grad_output) and _gradient(x, grad_output, gradient, 0.0)):
        return False
    for i in range(weight.shape[0]):
        for j in range(weight.shape[1]):
            weight[i, j] -= rate * gradient[i, j]
    return True


@register_jitable
def _gradient(x: Any, grad_output: Any, out: Any, rate: Any) -> bool:
    k, m = x.shape
    n = grad_output.shape[1]
    if grad_output.shape[0] != k or out.shape[0] != m or out.shape[1] != n:
        return False
    if not (_apart(out, x) and _apart(out, grad_output)):
        return False
    size = x.itemsize
    scratch = np.empty(scratch_bytes(n, k, size), np.uint8)
    invoke(
        gradient_product,
        x.dtype.type(0),
        (
            m,
            n,
            k,
            x.ctypes.data,
            m * size,
            size,
            grad_output.ctypes.data,
            n * size,
            out.ctypes.data,
            n * size,
            scratch.ctypes.data,
            float(rate),
        ),
    )
    # a use behind the call: memory is given back after the last one, and an address is none
    return scratch.size > 0


@register_jitable
def _sgd_step_bias(bias: Any, grad_output: Any, learning_rate: Any) -> bool:
    if bias.shape[0] != grad_output.shape[1] or not _apart(bias, grad_output):
        return False
    rate = bias.dtype.type(learning_rate)
    if rate != 0:
        return _sum_rows(grad_output, bias, learning_rate)
    # as in `_sgd_step`
    gradient = np.empty_like(bias)
    _sum_rows(grad_output, gradient, 0.0)
    for j in range(bias.shape[0]):
        bias[j] -= rate * gradient[j]
    return True


@register_jitable
def _sum_rows(rows: Any, out: Any, rate: Any) -> bool:
    k, n = rows.shape
    size = out.itemsize
    one = np.ones(1, out.dtype)
    # a sum of rows is a product with a row of ones, which is one number read again and again
    invoke(
        product,
        out.dtype.type(0),
        (
            1,
            n,
            k,
            one.ctypes.data,
            0,
            0,
            0,
            rows.ctypes.data,
            n * size,
            PANEL_BYTES,
            0,
            0,
            out.ctypes.data,
            n * size,
            PANEL_BYTES,
            -float(rate),
            -np.inf,
            0,
        ),
    )
    return one.size == 1  # a use behind the call, as above


_LINEAR_SHAPES = {"x": ("batch", "in"), "weight": ("in", "out"), "bias": ("out",), "out": ("batch", "out")}
_linear_entry = Entry("linear", _linear_plain, _LINEAR_SHAPES, "out", "bias")
_linear_relu_entry = Entry("linear_relu", _linear_relu, _LINEAR_SHAPES, "out", "bias")
_relu_backward_entry = Entry(
    "relu_backward",
    _relu_backward,
    {"grad_output": ("batch", "out"), "weight": ("in", "out"), "hidden": ("batch", "in"), "out": ("batch", "in")},
    "out",
)
_weight_gradient_entry = Entry(
    "weight_gradient",
    _weight_gradient,
    {"x": ("batch", "in"), "grad_output": ("batch", "out"), "out": ("in", "out")},
    "out",
)
_sgd_step_entry = Entry(
    "sgd_step", _sgd_step, {"weight": ("in", "out"), "x": ("batch", "in"), "grad_output": ("batch", "out")}, "weight"
)
_sgd_step_bias_entry = Entry(
    "sgd_step_bias", _sgd_step_bias, {"bias": ("out",), "grad_output": ("batch", "out")}, "bias"
)


def linear(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, out: np.ndarray) -> None:
    """``out = x @ weight + bias``.

    Parameters
    ----------
    x : ndarray (batch, in)
        *Read.*
    weight : ndarray (in, out)
        *Read.*
    bias : ndarray (out,) or None
        *Read.*
    out : ndarray (batch, out)
        *Written*; must not overlap the others.

    Raises
    ------
    TypeError
        An argument is no array, not float32 or float64, or of another dtype than `x`.
    ValueError
        Shapes do not fit, or `out` is read-only or overlaps. Nothing has been written in either case.

    Notes
    -----
    Terms of a sum are added in their order, each rounded once. 2 batch in out operations.

    Examples
    --------
    >>> import numpy as np, fastff as ff
    >>> out = np.empty((1, 2))
    >>> ff.kernels.linear(np.array([[1.0, 2.0]]), np.eye(2), np.array([0.5, -5.0]), out)
    >>> out
    array([[ 1.5, -3. ]])
    """
    try:
        native = x.dtype.isnative and weight.dtype.isnative and out.dtype.isnative
        fits = native and (bias is None or bias.dtype.isnative) and _linear_entry.compiled(x, weight, bias, out)
    except (AttributeError, TypeError, NumbaError):
        fits = False
    if not fits:
        _linear_entry.slowly(x, weight, bias, out)


def linear_relu(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, out: np.ndarray) -> None:
    """``out = max(x @ weight + bias, 0)``; arguments, errors and notes as `linear`.

    Examples
    --------
    >>> import numpy as np, fastff as ff
    >>> out = np.empty((1, 2))
    >>> ff.kernels.linear_relu(np.array([[1.0, 2.0]]), np.eye(2), np.array([0.5, -5.0]), out)
    >>> out
    array([[1.5, 0. ]])
    """
    try:
        native = x.dtype.isnative and weight.dtype.isnative and out.dtype.isnative
        fits = native and (bias is None or bias.dtype.isnative) and _linear_relu_entry.compiled(x, weight, bias, out)
    except (AttributeError, TypeError, NumbaError):
        fits = False
    if not fits:
        _linear_relu_entry.slowly(x, weight, bias, out)


def relu_backward(grad_output: np.ndarray, weight: np.ndarray, hidden: np.ndarray, out: np.ndarray) -> None:
    """``out = (grad_output @ weight.T) * (hidden > 0)``: the gradient before a ReLU whose values were `hidden`.

    Parameters
    ----------
    grad_output : ndarray (batch, out)
        Gradient of the loss by the layer's output. *Read.*
    weight : ndarray (in, out)
        *Read.*
    hidden : ndarray (batch, in)
        The layer's input, which a ReLU has made. *Read.*
    out : ndarray (batch, in)
        *Written*; must not overlap the others.

    Raises
    ------
    TypeError, ValueError
        As `linear`.

    Examples
    --------
    >>> import numpy as np, fastff as ff
    >>> out = np.empty((1, 2))
    >>> ff.kernels.relu_backward(np.array([[2.0]]), np.array([[3.0], [4.0]]), np.array([[1.0, 0.0]]), out)
    >>> out
    array([[6., 0.]])
    """
    try:
        native = grad_output.dtype.isnative and weight.dtype.isnative
        native = native and hidden.dtype.isnative and out.dtype.isnative
        fits = native and _relu_backward_entry.compiled(grad_output, weight, hidden, out)
    except (AttributeError, TypeError, NumbaError):
        fits = False
    if not fits:
        _relu_backward_entry.slowly(grad_output, weight, hidden, out)


def weight_gradient(x: np.ndarray, grad_output: np.ndarray, out: np.ndarray) -> None:
    """``out = x.T @ grad_output``: the gradient of the loss by a layer's weight, summed over the batch.

    Parameters
    ----------
    x : ndarray (batch, in)
        *Read.*
    grad_output : ndarray (batch, out)
        *Read.*
    out : ndarray (in, out)
        *Written*; must not overlap the others.

    Raises
    ------
    TypeError, ValueError
        As `linear`.

    Examples
    --------
    >>> import numpy as np, fastff as ff
    >>> out = np.empty((2, 1))
    >>> ff.kernels.weight_gradient(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0], [10.0]]), out)
    >>> out
    array([[31.],
           [42.]])
    """
    try:
        native = x.dtype.isnative and grad_output.dtype.isnative and out.dtype.isnative
        fits = native and _weight_gradient_entry.compiled(x, grad_output, out)
    except (AttributeError, TypeError, NumbaError):
        fits = False
    if not fits:
        _weight_gradient_entry.slowly(x, grad_output, out)


def sgd_step(weight: np.ndarray, x: np.ndarray, grad_output: np.ndarray, learning_rate: float) -> None:
    """``weight -= learning_rate * x.T @ grad_output``, in place; no array of the gradient is made.

    Parameters
    ----------
    weight : ndarray (in, out)
        *Updated*; must not overlap the others.
    x : ndarray (batch, in)
        *Read.*
    grad_output : ndarray (batch, out)
        *Read.*
    learning_rate : float
        The step.

    Raises
    ------
    TypeError, ValueError
        As `linear`.

    Examples
    --------
    >>> import numpy as np, fastff as ff
    >>> weight = np.ones((2, 1))
    >>> ff.kernels.sgd_step(weight, np.array([[1.0, 2.0]]), np.array([[10.0]]), 0.5)
    >>> weight
    array([[-4.],
           [-9.]])
    """
    try:
        native = weight.dtype.isnative and x.dtype.isnative and grad_output.dtype.isnative
        fits = native and _sgd_step_entry.compiled(weight, x, grad_output, learning_rate)
    except (AttributeError, TypeError, NumbaError):
        fits = False
    if not fits:
        _sgd_step_entry.slowly(weight, x, grad_output, learning_rate)


def sgd_step_bias(bias: np.ndarray, grad_output: np.ndarray, learning_rate: float) -> None:
    """``bias -= learning_rate * grad_output.sum(axis=0)``, in place.

    Parameters
    ----------
    bias : ndarray (out,)
        *Updated*; must not overlap `grad_output`.
    grad_output : ndarray (batch, out)
        *Read.*
    learning_rate : float
        The step.

    Raises
    ------
    TypeError, ValueError
        As `linear`.

    Examples
    --------
    >>> import numpy as np, fastff as ff
    >>> bias = np.zeros(1)
    >>> ff.kernels.sgd_step_bias(bias, np.array([[1.0], [2.0]]), 0.5)
    >>> bias
    array([-1.5])
    """
    try:
        fits = (
            bias.dtype.isnative
            and grad_output.dtype.isnative
            and _sgd_step_bias_entry.compiled(bias, grad_output, learning_rate)
        )
    except (AttributeError, TypeError, NumbaError):
        fits = False
    if not fits:
        _sgd_step_bias_entry.slowly(bias, grad_output, learning_rate)


# The same kernels in compiled code: numba reads the arguments of an overload by name, so each is written out.

_STAMP = stamp_number()


@register_jitable
def _check_version() -> None:
    """Refuse to go on where the caller comes from a cache of its own that another fastff was compiled into."""
    if present_stamp() != _STAMP:
        raise RuntimeError(
            "this function was compiled and cached with another version of fastff; remove its cached files "
            "(.nbi and .nbc in __pycache__ or NUMBA_CACHE_DIR)"
        )


@overload(linear)
def _linear_compiled(x: Any, weight: Any, bias: Any, out: Any) -> Any:
    _linear_entry.check_types(x, weight, bias, out)

    def compiled(x: Any, weight: Any, bias: Any, out: Any) -> None:
        _check_version()
        if not _linear_plain(x, weight, bias, out):
            raise ValueError(
                "linear: shapes do not fit, or out overlaps another array; wanted "
                "x (batch, in), weight (in, out), bias (out,) or None, out (batch, out)"
            )

    return compiled


@overload(linear_relu)
def _linear_relu_compiled(x: Any, weight: Any, bias: Any, out: Any) -> Any:
    _linear_relu_entry.check_types(x, weight, bias, out)

    def compiled(x: Any, weight: Any, bias: Any, out: Any) -> None:
        _check_version()
        if not _linear_relu(x, weight, bias, out):
            raise ValueError(
                "linear_relu: shapes do not fit, or out overlaps another array; wanted "
                "x (batch, in), weight (in, out), bias (out,) or None, out (batch, out)"
            )

    return compiled


@overload(relu_backward)
def _relu_backward_compiled(grad_output: Any, weight: Any, hidden: Any, out: Any) -> Any:
    _relu_backward_entry.check_types(grad_output, weight, hidden, out)

    def compiled(grad_output: Any, weight: Any, hidden: Any, out: Any) -> None:
        _check_version()
        if not _relu_backward(grad_output, weight, hidden, out):
            raise ValueError(
                "relu_backward: shapes do not fit, or out overlaps another array; wanted "
                "grad_output (batch, out), weight (in, out), hidden (batch, in), out (batch, in)"
            )

    return compiled


@overload(weight_gradient)
def _weight_gradient_compiled(x: Any, grad_output: Any, out: Any) -> Any:
    _weight_gradient_entry.check_types(x, grad_output, out)

    def compiled(x: Any, grad_output: Any, out: Any) -> None:
        _check_version()
        if not _weight_gradient(x, grad_output, out):
            raise ValueError(
                "weight_gradient: shapes do not fit, or out overlaps another array; wanted "
                "x (batch, in), grad_output (batch, out), out (in, out)"
            )

    return compiled


@overload(sgd_step)
def _sgd_step_compiled(weight: Any, x: Any, grad_output: Any, learning_rate: Any) -> Any:
    _sgd_step_entry.check_types(weight, x, grad_output, learning_rate)

    def compiled(weight: Any, x: Any, grad_output: Any, learning_rate: Any) -> None:
        _check_version()
        if not _sgd_step(weight, x, grad_output, learning_rate):
            raise ValueError(
                "sgd_step: shapes do not fit, or weight overlaps another array; wanted "
                "weight (in, out), x (batch, in), grad_output (batch, out)"
            )

    return compiled


@overload(sgd_step_bias)
def _sgd_step_bias_compiled(bias: Any, grad_output: Any, learning_rate: Any) -> Any:
    _sgd_step_bias_entry.check_types(bias, grad_output, learning_rate)

    def compiled(bias: Any, grad_output: Any, learning_rate: Any) -> None:
        _check_version()
        if not _sgd_step_bias(bias, grad_output, learning_rate):
            raise ValueError(
                "sgd_step_bias: shapes do not fit, or bias overlaps another array; wanted "
                "bias (out,), grad_output (batch, out)"
            )

    return compiled
