"""How long a message takes to a kernel and back: an audit against what else would do the work.

Every way of a round is timed before the next round begins, in another order each time, and ratios are taken round by
round. Each reply is compared with what it should be, outside the clock, before the first round and after the last. What
a reply says is computed from the message, so that nobody can pass who only acknowledges it.
"""

from __future__ import annotations

import asyncio
import gc
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from workbench.bench.environment import Watch, environment
from workbench.bench.race import Ratio
from workbench.errors import InputError, RaceError
from workbench.text import aligned, format_seconds

from .backends import choose
from .runtime import Runtime

if TYPE_CHECKING:
    import pandas as pd

_SAMPLE = 0.003
"""Seconds that a sample lasts, about."""
_WARM = 0.003
"""Seconds that a way runs before each sample."""
PLAIN, POOL, TO_THREAD = "plain call", "ThreadPoolExecutor.submit().result()", "await asyncio.to_thread()"
CALL, OWN = "call", 'call, thread="own"'
STREAM, STREAM_ANY = "send, receive", 'send, receive, thread="any"'
ACALL, ACALL_ANY = "await acall", 'await acall, thread="any"'

Way = Callable[[Any], Any]


class Trip(NamedTuple):
    """How long one way took.

    Parameters
    ----------
    message
        What was sent: ``"a number"`` or ``"1 MB softmax"``.
    way
        How.
    seconds
        Of a round trip, the median over the rounds.
    low, high
        Its 95 % interval.
    """

    message: str
    way: str
    seconds: float
    low: float
    high: float


class Bar(NamedTuple):
    """What the kernels are held to, and whether they are.

    Parameters
    ----------
    text
        What is asked.
    ratio
        What was measured: times as fast.
    least
        What it must be at the least.
    """

    text: str
    ratio: Ratio
    least: float

    @property
    def met(self) -> bool:
        """Whether the middle of the interval is no less."""
        return self.ratio.value >= self.least


@dataclass(frozen=True, repr=False)
class RingAudit:
    """What an audit found.

    Parameters
    ----------
    trips
        Each way of each message.
    bars
        What is asked of kernels.
    rounds
        How often each way was timed.
    environment
        The machine and its libraries, as :func:`workbench.bench.environment.environment` gives them.
    load
        Cores that others kept busy meanwhile; None where the system does not tell.
    gpu
        What is to be said of the GPU.
    """

    trips: tuple[Trip, ...]
    bars: tuple[Bar, ...]
    rounds: int
    environment: dict[str, Any]
    load: float | None
    gpu: str

    @property
    def heading(self) -> str:
        """The sum in one line."""
        return f"Round trips to a ring kernel: {sum(bar.met for bar in self.bars)} of {len(self.bars)} bars met"

    @property
    def columns(self) -> tuple[str, ...]:
        """The heads of :attr:`rows`."""
        return ("way", *dict.fromkeys(trip.message for trip in self.trips))

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """A row for each way, with the time of each message."""
        times = {(trip.way, trip.message): format_seconds(trip.seconds) for trip in self.trips}
        ways = dict.fromkeys(trip.way for trip in self.trips)
        return [(way, *(times.get((way, message), "") for message in self.columns[1:])) for way in ways]

    @property
    def facts(self) -> list[tuple[str, str]]:
        """The bars, and the conditions."""
        bars = [(bar.text, f"{bar.ratio}, {'met' if bar.met else 'NOT met'}") for bar in self.bars]
        machine = self.environment
        return [
            *bars,
            ("on", f"{machine['cpu']}, {machine['cores']} cores, Python {machine['python']}"),
            ("rounds", f"{self.rounds}, every way in each, in random order; medians, 95 % intervals"),
            *([("others", f"kept {self.load:g} cores busy")] if self.load else []),
            ("GPU", self.gpu),
        ]

    def __repr__(self) -> str:
        width = max(len(name) for name, _ in self.facts)
        table = aligned([self.columns, *self.rows])
        return "\n".join([self.heading, *table, *(f"{name:<{width}}  {value}" for name, value in self.facts)])

    def _repr_html_(self) -> str:
        from workbench.views.ring_card import audit_card

        return audit_card(self)

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per way and message: message, way, seconds, low, high."""
        import pandas as pd

        return pd.DataFrame(self.trips, columns=Trip._fields)


def ring(*, rounds: int = 30, seed: int = 0) -> RingAudit:
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
    for message, payload, function in _questions():
        for way, samples in _timed(payload, function, rounds, seed).items():
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


NUMBER, SOFTMAX = "a number", "1 MB softmax"


def _questions() -> Iterator[tuple[str, Any, Way]]:
    import fused_kernels as fk

    yield NUMBER, 20_241_120, _checksum
    yield SOFTMAX, np.random.default_rng(0).standard_normal((512, 512), np.float32), fk.softmax


def _checksum(number: int) -> int:
    return number * 2_654_435_761 & 0xFFFFFFFF


@contextmanager
def _ways(function: Way) -> Iterator[tuple[dict[str, Way], dict[str, Way]]]:
    """Make the ways of a function: those of threads and those of event loops."""
    with Runtime("cpu") as runtime, ThreadPoolExecutor(1) as pool:
        auto = runtime.launch("auto", handler=function)
        free = runtime.launch("any", handler=function, thread="any")
        own = runtime.launch("own", handler=function, thread="own")

        def streamed(payload: Any) -> Any:
            auto.send(payload)
            return auto.receive().value

        def streamed_any(payload: Any) -> Any:
            free.send(payload)
            return free.receive().value

        yield (
            {
                PLAIN: function,
                CALL: auto.call,
                OWN: own.call,
                STREAM: streamed,
                STREAM_ANY: streamed_any,
                POOL: lambda payload: pool.submit(function, payload).result(),
            },
            {
                ACALL: auto.acall,
                ACALL_ANY: free.acall,
                TO_THREAD: lambda payload: asyncio.to_thread(function, payload),
            },
        )


def _timed(payload: Any, function: Way, rounds: int, seed: int) -> dict[str, list[float]]:
    """Return the samples of each way: seconds of a round trip, one a round."""
    from workbench.bench.racing.clock import Clock

    clock, order = Clock(), random.Random(seed)
    right = function(payload)
    with _ways(function) as (threads, loops), asyncio.Runner() as runner:

        def seconds(way: str, calls: int) -> float:
            if way in threads:
                return _each(threads[way], payload, calls)
            return runner.run(_each_awaited(loops[way], payload, calls))

        def check() -> None:
            for way, call in threads.items():
                _compare(way, call(payload), right)
            for way, call in loops.items():
                _compare(way, runner.run(call(payload)), right)

        check()
        for way in threads:  # so that a kernel knows how long its handler takes
            seconds(way, 50)
        names = [*threads, *loops]
        counts = {way: max(1, round(_SAMPLE * 20 / max(seconds(way, 20), 1e-6))) for way in names}
        samples: dict[str, list[float]] = {way: [] for way in names}
        for _ in range(rounds):
            for way in order.sample(names, len(names)):
                clock.settle()
                seconds(way, max(1, round(counts[way] * _WARM / _SAMPLE)))
                collecting = gc.isenabled()
                gc.disable()
                try:
                    samples[way].append(seconds(way, counts[way]) / counts[way])
                finally:
                    if collecting:
                        gc.enable()
        check()
    return samples


def _each(call: Way, payload: Any, calls: int) -> float:
    began = time.perf_counter()
    for _ in range(calls):
        call(payload)
    return time.perf_counter() - began


async def _each_awaited(call: Way, payload: Any, calls: int) -> float:
    began = time.perf_counter()
    for _ in range(calls):
        await call(payload)
    return time.perf_counter() - began


def _compare(way: str, reply: Any, right: Any) -> None:
    if not np.array_equal(reply, right):
        raise RaceError(f"The way {way!r} gave a wrong reply, so its time means nothing.")
