"""Ctrl-C means the same in every test, also where the shell that started them has it ignored (``pytest &``)."""

import signal

import pytest


@pytest.fixture(autouse=True)
def pythons_own_interrupt():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
