"""Ctrl-C as a terminal sends it, to a process of its own."""

import json
import signal
import subprocess
import sys

import pytest

CHILD = """
import json, signal, warnings
import numpy as np
import fastff as ff

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
rng = np.random.default_rng(0)
X, y = rng.normal(size=(2000, 20)), rng.normal(size=2000)
told = []

def tell(epochs_done, loss):
    if not told:
        told.append(print("training", flush=True))

net = ff.Network((20, 50, 1), dtype="float64")
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    history = net.fit(X, y, epochs=10**9, callback=tell)
again = ff.Network((20, 50, 1), dtype="float64")
losses = again.fit(X, y, epochs=history.epochs).loss
print(json.dumps({
    "interrupted": history.interrupted,
    "warning": str(caught[0].message),
    "same parameters": bool((net.parameters == again.parameters).all()),
    "same history": bool((history.loss == losses).all()),
}))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send")
def test_ctrl_c():
    child = subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert child.stdout.readline() == "training\n", child.stderr.read()
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=900)
    finally:
        child.kill()
        child.communicate()
    assert child.returncode == 0, err
    result = json.loads(out)
    assert result.pop("warning").startswith("fit was interrupted; ")
    assert result == {"interrupted": True, "same parameters": True, "same history": True}
