"""The public names: all there, and nothing heavy imported for them."""

import subprocess
import sys

import pytest

import fastff as ff

pytestmark = pytest.mark.portable


def test_every_name_is_there():
    for name in ff.__all__:
        assert getattr(ff, name) is getattr(ff, name)
        assert name in dir(ff)


def test_unknown_name():
    with pytest.raises(AttributeError, match="module 'fastff' has no attribute 'Netwrok'"):
        _ = ff.Netwrok


def test_import_waits_for_the_compiler():
    """``import fastff`` costs next to nothing; the descriptions of a training need no compiler either."""
    use = "ff.Adam(), ff.losses.CrossEntropy(), ff.get_num_threads()"
    code = f"import sys, fastff as ff; {use}; print('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_diverged_error_pickles():
    import pickle

    error = pickle.loads(pickle.dumps(ff.DivergedError("why", 3, 7, "history")))
    assert (str(error), error.epoch, error.step, error.history) == ("why", 3, 7, "history")
    assert isinstance(error, ArithmeticError)
