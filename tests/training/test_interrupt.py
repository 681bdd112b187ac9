"""Ctrl-C as a question: only where Python itself would answer, and put back afterwards."""

import signal
import threading

import pytest

from fastff.training.interrupt import interrupts

pytestmark = pytest.mark.portable


def test_pressed_or_not():
    before = signal.getsignal(signal.SIGINT)
    with interrupts() as pressed:
        assert not pressed()
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        assert pressed()
    assert signal.getsignal(signal.SIGINT) is before is signal.default_int_handler


def test_put_back_after_an_exception():
    with pytest.raises(ZeroDivisionError), interrupts():
        raise ZeroDivisionError
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_other_handlers_stay():
    seen = []
    before = signal.signal(signal.SIGINT, lambda *_: seen.append(1))
    try:
        with interrupts() as pressed:
            signal.raise_signal(signal.SIGINT)
            assert not pressed()
        assert seen == [1]
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_threads_have_no_signals():
    answers = []

    def work():
        with interrupts() as pressed:
            answers.append(pressed())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert answers == [False]
