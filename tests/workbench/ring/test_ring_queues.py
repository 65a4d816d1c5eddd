"""Queues that are full, routes from kernel to kernel, and the end."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

import workbench as wb
from workbench.errors import (
    ClosedError,
    DeadLetterError,
    QueueFullError,
    ReplyTimeoutError,
)
from workbench.ring import Forward
from workbench.ring.options import Thread

from .handlers import THREADS, Gate, same


def test_who_sends_waits_for_room(runtime: wb.Runtime) -> None:
    gate = Gate()
    kernel = runtime.launch("gate", handler=gate, capacity=2)
    kernel.send(0)
    assert gate.began.acquire(timeout=30)
    kernel.send(1)
    kernel.send(2)
    with pytest.raises(QueueFullError, match=r"no room within 10\.0 ms"):
        kernel.send(3, timeout=0.01)
    with pytest.raises(ReplyTimeoutError, match="no room"):
        kernel.call(3, timeout=0.01)
    waits = threading.Thread(target=kernel.send, args=(4,))
    waits.start()
    for _ in range(4):
        gate.go.release()
    waits.join(30)
    assert [kernel.receive(timeout=30).value for _ in range(4)] == [0, 1, 2, 4]


def test_a_kernel_waits_until_its_replies_are_received(runtime: wb.Runtime) -> None:
    seen: list[int] = []
    kernel = runtime.launch("few", handler=seen.append, reply_capacity=2)
    for number in range(5):
        kernel.send(number)
    deadline = time.monotonic() + 30
    while len(seen) < 2 and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(0.02)
    assert seen == [0, 1]
    assert kernel.status.replies == 2
    for _ in range(5):
        kernel.receive(timeout=30)
    assert seen == list(range(5))


@pytest.mark.parametrize(("policy", "left"), [("refuse", [0, 1]), ("drop-oldest", [3, 4])])
def test_replies_that_nobody_receives(runtime: wb.Runtime, policy: Any, left: list[int]) -> None:
    kernel = runtime.launch("same", handler=same, reply_capacity=2, when_replies_full=policy)
    for number in range(5):
        kernel.send(number, id=f"id {number}")
    kernel.call(None)  # behind them
    assert [kernel.receive(timeout=30).value for _ in range(2)] == left
    letters = runtime.dead_letters
    assert [letter.payload for letter in letters] == [number for number in range(5) if number not in left]
    assert all("nobody received" in letter.reason for letter in letters)
    assert kernel.metrics.dead == 3
    assert kernel.metrics.answered == 3
    assert kernel.metrics.messages == 6


def test_the_oldest_makes_room(runtime: wb.Runtime) -> None:
    kernel = runtime.launch("same", handler=same, capacity=2, when_full="drop-oldest", auto_activate=False)
    errors: list[BaseException] = []

    def calls() -> None:
        try:
            kernel.call("first")
        except DeadLetterError as error:
            errors.append(error)

    caller = threading.Thread(target=calls)
    caller.start()
    deadline = time.monotonic() + 30
    while not kernel.status.waiting and time.monotonic() < deadline:
        time.sleep(0.001)
    kernel.send("second")
    kernel.send("third")
    caller.join(30)
    assert "a newer message took its place" in str(errors[0])
    assert runtime.dead_letters[0].payload == "first"
    kernel.activate()
    assert [kernel.receive(timeout=30).value for _ in range(2)] == ["second", "third"]


def test_results_go_on(runtime: wb.Runtime) -> None:
    double = runtime.launch("double", handler=lambda x: 2 * x, route="add")
    add = runtime.launch("add", handler=lambda x: x + 1)
    assert double.call(5) == 11
    double.send(7, id="seven")
    reply = add.receive(timeout=30)
    assert (reply.id, reply.value) == ("seven", 15), "the last one has the answer"
    assert double.metrics.forwarded == 2
    assert double.metrics.messages == add.metrics.messages == 2
    runtime.route("double", None)
    assert double.call(5) == 10
    runtime.route("double", "add")
    add.terminate()
    with pytest.raises(DeadLetterError, match="no kernel 'add'"):
        double.call(5)
    assert double.metrics.dead == 1


@pytest.mark.parametrize("thread", THREADS)
def test_a_handler_chooses_where_to(runtime: wb.Runtime, thread: Thread) -> None:
    def choose(x: int) -> Any:
        return Forward("even", x) if x % 2 == 0 else x

    odd = runtime.launch("odd", handler=choose, thread=thread)
    runtime.launch("even", handler=lambda x: f"{x} is even", thread=thread)
    assert odd.call(3) == 3
    assert odd.call(4) == "4 is even"
    assert odd.metrics.messages == 2


def test_a_message_that_goes_round_is_a_dead_letter(runtime: wb.Runtime) -> None:
    ping = runtime.launch("ping", handler=lambda x: Forward("pong", x + 1), max_hops=5)
    runtime.launch("pong", handler=lambda x: Forward("ping", x + 1), max_hops=5)
    with pytest.raises(DeadLetterError, match="went on 6 times, and max_hops is 5"):
        ping.call(0)
    (letter,) = runtime.dead_letters
    assert (letter.kernel, letter.hops, letter.payload) == ("pong", 6, 6)


def test_a_route_has_back_pressure_and_patience(runtime: wb.Runtime) -> None:
    gate = Gate()
    first = runtime.launch("first", handler=same, route="gate", route_patience=30)
    runtime.launch("gate", handler=gate, capacity=1)
    for number in range(4):
        first.send(number)
    assert gate.began.acquire(timeout=30)
    for _ in range(4):
        gate.go.release()
    assert [runtime["gate"].receive(timeout=30).value for _ in range(4)] == [0, 1, 2, 3]
    hasty = runtime.launch("hasty", handler=same, route="rests", route_patience=0.01)
    runtime.launch("rests", handler=same, capacity=1, auto_activate=False)
    hasty.send(0)
    with pytest.raises(DeadLetterError, match=r"no room for 10\.0 ms"):
        hasty.call(1)


def test_shutdown_runs_what_waits(runtime: wb.Runtime) -> None:
    seen: list[int] = []
    last = runtime.launch("last", handler=seen.append)
    first = runtime.launch("first", handler=same, route="last", thread="own")
    for number in range(500):
        first.send(number, reply=False)
    runtime.shutdown(timeout=30)
    assert seen == list(range(500))
    assert first.state == last.state == "terminated"
    with pytest.raises(ClosedError, match="shut down"):
        first.send(1)
    with pytest.raises(ClosedError, match="shut down"):
        runtime.launch("another", handler=same)
    runtime.shutdown()


def test_replies_outlive_the_kernel(runtime: wb.Runtime) -> None:
    with runtime.launch("same", handler=same) as kernel:
        kernel.send(1)
        kernel.send(2)
    assert kernel.state == "terminated"
    assert [kernel.receive().value, kernel.receive().value] == [1, 2]
    with pytest.raises(ClosedError):
        kernel.receive()


def test_reprs(runtime: wb.Runtime) -> None:
    kernel = runtime.launch("same", handler=same)
    kernel.call(1)
    text = repr(kernel)
    assert text.startswith("Kernel 'same': active\n  runs     the handler same on cpu\n  waiting  0 of at most 1,024")
    assert "1 message\n  answered" in repr(kernel.metrics)
    assert "by its callers  100% of the runs" in repr(kernel.metrics)
    assert repr(runtime).startswith("Runtime on cpu: 1 kernel\n")
    assert "same    active  the handler same" in repr(runtime)
    for value in (kernel, kernel.status, kernel.metrics, runtime, runtime.status):
        shown = value._repr_html_()
        assert "fw-card" in shown
        assert "same" in shown or "message" in shown
