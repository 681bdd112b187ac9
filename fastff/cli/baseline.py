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
# One stretch lasts about so long, so that the seconds are kept to and there are several to take the median of.
_STRETCH = 0.1


class Timing(NamedTuple):
    """What NumPy takes for the whole job.

    Attributes
    ----------
    seconds : float
        Of all steps, at the rate measured.
    steps : int
        The steps that were timed.
    """

    seconds: float
    steps: int


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
    """Time `fastff.reference.train` on steps of a job from these parameters, which are read only.

    Rows come in a random order as in the job. The median rate of some stretches counts, so that a pause of the machine
    flatters nobody. Half of the time NumPy's BLAS has one thread, half of it `threads`, and the faster half counts:
    small products are faster with one, and on a busy machine all are.
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

    halves = []
    for blas_threads in sorted({1, threads}):
        with threadpool_limits(blas_threads, user_api="blas"):
            own[...] = parameters
            a_step = min(timed(1)[1] for _ in range(2))  # these warm up, too
            stretch = max(1, int(_STRETCH / a_step))
            done, rates, begin = 0, [], time.perf_counter()
            while done < steps and time.perf_counter() - begin < SECONDS / 2:
                made, seconds = timed(min(steps - done, stretch))
                rates += [seconds / made]
                done += made
            halves.append(Timing(float(np.median(rates)) * steps, done))
    return min(halves)
