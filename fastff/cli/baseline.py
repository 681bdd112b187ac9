"""The same job in plain NumPy, timed for a bounded time."""

from __future__ import annotations

import math
import time
from typing import NamedTuple

import numpy as np

from .. import reference
from ..network.plan import Plan
from ..ops.losses import Loss
from ..optim import Optimizer

# Steps of NumPy are timed until these seconds are over, or the job is done.
SECONDS = 2.0
# One call lasts about so long, so that the seconds are kept to.
_CALL = 0.2


class Timing(NamedTuple):
    """What NumPy takes.

    Attributes
    ----------
    seconds : float
        For the whole job, measured or extrapolated from the steps timed.
    steps : int
        The steps timed.
    complete : bool
        Whether they were the whole job.
    """

    seconds: float
    steps: int
    complete: bool


def time_numpy(
    plan: Plan,
    parameters: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    loss: Loss,
    optimizer: Optimizer,
    batch_size: int,
    steps: int,
    threads: int,
) -> Timing:
    """Time `fastff.reference.train` on `steps` steps from these parameters, which are read only.

    Rows come in a random order as in the job. NumPy's BLAS may use `threads` threads. The first two calls, which warm
    up, are not counted.
    """
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng(0)
    own = parameters.copy()
    per_epoch = math.ceil(len(x) / batch_size)

    def timed(count: int) -> tuple[int, float]:
        epochs, rows = (count // per_epoch, len(x)) if count >= per_epoch else (1, count * batch_size)
        order = np.stack([rng.permutation(rows) for _ in range(epochs)])
        start = time.perf_counter()
        made = len(reference.train(plan, own, x[:rows], y[:rows], loss, optimizer, epochs, batch_size, order))
        return made, time.perf_counter() - start

    with threadpool_limits(threads, user_api="blas"):
        a_step = min(timed(1)[1] for _ in range(2))
        at_once = max(1, int(_CALL / a_step))
        done, seconds = 0, 0.0
        while done < steps and seconds < SECONDS:
            made, taken = timed(min(at_once, steps - done))
            done += made
            seconds += taken
    return Timing(seconds * steps / done, done, done == steps)
