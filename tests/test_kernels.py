"""The public fused operations against NumPy: values, layouts, errors, NaN, and calls from compiled code."""

import subprocess
import sys
import threading
from dataclasses import dataclass, field

import numba
import numpy as np
import pytest
from numba.core import event
from numba.core.errors import TypingError

from fastff import kernels
from fastff._jit import DISABLED
from tests.guarded import Guarded, at_page_end

DTYPES = ("float32", "float64")
RATE = 0.125
SHAPES = [(1, 4, 3), (3, 5, 2), (1, 40, 100), (29, 7, 33), (31, 129, 65), (60, 100, 10), (90, 13, 1)]
EMPTY = [(0, 4, 3), (5, 0, 3), (5, 4, 0), (40, 0, 3), (40, 3, 0)]

compiled_only = pytest.mark.skipif(DISABLED, reason="nothing is compiled")
dtypes = pytest.mark.parametrize("dtype", DTYPES)


@dataclass
class Kernel:
    """One kernel: its array arguments with their shapes, the one that is written, and what it should hold."""

    shapes: dict
    written: str
    value: callable  # of the arrays, by NumPy
    numbers: tuple = ()
    optional: tuple = ()
    sizes: dict = field(default_factory=lambda: {"batch": 0, "in": 1, "out": 2})

    def arrays(self, sizes, dtype, seed=0):
        rng = np.random.default_rng(seed)
        shapes = {name: tuple(sizes[self.sizes[axis]] for axis in shape) for name, shape in self.shapes.items()}
        return {name: rng.normal(size=shape).astype(dtype) for name, shape in shapes.items()}

    def wanted(self, arrays):
        """The result, and the sum of the magnitudes of what is added up in it."""
        exact = {name: None if a is None else a.astype("f8") for name, a in arrays.items()}
        magnitude = {name: None if a is None else np.abs(a) for name, a in exact.items()}
        rates = tuple(-number for number in self.numbers)
        return self.value(*exact.values(), *self.numbers), np.abs(self.value(*magnitude.values(), *rates))


LINEAR = {"x": ("batch", "in"), "weight": ("in", "out"), "bias": ("out",), "out": ("batch", "out")}
BACKWARD = {"grad_output": ("batch", "out"), "weight": ("in", "out"), "hidden": ("batch", "in"), "out": ("batch", "in")}


def affine(x, weight, bias, out):
    return x @ weight + (0 if bias is None else bias)


KERNELS = {
    "linear": Kernel(LINEAR, "out", affine, optional=("bias",)),
    "linear_relu": Kernel(LINEAR, "out", lambda *arrays: np.maximum(affine(*arrays), 0), optional=("bias",)),
    "relu_backward": Kernel(BACKWARD, "out", lambda grad, weight, hidden, out: (grad @ weight.T) * (hidden > 0)),
    "weight_gradient": Kernel(
        {"x": ("batch", "in"), "grad_output": ("batch", "out"), "out": ("in", "out")},
        "out",
        lambda x, grad, out: x.T @ grad,
    ),
    "sgd_step": Kernel(
        {"weight": ("in", "out"), "x": ("batch", "in"), "grad_output": ("batch", "out")},
        "weight",
        lambda weight, x, grad, rate: weight - rate * (x.T @ grad),
        (RATE,),
    ),
    "sgd_step_bias": Kernel(
        {"bias": ("out",), "grad_output": ("batch", "out")},
        "bias",
        lambda bias, grad, rate: bias - rate * grad.sum(axis=0),
        (RATE,),
    ),
}
names = pytest.mark.parametrize("name", KERNELS)


def call(name, arrays, *numbers):
    assert getattr(kernels, name)(*arrays.values(), *(numbers or KERNELS[name].numbers)) is None


def check(name, sizes, dtype, without=()):
    """Call on fresh arrays, with guards around what is written; compare with NumPy."""
    kernel = KERNELS[name]
    arrays = {key: None if key in without else array for key, array in kernel.arrays(sizes, dtype).items()}
    before = {key: None if array is None else array.copy() for key, array in arrays.items()}
    wanted, magnitude = kernel.wanted(before)
    call(name, arrays)
    result = arrays[kernel.written]
    assert np.all(np.abs(result - wanted) <= (max(sizes) + 3) * np.finfo(dtype).eps * magnitude)
    for key in arrays.keys() - {kernel.written}:
        np.testing.assert_array_equal(arrays[key], before[key])
    return result


@pytest.mark.portable
@names
@dtypes
@pytest.mark.parametrize("sizes", SHAPES[:2], ids=str)
def test_small(name, dtype, sizes):
    check(name, sizes, dtype)


@names
@dtypes
@pytest.mark.parametrize("sizes", [*SHAPES[2:], (300, 500, 200)], ids=str)
def test_against_numpy(name, dtype, sizes):
    check(name, sizes, dtype)


@pytest.mark.portable
@names
@dtypes
@pytest.mark.parametrize("sizes", EMPTY, ids=str)
def test_empty(name, dtype, sizes):
    """No rows, no inputs or no outputs: empty sums are zero."""
    check(name, sizes, dtype)


@pytest.mark.portable
@pytest.mark.parametrize("name", ["linear", "linear_relu"])
@dtypes
@pytest.mark.parametrize("sizes", [(3, 5, 2), (64, 20, 40)], ids=str)
def test_without_bias(name, dtype, sizes):
    check(name, sizes, dtype, without=("bias",))


def layouts(array):
    """The same numbers laid out otherwise, by name."""
    spaced = np.zeros([2 * n for n in array.shape], array.dtype)
    inside = tuple(slice(None, None, 2) for _ in array.shape)
    spaced[inside] = array
    reverse = tuple(slice(None, None, -1) for _ in array.shape)
    frozen = array.copy()
    frozen.flags.writeable = False
    bytes_ = np.zeros(array.nbytes + 1, np.uint8)
    unaligned = bytes_[1:].view(array.dtype).reshape(array.shape)
    unaligned[...] = array
    return {
        "Fortran": np.array(array, order="F", copy=True),
        "spaced": spaced[inside],
        "reversed": array[reverse].copy()[reverse],
        "read-only": frozen,
        "unaligned": unaligned,
        "matrix": np.array(array, copy=True).view(np.matrix if array.ndim == 2 else np.ndarray),
        "masked": np.ma.array(array, copy=True),
        "wider": np.concatenate([array, array], axis=-1)[..., : array.shape[-1]],
    }


@pytest.mark.portable
@names
@dtypes
def test_every_layout_of_every_argument(name, dtype):
    """Any strides are accepted and give the same bits; inputs stay as they were."""
    kernel = KERNELS[name]
    arrays = kernel.arrays((31, 6, 5), dtype)
    straight = {key: array.copy() for key, array in arrays.items()}
    call(name, straight)
    for key in arrays:
        for layout, other in layouts(arrays[key]).items():
            if key == kernel.written and layout == "read-only":
                continue
            given = {k: other if k == key else array.copy() for k, array in arrays.items()}
            call(name, given)
            np.testing.assert_array_equal(given[kernel.written], straight[kernel.written], err_msg=f"{key} {layout}")
            if key != kernel.written:
                np.testing.assert_array_equal(other, arrays[key])


@pytest.mark.portable
@names
def test_nothing_around_the_result_is_written(name):
    kernel = KERNELS[name]
    arrays = kernel.arrays((29, 7, 9), "float64")
    straight = {key: array.copy() for key, array in arrays.items()}
    call(name, straight)
    target = arrays[kernel.written]
    guarded = Guarded(*np.atleast_2d(target).shape, target.dtype, gap=2, fill=target)
    arrays[kernel.written] = guarded.result.reshape(target.shape) if target.ndim == 2 else guarded.result[0]
    call(name, arrays)
    np.testing.assert_array_equal(arrays[kernel.written], straight[kernel.written])
    guarded.check()


@names
@dtypes
@pytest.mark.parametrize("sizes", [(1, 3, 2), (2, 9, 17), (31, 19, 35), (64, 33, 40)], ids=str)
def test_memory_behind_the_arrays_is_not_touched(name, dtype, sizes):
    kernel = KERNELS[name]
    arrays = {key: at_page_end(array) for key, array in kernel.arrays(sizes, dtype).items()}
    wanted, magnitude = kernel.wanted({key: array.copy() for key, array in arrays.items()})
    call(name, arrays)
    assert np.all(np.abs(arrays[kernel.written] - wanted) <= 70 * np.finfo(dtype).eps * magnitude)


def wrong_arguments(name):
    """Arguments that do not fit: what is changed, the error, and a word that its message must hold."""
    kernel = KERNELS[name]
    for key, shape in kernel.shapes.items():
        yield key, lambda a: a.tolist(), TypeError, "list"
        yield key, lambda a: a.astype("int64"), TypeError, "int64"
        yield key, lambda a: a.astype("float16"), TypeError, "float16"
        yield key, lambda a: a.astype("float32"), TypeError, "float32"
        yield key, lambda a: a[None], ValueError, str((1, *[{"batch": 5, "in": 4, "out": 3}[s] for s in shape]))
        if len(shape) == 2:
            yield key, lambda a: a[..., 0], ValueError, "shape"
        for axis in range(len(shape)):
            if (name, shape[axis]) == ("sgd_step_bias", "batch"):
                continue  # any number of rows
            yield key, lambda a, axis=axis: np.repeat(a, 2, axis), ValueError, shape[axis]
        if key not in kernel.optional:
            yield key, lambda a: None, TypeError, "NoneType"
    yield kernel.written, lambda a: layouts(a)["read-only"], ValueError, "read-only"


@pytest.mark.portable
@names
def test_arguments_that_do_not_fit(name):
    """Each is refused with a message that names it, what it is and what it should be; nothing has been written."""
    kernel = KERNELS[name]
    good = kernel.arrays((5, 4, 3), "float64")
    call(name, {key: array.copy() for key, array in good.items()})
    for key, change, error, word in wrong_arguments(name):
        given = {k: change(array) if k == key else array.copy() for k, array in good.items()}
        target = given[kernel.written]
        before = np.copy(target) if isinstance(target, np.ndarray) else None
        with pytest.raises(error) as caught:
            call(name, given)
        message = str(caught.value)
        assert message.startswith(f"{name}: ")
        assert key in message or any(other in message for other in given), message
        assert word in message, message
        if before is not None:
            np.testing.assert_array_equal(target, before)


@pytest.mark.portable
@names
def test_overlaps_are_refused(name):
    kernel = KERNELS[name]
    for key in kernel.shapes.keys() - {kernel.written}:
        arrays = kernel.arrays((4, 4, 4), "float64")
        memory = arrays[key]
        if memory.ndim == arrays[kernel.written].ndim:
            arrays[kernel.written] = memory
        elif memory.ndim == 1:
            memory = arrays[kernel.written]
            arrays[key] = memory[-1]
        else:
            arrays[kernel.written] = memory[1]
        before = memory.copy()
        for _ in range(2):
            with pytest.raises(ValueError, match=rf"{name}: {kernel.written} must not overlap {key}"):
                call(name, arrays)
            np.testing.assert_array_equal(memory, before)


@pytest.mark.portable
def test_a_wrong_learning_rate_is_named():
    for name in ("sgd_step", "sgd_step_bias"):
        arrays = KERNELS[name].arrays((2, 3, 4), "float64")
        before = next(iter(arrays.values())).copy()
        for rate in ("fast", None, 1j):
            with pytest.raises(TypeError, match=f"{name}: learning_rate"):
                call(name, arrays, rate)
        np.testing.assert_array_equal(next(iter(arrays.values())), before)


@pytest.mark.portable
@pytest.mark.parametrize("name", ["sgd_step", "sgd_step_bias"])
@dtypes
def test_learning_rates(name, dtype):
    """Zero leaves every bit; any real number is accepted; minus the rate is the way back."""
    kernel = KERNELS[name]
    arrays = kernel.arrays((5, 4, 3), dtype)
    target = arrays[kernel.written]
    before = target.copy()
    call(name, arrays, 0.0)
    np.testing.assert_array_equal(target, before)
    results = []
    for rate in (1, 1.0, np.float32(1), np.float64(1), np.int64(1), np.array(1.0)):
        target[...] = before
        call(name, arrays, rate)
        results.append(target.copy())
    assert np.all(np.array(results) == results[0])
    assert not np.array_equal(results[0], before)
    call(name, arrays, -1.0)
    np.testing.assert_allclose(target, before, rtol=0, atol=50 * np.finfo(dtype).eps)
    call(name, arrays, np.nan)
    assert np.isnan(target).all()


@pytest.mark.portable
@names
@dtypes
@pytest.mark.parametrize("batch", [2, 33])
def test_a_nan_in_any_operand_shows(name, dtype, batch):
    """Where NumPy's result is NaN, ours is; a NaN in `hidden` shows too, although no comparison with it is true."""
    kernel = KERNELS[name]
    for key in kernel.shapes:
        if key == "out":
            continue
        arrays = kernel.arrays((batch, 4, 3), dtype)
        arrays[key][(-1,) * arrays[key].ndim] = np.nan
        wanted = np.isnan(kernel.wanted(arrays)[0])
        if key == "hidden":
            wanted |= np.isnan(arrays[key])
        assert wanted.any()
        call(name, arrays)
        np.testing.assert_array_equal(np.isnan(arrays[kernel.written]), wanted, err_msg=key)


@pytest.mark.portable
@pytest.mark.parametrize("name", ["sgd_step", "sgd_step_bias"])
@dtypes
def test_a_rate_of_zero_shows_a_nan_and_changes_nothing_else(name, dtype):
    """0 times NaN is NaN, as in NumPy; a rate that the dtype rounds to zero is no other."""
    kernel = KERNELS[name]
    for rate in (0.0, -0.0, 1e-50 if dtype == "float32" else 0.0):
        arrays = kernel.arrays((33, 4, 3), dtype)
        target, before = arrays[kernel.written], arrays[kernel.written].copy()
        call(name, arrays, rate)
        np.testing.assert_array_equal(target, before)
        arrays["grad_output"][7, 1] = np.nan
        call(name, arrays, rate)
        wanted = np.zeros(before.shape, bool)
        wanted[..., 1] = True
        np.testing.assert_array_equal(np.isnan(target), wanted)
        np.testing.assert_array_equal(target[~wanted], before[~wanted])
        inside = arrays["grad_output"][:4] if target.ndim == 2 else arrays["grad_output"][0]
        with pytest.raises(ValueError, match="must not overlap"):
            call(name, {**arrays, kernel.written: inside}, rate)


@pytest.mark.portable
@names
@dtypes
def test_the_other_order_of_bytes_is_refused(name, dtype):
    """Also after unaligned arrays were seen, which numba does not tell from it."""
    kernel = KERNELS[name]
    arrays = kernel.arrays((5, 4, 3), dtype)
    for key in arrays:
        call(name, {**arrays, key: layouts(arrays[key])["unaligned"]})
    before = arrays[kernel.written].copy()
    for key in arrays:
        swapped = arrays[key].astype(arrays[key].dtype.newbyteorder())
        with pytest.raises(TypeError, match=f"{name}: {key} must be float32 or float64, not "):
            call(name, {**arrays, key: swapped})
    swapped = {key: array.astype(array.dtype.newbyteorder()) for key, array in arrays.items()}
    with pytest.raises(TypeError, match=f"{name}: .* must be float32 or float64, not "):
        call(name, swapped)
    np.testing.assert_array_equal(arrays[kernel.written], before)


@pytest.mark.portable
@dtypes
def test_infinities(dtype):
    out = np.empty((1, 2), dtype)
    kernels.linear_relu(np.array([[np.inf]], dtype), np.array([[1, -1]], dtype), None, out)
    np.testing.assert_array_equal(out, [[np.inf, 0]])
    out = np.empty((1, 1), dtype)
    with np.errstate(invalid="ignore"):
        kernels.linear_relu(np.array([[np.inf, np.inf]], dtype), np.array([[1], [-1]], dtype), None, out)
    assert np.isnan(out[0, 0])


@pytest.mark.portable
def test_the_old_content_of_out_does_not_matter():
    for name in ("linear", "linear_relu", "relu_backward", "weight_gradient"):
        arrays = KERNELS[name].arrays((5, 4, 3), "float64")
        call(name, arrays)
        first = arrays["out"].copy()
        arrays["out"][...] = np.nan
        call(name, arrays)
        np.testing.assert_array_equal(arrays["out"], first)


@compiled_only
@names
def test_a_second_call_compiles_nothing(name):
    """Whatever the sizes and layouts: one compilation a dtype serves them all."""
    kernel = KERNELS[name]
    for dtype in DTYPES:
        call(name, kernel.arrays((2, 3, 4), dtype))
    with event.install_recorder("numba:compile") as recorder:
        for dtype in DTYPES:
            call(name, kernel.arrays((40, 9, 5), dtype))
            for key, array in kernel.arrays((4, 3, 2), dtype).items():
                for layout, other in layouts(array).items():
                    if key != kernel.written or layout != "read-only":
                        call(name, {**kernel.arrays((4, 3, 2), dtype), key: other})
            with pytest.raises(ValueError, match=name):
                call(name, {**kernel.arrays((4, 3, 2), dtype), kernel.written: np.empty((7, 7), dtype)})
    assert not recorder.buffer


@names
def test_threads_at_once(name):
    kernel = KERNELS[name]
    jobs = [kernel.arrays((31, 40, 50), "float64", seed) for seed in range(4)]
    wanted = [kernel.wanted(job) for job in jobs]
    team = [threading.Thread(target=call, args=(name, job)) for job in jobs]
    for thread in team:
        thread.start()
    for thread in team:
        thread.join()
    for job, (value, magnitude) in zip(jobs, wanted, strict=True):
        assert np.all(np.abs(job[kernel.written] - value) <= 60 * np.finfo("f8").eps * magnitude)


# From a user's own compiled code.


@numba.njit
def step(which, x, weight, bias, hidden, grad, out, grad_x, grad_weight):
    if which == 0:
        kernels.linear(x, weight, bias, out)
    elif which == 1:
        kernels.linear_relu(x, weight, bias, out)
    elif which == 2:
        kernels.relu_backward(grad, weight, hidden, grad_x)
    elif which == 3:
        kernels.weight_gradient(x, grad, grad_weight)
    elif which == 4:
        kernels.sgd_step(weight, x, grad, 0.125)
    elif which == 5:
        kernels.sgd_step_bias(bias, grad, 0.125)
    return which


def everything(batch=31, inputs=6, outputs=5, dtype="float64"):
    rng = np.random.default_rng(3)
    shapes = {
        "x": (batch, inputs),
        "weight": (inputs, outputs),
        "bias": (outputs,),
        "hidden": (batch, inputs),
        "grad": (batch, outputs),
        "out": (batch, outputs),
        "grad_x": (batch, inputs),
        "grad_weight": (inputs, outputs),
    }
    return {name: rng.normal(size=shape).astype(dtype) for name, shape in shapes.items()}


@pytest.mark.parametrize("dtype", ["float64"])
def test_from_compiled_code(dtype):
    """The same bits as from Python."""
    compiled, python = everything(dtype=dtype), everything(dtype=dtype)
    for which in range(6):
        assert step(which, *compiled.values()) == which
        step.py_func(which, *python.values())
        for key in python:
            np.testing.assert_array_equal(compiled[key], python[key], err_msg=f"{which} {key}")


@pytest.mark.parametrize("which", range(6))
def test_shapes_are_checked_in_compiled_code(which):
    """A shape that does not fit is an error there too, and nothing is written."""
    read_by = [
        ("x", "weight", "bias", "out"),
        ("x", "weight", "bias", "out"),
        ("grad", "weight", "hidden", "grad_x"),
        ("x", "grad", "grad_weight"),
        ("weight", "x", "grad"),
        ("bias", "grad"),
    ][which]
    for key in read_by:
        for axis in range(everything()[key].ndim):
            if which == 5 and (key, axis) == ("grad", 0):
                continue
            arrays = everything()
            arrays[key] = np.repeat(arrays[key], 2, axis)
            before = {name: array.copy() for name, array in arrays.items()}
            with pytest.raises(ValueError, match=f"{list(KERNELS)[which]}: "):
                step(which, *arrays.values())
            for name in arrays:
                np.testing.assert_array_equal(arrays[name], before[name])


@pytest.mark.parametrize(("which", "written"), [(0, "out"), (4, "weight"), (5, "bias")])
def test_overlaps_are_refused_in_compiled_code(which, written):
    arrays = everything(5, 5, 5)
    if which == 0:
        arrays["x"] = arrays["out"]
    elif which == 4:
        arrays["weight"] = arrays["x"]
    else:
        arrays["bias"] = arrays["grad"][2]
    before = arrays[written].copy()
    with pytest.raises(ValueError, match=f"{written} overlaps"):
        step(which, *arrays.values())
    np.testing.assert_array_equal(arrays[written], before)


@compiled_only
def test_types_are_checked_while_compiling():
    x, weight, out = np.ones((2, 3)), np.ones((3, 4)), np.ones((2, 4))

    @numba.njit
    def use(x, weight, bias, out):
        kernels.linear(x, weight, bias, out)

    for arguments, words in [
        ((x.astype("f4"), weight, None, out), "linear: weight must be float32"),
        ((x.astype("i8"), weight, None, out), "linear: x must be float32 or float64"),
        ((x, weight, np.ones((1, 4)), out), "linear: bias must have 1 dimensions"),
        ((x[:, ::-1], weight, None, out), "linear: x must be C-contiguous"),
        ((x, weight, None, layouts(out)["read-only"]), "linear: out is written"),
        ((x, weight, 1.0, out), "linear: bias must be an array"),
    ]:
        with pytest.raises(TypingError, match=words):
            use(*arguments)
    use(layouts(x)["read-only"], weight, None, out)
    np.testing.assert_array_equal(out, 3)


SCRIPT = """
import numba, numpy as np
from fastff import kernels

@numba.njit(cache=True)
def descend(weight, x, y, steps):
    out = np.empty((x.shape[0], weight.shape[1]))
    for _ in range(steps):
        kernels.linear(x, weight, None, out)
        for i in range(out.size):
            out.flat[i] -= y.flat[i]
        kernels.sgd_step(weight, x, out, 0.125)

weight, x, y = np.zeros((2, 1)), np.eye(2), np.array([[1.0], [2.0]])
descend(weight, x, y, 200)
print(weight.ravel().tolist(), sum(descend.stats.cache_hits.values()), sum(descend.stats.cache_misses.values()))
"""


@compiled_only
def test_from_a_users_cache(tmp_path):
    """A user's cached function works in a later process, where nothing of fastff is compiled yet."""
    script = tmp_path / "descend.py"
    script.write_text(SCRIPT)
    told = []
    for _ in range(2):
        done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
        told.append(done.stdout.split("]"))
    for numbers, _ in told:
        np.testing.assert_allclose([float(n) for n in numbers.strip("[").split(",")], [1, 2], rtol=1e-9)
    assert [counts.split() for _, counts in told] == [["0", "1"], ["1", "0"]]
