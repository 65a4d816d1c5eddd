"""A storm of messages: each accounted for once, nothing hangs, memory stays as it is."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import tracemalloc
from collections import Counter
from typing import Any

import pytest

import workbench as wb
from workbench.errors import ClosedError, KernelDiedError, QueueFullError, ReplyTimeoutError
from workbench.ring import KernelHandle

from .handlers import count
from .stress import Mishap, Storm, handler

POLICIES: dict[str, dict[str, Any]] = {
    "waits": {},
    "any thread": {"thread": "any"},
    "own thread": {"thread": "own"},
    "drops": {"thread": "any", "when_full": "drop-oldest", "when_replies_full": "drop-oldest"},
    "refuses": {"when_full": "refuse", "when_replies_full": "refuse"},
}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("messages", [8_000, pytest.param(200_000, marks=pytest.mark.slow)])
def test_each_message_is_accounted_for_once(messages: int, policy: str) -> None:
    """20 senders, deactivations at random, handlers that crash, time-outs; see :mod:`stress`."""
    storm = Storm(messages, 20, seed=messages, **POLICIES[policy])
    storm.run(limit=200)
    storm.check()
    book = storm.book
    assert min(book["answered"], book["failed"], book["timed_out"], book["sent"], book["posted"]) > 0
    assert storm.kernel.status.restarts


@pytest.mark.parametrize("thread", ["auto", "any", "own"])
def test_a_storm_of_tasks(thread: Any) -> None:
    """As many tasks, some of which are cancelled while they wait."""
    draw, book, received, left = random.Random(thread), Counter[str](), [], iter(range(2_000))

    async def sends(kernel: KernelHandle) -> None:
        for number in left:
            what = draw.choices(["plain", "crash", "slow", "die"], [90, 8, 0.5, 0.3])[0]
            try:
                if draw.random() < 0.6:
                    asked = kernel.acall((what, number), timeout=draw.choice([0.0, 0.0005, 30, None]))
                    answer = await (asyncio.wait_for(asked, draw.random() * 0.001) if number % 5 == 0 else asked)
                    assert answer == (what, number)
                    book["answered"] += 1
                else:
                    await kernel.asend((what, number), timeout=draw.choice([0.0, 0.01, 30.0]))
                    book["sent"] += 1
            except (Mishap, KernelDiedError):
                book["failed"] += 1
            except ReplyTimeoutError:
                book["timed out"] += 1
            except TimeoutError:  # of wait_for, which cancels
                book["cancelled"] += 1
            except QueueFullError:
                book["refused"] += 1

    async def receives(kernel: KernelHandle) -> None:
        with contextlib.suppress(ClosedError):
            while True:
                received.append(await kernel.areceive(timeout=60))

    async def rests(kernel: KernelHandle, done: asyncio.Event) -> None:
        while not done.is_set():
            await asyncio.sleep(draw.random() * 0.01)
            await kernel.adeactivate()
            await asyncio.sleep(draw.random() * 0.003)
            kernel.activate()

    async def storm() -> KernelHandle:
        async with wb.Runtime("cpu") as runtime:
            kernel = runtime.launch(
                "tasks", handler=handler, state=dict, restarts=10**9, capacity=32, reply_capacity=64, thread=thread
            )
            done = asyncio.Event()
            reading, resting = asyncio.create_task(receives(kernel)), asyncio.create_task(rests(kernel, done))
            await asyncio.gather(*(sends(kernel) for _ in range(30)))
            done.set()
            await resting
            await runtime.ashutdown(timeout=30)
            await reading
        return kernel

    metrics = asyncio.run(storm()).metrics
    assert metrics.messages == sum(book.values()) == 2_000
    assert (metrics.timed_out, metrics.refused) == (book["timed out"], book["refused"])
    assert len(received) == book["sent"]
    # A task may be cancelled in the moment in which its answer comes.
    missed = book["cancelled"] - metrics.cancelled
    assert missed >= 0
    assert metrics.answered + metrics.failed == book["answered"] + book["failed"] + book["sent"] + missed
    assert metrics.dead == 0


@pytest.mark.parametrize("thread", ["any", "own"])
def test_memory_stays_as_it_is(runtime: wb.Runtime, thread: Any) -> None:
    def handler(state: Counter[str], payload: str) -> int:
        if payload == "crash":
            raise ValueError(payload)
        return count(state, payload)

    kernel = runtime.launch("flat", handler=handler, state=Counter, thread=thread)
    rests = runtime.launch("rests", handler=handler, state=Counter, auto_activate=False)

    def some(number: int) -> None:
        for _ in range(number):
            kernel.send("a")
            kernel.receive(timeout=30)
            with pytest.raises(ValueError, match="crash"):
                kernel.call("crash")
            kernel.send("crash", reply=False)
            with pytest.raises(TimeoutError):
                rests.call("a", timeout=0)

    def traced() -> int:
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    kernel.call("a")
    tracemalloc.start()
    try:
        times = kernel._kernel.tally
        for remembered in (times.runs, times.latencies, times.here):  # as full as they will be after 10,000 messages
            remembered.extend(number * 1e-9 for number in range(10_000))
        some(200)
        before = traced()
        some(600)
        grown = traced() - before
    finally:
        tracemalloc.stop()
    assert grown < 30_000, "50 bytes a round would be"
