"""asv's view of the registry: parameters, set-up that refuses wrong answers, and what is tracked."""

import itertools
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastff as ff
from benchmarks import (
    activations,
    conditions,
    epochs,
    kernels,
    losses,
    memory,
    optimizers,
    predict,
    products,
    quality,
    registry,
    startup,
    suite,
)

FAMILIES = [products, kernels, activations, losses, optimizers, epochs, predict]
OTHERS = ("memory", "quality", "startup")
FOLDER = Path(suite.__file__).parent


@pytest.mark.parametrize("module", FAMILIES, ids=lambda module: module.__name__)
def test_parameters_are_the_registrys(module):
    family = module.Comparison.family
    assert module.__name__ == f"benchmarks.{family}"
    names = [entry.name for entry in registry.of_family(family)]
    for kind in (module.Call, module.Comparison):
        assert list(kind.params[0]) == names
        assert len(kind.params) == len(kind.param_names)
        assert kind.param_names[-1] == "impl"
        assert set(kind.params[-1]) <= set(registry.IMPLEMENTATIONS)
    assert {"numpy", "fastff"} <= set(module.Comparison.params[-1])
    assert "numpy" not in module.Comparison.track_speedup_over_numpy.params[-1]
    assert module.Comparison.track_speedup_over_numpy.unit == "x"


def test_trainings_run_on_one_thread_and_on_two():
    for module in (epochs, predict):
        assert dict(zip(module.Call.param_names, module.Call.params, strict=True))["threads"] == ("1", "2")


def test_what_is_tracked_comes_from_the_rounds():
    cache = {
        ("linear_relu", "60x1000x100", "float32", "1"): {"numpy": [4e-3] * 3, "fastff": [1e-3] * 3, "peak": [1e-11] * 3}
    }
    benchmark = kernels.Comparison()
    values = ("linear_relu", "60x1000x100", "float32", "fastff")
    benchmark.setup(cache, *values)
    operations = 2 * 60 * 1000 * 100
    assert benchmark.track_speedup_over_numpy(cache, *values) == pytest.approx(4)
    assert benchmark.track_gflops(cache, *values) == pytest.approx(operations / 1e-3 / 1e9)
    assert benchmark.track_part_of_peak(cache, *values) == pytest.approx(100 * operations * 1e-11 / 1e-3)


def test_what_is_not_there_is_skipped_and_what_failed_fails():
    key = ("sgd_step", "60x1000x100", "float32")
    cache = {(*key, "1"): {"numpy": [1.0], "fastff": "failed: WrongAnswerError", "jax": "jax is not installed"}}
    benchmark = kernels.Comparison()
    with pytest.raises(NotImplementedError, match="not installed"):
        benchmark.setup(cache, *key, "jax")
    with pytest.raises(NotImplementedError):
        benchmark.setup({}, *key, "numpy")
    benchmark.setup(cache, *key, "fastff")
    with pytest.raises(RuntimeError, match="WrongAnswerError"):
        benchmark.track_speedup_over_numpy(cache, *key, "fastff")


def test_more_threads_than_cores_are_skipped(monkeypatch):
    monkeypatch.setattr(conditions, "cores", lambda: 1)
    with pytest.raises(NotImplementedError, match="1 cores"):
        predict.Comparison().setup({}, "predict", "1", "2", "fastff")


def test_set_up_refuses_a_wrong_kernel(monkeypatch):
    monkeypatch.setattr(ff.kernels, "sgd_step_bias", lambda bias, grad, rate: None)
    threads, benchmark = ff.get_num_threads(), kernels.Call()
    try:
        with pytest.raises(registry.WrongAnswerError):
            benchmark.setup("sgd_step_bias", "60x1000x100", "float64", "fastff")
    finally:
        ff.set_num_threads(threads)
        benchmark.limits.restore_original_limits()


def test_import_statements_and_first_steps_are_python():
    for statement in startup.Import.statements.values():
        compile(statement, "import", "exec")
    benchmark = startup.Compile()
    benchmark.setup("float32")
    first, second = (benchmark.timeraw_first_compilation("float32") for _ in range(2))
    assert first != second
    folder = Path(re.search(r"'NUMBA_CACHE_DIR'\] = '([^']+)'", first)[1])
    assert folder.is_dir()
    assert not list(folder.iterdir())
    compile(first, "first", "exec")
    benchmark.teardown("float32")
    assert not folder.exists()


def test_memory_is_measured_in_a_process_of_its_own():
    benchmark = memory.Comparison()
    try:
        benchmark.setup("seed0-f64", "numpy")
    except NotImplementedError:
        pytest.skip("no peak of memory is kept here")
    assert 5 < benchmark.track_peak_memory("seed0-f64", "numpy") < 2000
    with pytest.raises(NotImplementedError, match="cannot do this"):
        benchmark.setup("seed0-f64", "sklearn")


@pytest.mark.parametrize("impl", ["numpy", "fastff", "sklearn"])
def test_a_few_epochs_learn_to_read_digits(impl):
    benchmark = quality.Score()
    benchmark.setup("digits", "short", impl)
    for _ in range(8):
        benchmark.session.epoch()
    right = benchmark.session.labels(benchmark.x_new) == benchmark.y_new
    assert right.mean() > 0.85


def test_all_read_the_same_rows():
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(quality.FOLDER, raising=False)
        with pytest.raises(NotImplementedError, match=quality.FOLDER):
            quality.load("mnist")
    for one, other in zip(quality.load("digits"), quality.load("digits"), strict=True):
        np.testing.assert_array_equal(one, other)


def configuration(name):
    lines = (FOLDER / name).read_text(encoding="utf-8").splitlines()
    return json.loads("\n".join(line for line in lines if not line.strip().startswith("//")))


def test_the_configuration_with_peers_differs_in_them_only():
    plain, peers = configuration("asv.conf.json"), configuration("asv.peers.conf.json")
    added = peers["matrix"]["req"]
    assert {name: added.pop(name) for name in ("torch", "jax")} == {"torch": [""], "jax": [""]}
    assert plain == peers


def test_what_asv_forks_has_no_threads_and_no_library_with_threads_of_its_own():
    modules = ", ".join([*(module.__name__ for module in FAMILIES), *map("benchmarks.{}".format, OTHERS)])
    code = (
        f"import sys, threading, {modules}\n"
        "print(threading.active_count(), [name for name in ('sklearn', 'torch', 'jax') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=FOLDER.parent, capture_output=True, text=True, check=True, timeout=300
    )
    assert done.stdout.split(maxsplit=1) == ["1", "[]\n"]
    assert configuration("asv.conf.json")["launch_method"] == "forkserver"


def test_every_cache_is_set_up_by_its_own_class():
    """asv tells caches apart by module and line."""
    places = [module.Comparison.setup_cache.__code__ for module in FAMILIES]
    assert len({(place.co_filename, place.co_firstlineno) for place in places}) == len(FAMILIES)
    for one, other in itertools.combinations(FAMILIES, 2):
        assert one.Comparison.family != other.Comparison.family
