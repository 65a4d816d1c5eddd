"""How long a message takes to a kernel and back: an audit against what else would do the work.

Every way of a round is timed before the next round begins, in another order each time, and ratios are taken round by
round. Each reply is compared with what it should be, outside the clock, before the first round and after the last. What
a reply says is computed from the message, so that nobody can pass who only acknowledges it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

from workbench.bench.environment import Watch, environment
from workbench.bench.progress import SuiteProgress
from workbench.errors import InputError

from .backends import choose
from .cuda import round_trips
from .cuda.round_trips import LAUNCH, RING
from .cuda.round_trips import NUMBERS as GPU_NUMBERS
from .findings import Bar, RingAudit, Trip
from .trips import ACALL_ANY, CALL, NUMBER, PLAIN, POOL, SOFTMAX, STREAM_ANY, TO_THREAD, questions, timed

__all__ = ["RingAudit", "ring"]


def ring(*, rounds: int = 30, seed: int = 0, progress: Callable[[SuiteProgress], object] | None = None) -> RingAudit:
    """Time round trips to a ring kernel against a plain call, a thread pool, and ``asyncio.to_thread``.

    Where there is a GPU, also to it and back, against a launch that is waited for, and a graph of one.

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
        Is called with a :class:`~workbench.bench.progress.SuiteProgress` before each round, outside the clock, in the
        thread that measures: another one where an event loop runs in the caller's. What it raises ends the audit.

    Raises
    ------
    workbench.errors.InputError
        If ``rounds`` is no whole number from 3.
    workbench.errors.RaceError
        If a reply is wrong.
    """
    if isinstance(rounds, bool) or not isinstance(rounds, int) or rounds < 3:
        raise InputError(f"rounds must be a whole number of at least 3, got {rounds!r}.")
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _audited(rounds, seed, progress)
    with ThreadPoolExecutor(
        1
    ) as pool:  # a loop of the audit's own cannot run in the thread of another, as a notebook's
        return pool.submit(_audited, rounds, seed, progress).result()


def _audited(rounds: int, seed: int, progress: Callable[[SuiteProgress], object] | None) -> RingAudit:
    from workbench.bench.statistics import median_interval, speedup

    watch = Watch()
    taken: dict[tuple[str, str], list[float]] = {}
    jobs, gpu = _jobs(rounds, seed)
    for place, (message, job) in enumerate(jobs.items()):

        def step(number: int, message: str = message, before: int = place * rounds) -> None:
            if progress is not None:
                what = f"{message}: round {number + 1} of {rounds}"
                progress(SuiteProgress(before + number, len(jobs) * rounds, what, None))

        for way, samples in job(step).items():
            taken[message, way] = samples
    trips = []
    for (message, way), samples in taken.items():
        low, high = median_interval(samples)
        trips.append(Trip(message, way, float(np.median(samples)), low, high))
    bars = tuple(
        Bar(text, speedup(taken[message, way], taken[message, other]), least)
        for text, message, way, other, least in BARS
        if message in jobs
    )
    load = watch.finish()["load"]
    return RingAudit(tuple(trips), bars, rounds, environment(), None if load is None else float(load), gpu)


Job = Callable[[Callable[[int], object]], dict[str, list[float]]]
"""Takes the samples of each way of a message, and tells of each round before it."""
BARS = (
    ("call over a thread pool, at least 2x", NUMBER, CALL, POOL, 2.0),
    ("call over to_thread, at least 5x", NUMBER, CALL, TO_THREAD, 5.0),
    ('send, receive, "any", over a thread pool, at least 2x', NUMBER, STREAM_ANY, POOL, 2.0),
    ('await acall, "any", over to_thread, at least 5x', NUMBER, ACALL_ANY, TO_THREAD, 5.0),
    ("call over the plain call, 1 MB softmax, at least 0.952x", SOFTMAX, CALL, PLAIN, 1 / 1.05),
    ("GPU: send, reply over launch, synchronise, at least 2x", GPU_NUMBERS, RING, LAUNCH, 2.0),
)


def _jobs(rounds: int, seed: int) -> tuple[dict[str, Job], str]:
    """Return what is to be timed, by message, and what is to be said of the GPU."""
    jobs: dict[str, Job] = {
        message: partial(timed, payload, function, rounds, seed) for message, payload, function in questions()
    }
    try:
        chosen = choose("cuda")
    except InputError as obstacle:
        return jobs, f"not timed: {obstacle}"
    for message in round_trips.questions():
        jobs[message] = partial(round_trips.timed, message, rounds, seed)
    return jobs, f"{chosen.why.removeprefix('it was asked for: ')}; each reply's checksum is compared"
