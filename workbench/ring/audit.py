"""How long a message takes to a kernel and back: an audit against what else would do the work.

Every way of a round is timed before the next round begins, in another order each time, and ratios are taken round by
round. Each reply is compared with what it should be, outside the clock, before the first round and after the last. What
a reply says is computed from the message, so that nobody can pass who only acknowledges it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from workbench.bench.environment import Watch, environment
from workbench.bench.progress import SuiteProgress
from workbench.bench.race import Ratio
from workbench.errors import InputError

from .backends import choose
from .findings import Bar, RingAudit, Trip
from .trips import ACALL_ANY, CALL, NUMBER, PLAIN, POOL, SOFTMAX, STREAM_ANY, TO_THREAD, questions, timed

__all__ = ["RingAudit", "ring"]


def ring(*, rounds: int = 30, seed: int = 0, progress: Callable[[SuiteProgress], object] | None = None) -> RingAudit:
    """Time round trips to a ring kernel against a plain call, a thread pool, and ``asyncio.to_thread``.

    What its caller runs itself and what is handed over to the kernel's thread are timed apart: they are different
    things, and only the first is quicker than a thread pool. Without ``thread="any"`` a handler of the user is handed
    what is sent or awaited.

    Parameters
    ----------
    rounds
        How often each way is timed.
    seed
        Of the order in each round.
    progress
        Is called with a :class:`~workbench.bench.progress.SuiteProgress` before each round, outside the clock. What it
        raises ends the audit.

    Raises
    ------
    workbench.errors.InputError
        If ``rounds`` is no whole number from 3.
    workbench.errors.RaceError
        If a reply is wrong.
    """
    if isinstance(rounds, bool) or not isinstance(rounds, int) or rounds < 3:
        raise InputError(f"rounds must be a whole number of at least 3, got {rounds!r}.")
    from workbench.bench.statistics import median_interval, speedup

    watch = Watch()
    taken: dict[tuple[str, str], list[float]] = {}
    asked = list(questions())
    for place, (message, payload, function) in enumerate(asked):

        def step(number: int, message: str = message, before: int = place * rounds) -> None:
            if progress is not None:
                what = f"{message}: round {number + 1} of {rounds}"
                progress(SuiteProgress(before + number, len(asked) * rounds, what, None))

        for way, samples in timed(payload, function, rounds, seed, step).items():
            taken[message, way] = samples
    trips = []
    for (message, way), samples in taken.items():
        low, high = median_interval(samples)
        trips.append(Trip(message, way, float(np.median(samples)), low, high))

    def times(message: str, way: str, other: str) -> Ratio:
        return speedup(taken[message, way], taken[message, other])

    small, large = NUMBER, SOFTMAX
    bars = (
        Bar("call over a thread pool, at least 2x", times(small, CALL, POOL), 2.0),
        Bar("call over to_thread, at least 5x", times(small, CALL, TO_THREAD), 5.0),
        Bar('send, receive, "any", over a thread pool, at least 2x', times(small, STREAM_ANY, POOL), 2.0),
        Bar('await acall, "any", over to_thread, at least 5x', times(small, ACALL_ANY, TO_THREAD), 5.0),
        Bar("call over the plain call, 1 MB softmax, at least 0.952x", times(large, CALL, PLAIN), 1 / 1.05),
    )
    load = watch.finish()["load"]
    gpu = "not timed: " + choose("auto").why.removeprefix("auto: ")
    return RingAudit(tuple(trips), bars, rounds, environment(), None if load is None else float(load), gpu)
