"""Steps a call: a tenth of a second, approached from below."""

import pytest

from fastff.training.pace import MOST_STEPS, TARGET, Pace

pytestmark = pytest.mark.portable


@pytest.mark.parametrize("seconds_a_step", [1e-7, 1e-4, 3.0])
def test_settles_at_the_target(seconds_a_step):
    pace = Pace(flops=1e5, overhead=0.0)
    for _ in range(30):
        pace.record(pace.steps, pace.steps * seconds_a_step)
    assert pace.steps == min(max(round(TARGET / seconds_a_step), 1), MOST_STEPS)


def test_first_call_is_short():
    assert Pace(flops=1e12, overhead=0.0).steps == 1
    assert 1000 < Pace(flops=500, overhead=0.0).steps < 100_000


def test_growth_is_bounded():
    pace = Pace(flops=1e6, overhead=0.0)
    first = pace.steps
    pace.record(first, 0.0)
    assert first < pace.steps <= 8 * first


def test_costly_copies_make_calls_longer():
    assert TARGET < Pace(flops=1, overhead=0.004).target < Pace(flops=1, overhead=10.0).target < 0.5


def test_a_shorter_call():
    pace = Pace(flops=1e6, overhead=0.0)
    pace.record(pace.steps, seconds=pace.steps * 1e-3)
    assert (pace.within(10.0), pace.within(0.02), pace.within(0.0)) == (pace.steps, pace.steps // 5, 1)
