"""A storm of messages: each accounted for once, nothing hangs, memory stays as it is."""

from __future__ import annotations

import gc
import tracemalloc
from collections import Counter
from typing import Any

import pytest

import workbench as wb

from .handlers import count
from .stress import Storm

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
