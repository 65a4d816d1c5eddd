"""The laws of the intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.bench.statistics import median_interval, speedup

seconds = st.floats(min_value=1e-9, max_value=1e3)
pairs = st.lists(st.tuples(seconds, seconds), min_size=1, max_size=60)


@given(pairs)
def test_a_over_b_is_the_inverse_of_b_over_a(samples: list[tuple[float, float]]) -> None:
    a, b = zip(*samples, strict=True)
    one, other = speedup(a, b), speedup(b, a)
    assert one.value == pytest.approx(1 / other.value)
    assert one.low == pytest.approx(1 / other.high)
    assert one.high == pytest.approx(1 / other.low)
    assert one.decided == other.decided


@given(pairs)
def test_an_interval_contains_its_value_and_stays_within_the_samples(samples: list[tuple[float, float]]) -> None:
    a, b = zip(*samples, strict=True)
    ratio = speedup(a, b)
    assert ratio.low <= ratio.value <= ratio.high
    low, high = median_interval(a)
    assert min(a) <= low <= np.median(a) <= high <= max(a)


@given(st.lists(seconds, min_size=1, max_size=60))
def test_identical_samples_are_undecided(samples: list[float]) -> None:
    ratio = speedup(samples, samples)
    assert ratio.value == 1
    assert not ratio.decided


@given(pairs, st.floats(min_value=0.01, max_value=100))
def test_a_machine_that_changes_its_clock_changes_no_ratio(samples: list[tuple[float, float]], factor: float) -> None:
    a, b = zip(*samples, strict=True)
    half = len(a) // 2
    slowed = [[value * (factor if place < half else 1) for place, value in enumerate(side)] for side in (a, b)]
    assert speedup(*slowed).value == pytest.approx(speedup(a, b).value)


def test_the_same_samples_give_the_same_interval() -> None:
    values = np.random.default_rng(1).lognormal(size=31)
    assert median_interval(values) == median_interval(values.copy())


@pytest.mark.parametrize("rounds", [7, 8, 25, 100])
def test_an_interval_holds_the_true_ratio_in_95_of_100_races(rounds: int) -> None:
    rng = np.random.default_rng(rounds)
    races = rng.lognormal(sigma=0.05, size=(400, 2, rounds))
    holds = [ratio.low <= 1 <= ratio.high for ratio in (speedup(a, b) for a, b in races.tolist())]
    assert np.mean(holds) >= 0.93


def test_a_clear_difference_is_decided() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.lognormal(sigma=0.02, size=(2, 25))
    assert speedup(list(a), list(1.1 * b)).low > 1


def test_one_round_decides_nothing() -> None:
    ratio = speedup([1.0], [2.0])
    assert math.isclose(ratio.value, 2)
    assert not ratio.decided


def test_samples_that_do_not_pair_are_refused() -> None:
    with pytest.raises(ValueError, match="3 and 2"):
        speedup([1.0, 1.0, 1.0], [1.0, 1.0])
    with pytest.raises(ValueError, match="0 and 0"):
        speedup([], [])
