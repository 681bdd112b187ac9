import numpy as np
import pytest

from fastff.comparison.jobs import JOBS, QUICK, batches, find, start


def test_names_tell_what_is_trained():
    for name, job in JOBS.items():
        assert name.endswith({"float32": "f32", "float64": "f64"}[job.dtype])
        if "adam" in name:
            assert hasattr(job.optimizer, "beta1")
        if "-b" in name:
            assert f"-b{job.batch_size}-" in name
    assert set(QUICK) <= set(JOBS)


def test_unknown_job_is_told():
    with pytest.raises(ValueError, match="no job 'mnist'; the jobs are seed0-f64, "):
        find("mnist")


@pytest.mark.parametrize("name", ["seed0-f32", "seed2-f64", "tabular-adam-b32-f32", "mlp-sgd-b64-f32"])
def test_start(name):
    job = JOBS[name].shortened(0.01)
    begin, again = start(job), start(job)
    assert begin.x.dtype == job.dtype
    assert begin.x.shape == (job.rows, job.sizes[0])
    assert [w.shape for w in begin.weights] == list(zip(job.sizes, job.sizes[1:]))
    assert len(begin.biases) == (len(begin.weights) if job.bias else 0)
    assert begin.y.shape == ((job.rows,) if job.output == "softmax" else (job.rows, job.sizes[-1]))
    for ours, theirs in zip([begin.x, begin.y, *begin.weights], [again.x, again.y, *again.weights]):
        np.testing.assert_array_equal(ours, theirs)


def test_batches_are_every_row_once_an_epoch():
    job = JOBS["tabular-adam-b32-f32"].shortened(0.004)
    assert (job.rows, job.steps) == (128, 4)
    rows = list(batches(job, np.random.default_rng(1)))
    assert [len(each) for each in rows] == [32] * 4
    np.testing.assert_array_equal(np.sort(np.concatenate(rows)), np.arange(128))
    whole = JOBS["seed0-f64"].shortened(0.01)
    assert list(batches(whole, np.random.default_rng(1))) == [slice(0, 60)] * whole.steps == [slice(0, 60)] * 5


def test_operations_are_counted_by_hand():
    # forward 60 x (1000 x 100 + 100 x 10), the same for the weights' gradients, backward 60 x 100 x 10
    per_step = 2 * 60 * (2 * (1000 * 100 + 100 * 10) + 100 * 10)
    assert JOBS["seed0-f64"].operations == 500 * per_step
