"""Ways timed side by side: every one of a round before the next round begins, in another order each time."""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Mapping

_SAMPLE = 0.003
"""Seconds that a sample lasts, about."""
_WARM = 0.003
"""Seconds that a way runs before each sample."""

Timer = Callable[[int], float]
"""Takes a way so many times, and returns the seconds of all of them."""


def sampled(
    ways: Mapping[str, Timer],
    rounds: int,
    seed: int,
    *,
    settle: Callable[[], object],
    step: Callable[[int], object],
) -> dict[str, list[float]]:
    """Return the samples of each way: seconds of one time, one sample a round.

    Parameters
    ----------
    ways
        By name.
    rounds, seed
        How many, and of their orders.
    settle
        Called before each sample, so that what ran before is at rest.
    step
        Called with the number of each round before it.
    """
    order, names = random.Random(seed), list(ways)
    counts = {way: max(1, round(_SAMPLE * 20 / max(ways[way](20), 1e-6))) for way in names}
    samples: dict[str, list[float]] = {way: [] for way in names}
    for number in range(rounds):
        step(number)
        for way in order.sample(names, len(names)):
            settle()
            ways[way](max(1, round(counts[way] * _WARM / _SAMPLE)))
            collecting = gc.isenabled()
            gc.disable()
            try:
                samples[way].append(ways[way](counts[way]) / counts[way])
            finally:
                if collecting:
                    gc.enable()
    return samples
