"""The number of threads: default, environment, bad values."""

import os

import pytest

from fastff import _threads, get_num_threads, set_num_threads

pytestmark = pytest.mark.portable


@pytest.fixture(autouse=True)
def forget(monkeypatch):
    monkeypatch.setattr(_threads, "_chosen", None)
    monkeypatch.delenv(_threads.VARIABLE, raising=False)


def test_default_is_the_cores_this_process_may_use():
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert get_num_threads() == cores


def test_environment(monkeypatch):
    monkeypatch.setenv(_threads.VARIABLE, " 3 ")
    assert get_num_threads() == 3


def test_environment_empty_means_default(monkeypatch):
    monkeypatch.setenv(_threads.VARIABLE, "")
    assert get_num_threads() >= 1


@pytest.mark.parametrize("text", ["0", "-2", "two", "1.5"])
def test_environment_bad(monkeypatch, text):
    monkeypatch.setenv(_threads.VARIABLE, text)
    with pytest.raises(ValueError, match=rf"FASTFF_NUM_THREADS must be an integer of at least 1, not '{text}'"):
        get_num_threads()


def test_set_wins_over_environment(monkeypatch):
    monkeypatch.setenv(_threads.VARIABLE, "nonsense")
    set_num_threads(5)
    assert get_num_threads() == 5


@pytest.mark.parametrize(
    ("n", "error", "message"),
    [
        (0, ValueError, "must be at least 1, not 0"),
        (-1, ValueError, "must be at least 1, not -1"),
        (1.0, TypeError, "must be an integer, not 1.0 of type float"),
        ("2", TypeError, "must be an integer, not '2' of type str"),
        (None, TypeError, "must be an integer, not None"),
    ],
)
def test_set_bad(n, error, message):
    with pytest.raises(error, match=message):
        set_num_threads(n)
    assert _threads._chosen is None
