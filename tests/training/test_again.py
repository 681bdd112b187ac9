"""Steps in a loop: like those before, and not; the numbers and errors are those of a trainer that is asked once."""

import pickle

import numpy as np
import pytest

import fastff as ff
from fastff.network.memory import PEEKS
from tests.kinds import KINDS, changed

pytestmark = pytest.mark.portable
needs_peeking = pytest.mark.skipif(not PEEKS, reason="array objects look otherwise here")

CASES = {
    "squared error": ("identity", "squared_error", lambda y: y),
    "cross entropy": ("softmax", "cross_entropy", lambda y: abs(y) / abs(y).sum(axis=1, keepdims=True)),
    "labels": ("softmax", "cross_entropy", lambda y: (y[:, 0] > 0).astype(np.int64)),
    "binary": ("sigmoid", "binary_cross_entropy", lambda y: abs(np.tanh(y))),
}


def make(case="squared error", optimizer=None, **options):
    output, loss, _ = CASES[case]
    net = ff.Network((3, 5, 2), "tanh", output, dtype="float64", random_state=4, **options)
    return ff.Trainer(net, loss, optimizer or ff.Adam(0.01))


def data(case="squared error", rows=8):
    rng = np.random.default_rng(5)
    return rng.normal(size=(rows, 3)), CASES[case][2](rng.normal(size=(rows, 2)))


def slowly(trainer, x, y):
    """A step that nothing has been kept for."""
    if trainer._engine is not None:
        trainer._engine.again = None
    return trainer.step(x, y)


def check_same(trainer, other):
    np.testing.assert_array_equal(trainer.network.parameters, other.network.parameters)
    np.testing.assert_array_equal(trainer._engine.state, other._engine.state)
    assert trainer.steps == other.steps


@pytest.mark.parametrize("optimizer", [ff.SGD(0.1), ff.SGD(0.1, momentum=0.9), ff.Adam(0.01)], ids=str)
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("rows", [1, 3])
def test_steps_in_a_loop(case, optimizer, rows):
    one, other, (X, y) = make(case, optimizer), make(case, optimizer), data(case)
    for i in range(len(X) - rows + 1):
        some = slice(i, i + rows)
        loss = one.step(X[some], y[some])
        assert type(loss) is float
        assert loss == slowly(other, X[some], y[some])
    check_same(one, other)


@needs_peeking
@pytest.mark.parametrize("case", CASES)
def test_a_second_step_is_not_examined(case, monkeypatch):
    trainer, (X, y) = make(case), data(case)
    trainer.step(X[:1], y[:1])
    monkeypatch.setattr("fastff.training.trainer.as_rows", None)
    trainer.step(X[1:2], y[1:2])
    assert trainer.steps == 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("which", [0, 1])
def test_arrays_of_another_kind(kind, which):
    one, other = make(), make()
    for numbers in range(1, 5):
        given = np.full((1, 3), numbers, "f8"), np.full((1, 2), -numbers, "f8")
        arrays = list(given)
        if numbers % 2 == 0:
            arrays[which] = changed(arrays[which], kind)
        assert one.step(*arrays) == slowly(other, *given)
    check_same(one, other)


def test_other_numbers_of_rows():
    one, other, (X, y) = make(), make(), data()
    for rows in (1, 1, 3, 1, 8, 8, 1):
        assert one.step(X[:rows], y[:rows]) == slowly(other, X[:rows], y[:rows])
    check_same(one, other)


@pytest.mark.parametrize("case", CASES)
def test_what_does_not_fit_is_refused(case):
    """With the words of a first call, and nothing has changed."""
    trainer, (X, y) = make(case), data(case)
    x, y = X[:2], y[:2]
    wrong = [(None, y), (x, None), (x[:1], y), (x, y[:1]), (x[:, :2], y), (x[0], y), (x.tolist(), "y"), (3, 4)]
    for bad in (np.nan, np.inf, -np.inf):
        wrong.append((np.full((2, 3), bad), y))
        wrong.append((x, np.full(y.shape, bad)))
    if case == "labels":
        wrong += [(x, np.array(labels)) for labels in ([0, 2], [-1, 0], [0.5, 1.0], [2**62, 0])]
    if case in ("binary", "cross entropy"):
        wrong.append((x, -y - 0.1))
    if case == "binary":
        wrong.append((x, y + 1.0))
    for arrays in wrong:
        trainer.step(x, y)
        before = trainer.network.parameters.copy(), trainer._engine.state.copy(), trainer.steps
        with pytest.raises((ValueError, TypeError)) as caught:
            trainer.step(*arrays)
        with pytest.raises(caught.type) as first:
            make(case).step(*arrays)
        assert str(caught.value) == str(first.value)
        np.testing.assert_array_equal(trainer.network.parameters, before[0])
        np.testing.assert_array_equal(trainer._engine.state, before[1])
        assert trainer.steps == before[2]


def test_a_step_that_diverges():
    trainer, (X, y) = make(optimizer=ff.SGD(0.1)), data()
    trainer.step(X[:1], y[:1])
    before = trainer.network.parameters.copy()
    with pytest.raises(ff.DivergedError, match="The update was not made") as caught:
        trainer.step(X[:1], np.full((1, 2), 1e200))
    assert caught.value.step == 2
    np.testing.assert_array_equal(trainer.network.parameters, before)
    assert trainer.steps == 1
    trainer.step(X[:1], y[:1])
    assert trainer.steps == 2


def test_between_steps():
    """A fit, a look at the loss, other parameters, another state and a copy: steps go on from there."""
    one, other, (X, y) = make(), make(), data()

    def both(do):
        do(one)
        do(other)

    def replace(trainer):
        trainer._engine.state = trainer._engine.state * 0.5

    def move(trainer):
        trainer.network.parameters[...] *= 0.5

    def another(trainer):
        trainer.network = trainer.network.copy()

    for do in (
        lambda trainer: trainer.fit(X, y, 2),
        lambda trainer: trainer.network.loss(X, y),
        lambda trainer: trainer._engine.loss(trainer.network.parameters, X, y),
        move,
        replace,
        another,
    ):
        for row in range(3):
            some = slice(row, row + 1)
            assert one.step(X[some], y[some]) == slowly(other, X[some], y[some])
        both(do)
    one, other = (pickle.loads(pickle.dumps(trainer)) for trainer in (one, other))
    for _ in range(2):
        assert one.step(X[:1], y[:1]) == slowly(other, X[:1], y[:1])
    check_same(one, other)


def test_one_output_and_plain_targets():
    X, y = np.ones((3, 1, 1)), np.array([[1.0], [2.0], [3.0]])
    one, other = (ff.Trainer(ff.Network((1, 1), dtype="float64"), optimizer=ff.SGD(0.1)) for _ in range(2))
    for i in range(3):
        assert one.step(X[i], y[i]) == slowly(other, X[i], y[i])
    check_same(one, other)


def test_threads_may_change(monkeypatch):
    before, (X, y) = ff.get_num_threads(), data()
    one, other = make(), make()
    try:
        for threads in (1, 3, 2):
            ff.set_num_threads(threads)
            for _ in range(2):
                assert one.step(X, y) == slowly(other, X, y)
    finally:
        ff.set_num_threads(before)
    check_same(one, other)
