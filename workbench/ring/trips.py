"""The ways that a message can take on the CPU, and how long each takes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from workbench.errors import RaceError

from .runtime import Runtime
from .sampling import Timer, sampled

NUMBER, SOFTMAX = "a number", "1 MB softmax"
PLAIN, POOL, TO_THREAD = "plain call", "ThreadPoolExecutor.submit().result()", "await asyncio.to_thread()"
CALL, OWN = "call", 'call, thread="own"'
STREAM, STREAM_ANY = "send, receive", 'send, receive, thread="any"'
ACALL, ACALL_ANY = "await acall", 'await acall, thread="any"'

Way = Callable[[Any], Any]


def questions() -> Iterator[tuple[str, Any, Way]]:
    """Yield what is sent, by name, and the function that answers it."""
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


def timed(payload: Any, function: Way, rounds: int, seed: int, step: Callable[[int], object]) -> dict[str, list[float]]:
    """Return the samples of each way: seconds of a round trip, one a round; ``step`` is told of each before it."""
    from workbench.bench.racing.clock import Clock

    right = function(payload)
    with _ways(function) as (threads, loops), asyncio.Runner() as runner:

        def check() -> None:
            for way, call in threads.items():
                _compare(way, call(payload), right)
            for way, call in loops.items():
                _compare(way, runner.run(call(payload)), right)

        step(0)
        check()
        for call in threads.values():  # so that a kernel knows how long its handler takes
            _each(call, payload, 50)
        ways: dict[str, Timer] = {way: partial(_each, call, payload) for way, call in threads.items()}

        def awaited(call: Way, calls: int) -> float:
            return runner.run(_each_awaited(call, payload, calls))

        ways |= {way: partial(awaited, call) for way, call in loops.items()}
        samples = sampled(ways, rounds, seed, settle=Clock().settle, step=step)
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
