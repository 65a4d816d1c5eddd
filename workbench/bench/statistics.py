"""Intervals: of a median, and of the ratio of two contenders whose samples are paired by round.

Both are bootstrap intervals, drawn without resampling: in a resample of ``n`` out of ``n`` values the one in the middle
is ``sorted[floor(n * u)]``, where ``u`` is the middle one of ``n`` uniform numbers and so follows a beta distribution.
Drawing ``u`` gives the same distribution as drawing resamples, at a cost that does not grow with the rounds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np

from .race import Ratio

_DRAWS = 10_000
_SEED = 20_241_120  # the same samples give the same interval, on any machine and in any process


def median_interval(samples: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of the median of ``samples``, in their unit; it contains the median."""
    _, low, high = _median_with_interval(np.asarray(samples, dtype=np.float64))
    return low, high


def speedup(a_seconds: Sequence[float], b_seconds: Sequence[float]) -> Ratio:
    """Return how many times faster ``a`` is than ``b``: the median over the rounds of ``b / a``, with its interval.

    Two samples of one round lie close in time, so what slows the machine for a while (a neighbour, a lower clock)
    slows both and leaves their ratio alone; that is why the ratio is taken round by round and not of the medians.

    Parameters
    ----------
    a_seconds, b_seconds
        Seconds per call, one of each per round.

    Raises
    ------
    ValueError
        If there are none, or not as many of one as of the other.
    """
    if len(a_seconds) != len(b_seconds) or not a_seconds:
        raise ValueError(
            f"A ratio is taken round by round, from as many samples of both and at least one; got {len(a_seconds)} and "
            f"{len(b_seconds)}."
        )
    # In logarithms, so that a over b is the inverse of b over a, also with an even number of rounds.
    logs = np.log(np.asarray(b_seconds, dtype=np.float64)) - np.log(np.asarray(a_seconds, dtype=np.float64))
    value, low, high = (math.exp(log) for log in _median_with_interval(logs))
    if len(logs) == 1:  # a single round decides nothing
        low, high = min(low, 1.0), max(high, 1.0)
    return Ratio(value, low, high)


def change(before: Sequence[float], now: Sequence[float]) -> Ratio:
    """Return by which factor the median of ``now`` is larger than that of ``before``, with its 95 % interval.

    The samples are of two runs, so none of one belongs to one of the other: the medians of both are resampled, each for
    itself.

    Parameters
    ----------
    before, now
        Positive values, such as seconds per call or ratios of them; as many as there are.
    """
    old, new = (np.sort(np.log(np.asarray(values, dtype=np.float64))) for values in (before, now))
    value = float(np.median(new) - np.median(old))
    fewer = min(len(old), len(new))
    if fewer == 1:  # nothing is known of how far it scatters
        return Ratio(math.exp(value), 0.0, math.inf)
    # Both are drawn from the same uniform numbers; in another order they no longer rise and fall together.
    shuffled = np.random.default_rng(_SEED + 1).permutation(_resampled_medians(old))
    cut = tail(fewer)
    low, high = np.quantile(_resampled_medians(new) - shuffled, (cut, 1.0 - cut))
    return Ratio(math.exp(value), math.exp(min(float(low), value)), math.exp(max(float(high), value)))


def _median_with_interval(values: np.ndarray[Any, Any]) -> tuple[float, float, float]:
    ordered = np.sort(values)
    median = float(np.median(ordered))
    if len(ordered) == 1:
        return median, median, median
    cut = tail(len(ordered))
    low, high = np.quantile(_resampled_medians(ordered), (cut, 1.0 - cut))
    return median, min(float(low), median), max(float(high), median)


def _resampled_medians(ordered: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return medians of resamples, drawn in mirrored pairs: so ``-values`` gives the exact mirror image."""
    n = len(ordered)
    rng = np.random.default_rng(_SEED)
    rank = (n + 1) // 2
    u = rng.beta(rank, n + 1 - rank, _DRAWS)
    if n % 2:
        drawn: np.ndarray[Any, Any] = ordered[_index(np.concatenate([u, 1.0 - u]), n)]
        return drawn
    # An even number has two in the middle: given the lower one, the upper one is the least of the n - rank above it.
    v = 1.0 - (1.0 - u) * rng.random(_DRAWS) ** (1.0 / (n - rank))
    lower, upper = np.concatenate([u, 1.0 - v]), np.concatenate([v, 1.0 - u])
    middle: np.ndarray[Any, Any] = (ordered[_index(lower, n)] + ordered[_index(upper, n)]) / 2
    return middle


def _index(u: np.ndarray[Any, Any], n: int) -> np.ndarray[Any, Any]:
    index: np.ndarray[Any, Any] = np.minimum((u * n).astype(np.intp), n - 1)
    return index


def tail(n: int) -> float:
    """Return the share to cut off at each end for 95 %, wider than 2.5 % asks for where rounds are few.

    A plain percentile interval of few samples is too narrow (7 rounds: 88 % instead of 95 %). Hesterberg's expanded
    percentiles (The American Statistician 69, 2015) correct it as Student's t corrects the normal interval.
    """
    normal = NormalDist()
    z = normal.inv_cdf(0.975)
    f = n - 1
    # Student's t from z, by Cornish and Fisher's expansion: within 1 % from 5 rounds on, and no need for SciPy.
    t = z + (z**3 + z) / (4 * f) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * f**2)
    return normal.cdf(-math.sqrt(n / f) * t)
