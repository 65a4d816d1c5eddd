"""What raises reaches its own caller; what dies begins anew."""

from __future__ import annotations

import gc
import weakref
from collections import Counter
from typing import Any

import pytest

import workbench as wb
from workbench.errors import ClosedError, InputError, KernelDiedError, StateError
from workbench.ring import Forward, KernelHandle
from workbench.ring.options import Thread

from .handlers import THREADS, count, run


@pytest.mark.parametrize("thread", THREADS)
def test_an_exception_reaches_its_own_caller(runtime: wb.Runtime, thread: Thread) -> None:
    def divide(payload: float) -> float:
        return 1 / payload

    kernel = runtime.launch("divide", handler=divide, thread=thread)
    with pytest.raises(ZeroDivisionError):
        kernel.call(0)
    assert kernel.call(2) == 0.5
    kernel.send(0, id="zero")
    kernel.send(4)
    reply = kernel.receive(timeout=30)
    assert reply.id == "zero"
    with pytest.raises(ZeroDivisionError):
        _ = reply.value
    assert kernel.receive(timeout=30).value == 0.25
    kernel.send(0, reply=False, id="unwanted")
    assert kernel.call(1) == 1
    (letter,) = runtime.dead_letters
    assert letter.id == "unwanted"
    assert isinstance(letter.error, ZeroDivisionError)
    metrics = kernel.metrics
    assert (metrics.answered, metrics.failed, metrics.dead) == (3, 2, 1)


@pytest.mark.parametrize("thread", THREADS)
def test_a_kernel_that_dies_begins_anew(runtime: wb.Runtime, thread: Thread) -> None:
    def handler(state: Counter[str], payload: str) -> int:
        if payload == "die":
            raise SystemExit(3)
        return count(state, payload)

    kernel = runtime.launch("mortal", handler=handler, state=Counter, restarts=2, thread=thread)
    assert [kernel.call("a") for _ in range(2)] == [1, 2]
    with pytest.raises(KernelDiedError, match=r"died of SystemExit: 3.*restart 1 of at most 2"):
        kernel.call("die")
    assert kernel.call("a") == 1, "with a new state"
    kernel.send("die")
    with pytest.raises(KernelDiedError, match="restart 2"):
        _ = kernel.receive(timeout=30).value
    assert kernel.status.restarts == 2
    with pytest.raises(KernelDiedError, match="is terminated"):
        kernel.call("die")
    kernel.wait("terminated", timeout=30)
    assert "SystemExit" in kernel.status.reason
    with pytest.raises(ClosedError, match="it died of SystemExit"):
        kernel.call("a")


def test_a_state_that_cannot_be_made_is_a_death(runtime: wb.Runtime) -> None:
    tries: list[int] = []

    def state() -> dict[str, int]:
        tries.append(1)
        if len(tries) < 3:
            raise OSError("no such device")
        return {}

    kernel = runtime.launch("late", handler=lambda state, payload: payload, state=state)
    for _ in range(2):
        with pytest.raises(KernelDiedError, match="no such device"):
            kernel.call(1)
    assert kernel.call(1) == 1


def test_a_kernel_cannot_wait_for_itself(runtime: wb.Runtime) -> None:
    handles: dict[str, KernelHandle] = {}

    def asks(other: str) -> Any:
        def handler(payload: Any) -> Any:
            return handles[other].call(payload)

        return handler

    for thread in THREADS:
        handles["a"] = runtime.launch(f"a {thread}", handler=asks("b"), thread=thread)
        handles["b"] = runtime.launch(f"b {thread}", handler=asks("a"), thread=thread)
        with pytest.raises(StateError, match="wait for itself"):
            handles["a"].call(1)


def test_what_was_opened_is_closed_once(runtime: wb.Runtime) -> None:
    """A state is dropped when its kernel dies or ends, and made again only for the next message."""
    made: list[weakref.ref[Any]] = []

    class State:
        def __init__(self) -> None:
            made.append(weakref.ref(self))

    def handler(state: State, payload: str) -> None:
        if payload == "die":
            raise SystemExit

    kernel = runtime.launch("states", handler=handler, state=State)
    assert not made, "made with the first message"
    kernel.call("a")
    with pytest.raises(KernelDiedError):
        kernel.call("die")
    gc.collect()
    assert [one() is None for one in made] == [True]
    kernel.call("a")
    kernel.terminate()
    gc.collect()
    assert [one() is None for one in made] == [True, True]


def test_a_stop_iteration_is_the_handlers_own(runtime: wb.Runtime) -> None:
    numbers = iter([1])
    for place, thread in enumerate(THREADS):
        kernel = runtime.launch(f"next {place}", handler=lambda payload: next(numbers), thread=thread)
        if not place:
            assert kernel.call(None) == 1
        with pytest.raises(StopIteration):
            kernel.call(None)
        assert kernel.metrics.failed == 1


def test_what_cannot_say_why_it_died(runtime: wb.Runtime) -> None:
    class Mute(SystemExit):
        def __str__(self) -> str:
            raise ValueError("nothing to say")

    def handler(payload: int) -> None:
        raise Mute

    kernel = runtime.launch("mute", handler=handler, restarts=1)
    for _ in range(2):
        with pytest.raises(KernelDiedError, match="died of Mute"):
            kernel.call(1)
    assert kernel.state == "terminated"


@pytest.mark.parametrize("thread", THREADS)
def test_a_name_that_is_none_is_the_handlers_mistake(runtime: wb.Runtime, thread: Thread) -> None:
    kernel = runtime.launch("lost", handler=lambda x: Forward([1], x), thread=thread)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"takes the name of a kernel, .* got \[1\]"):
        kernel.call(1)
    assert (kernel.metrics.failed, kernel.status.restarts) == (1, 0)
    for wrong in (5, [1], ""):
        with pytest.raises(InputError, match="route must be the name"):
            runtime.launch("routed", handler=abs, route=wrong)
    with pytest.raises(InputError, match="no kernel"):
        runtime[[]]  # type: ignore[index]
    assert [] not in runtime
    with pytest.raises(InputError, match="the operation softmax, which has no state"):
        runtime.launch("softmax", state=dict)


def test_a_key_pressed_anywhere_leaves_the_kernel_alive() -> None:
    """A KeyboardInterrupt comes after any call: also where the turn was just taken, or not yet given back."""
    code = """
        import random, signal
        import workbench as wb

        def press(*_):
            raise KeyboardInterrupt

        signal.signal(signal.SIGALRM, press)
        draw = random.Random(0)
        for place in range(60):
            runtime = wb.Runtime()
            kernel = runtime.launch("kernel", handler=lambda x: x, thread="any")
            for _ in range(50):
                kernel.call(1)
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.0003 + draw.random() * 0.0005)
                while True:
                    if place % 2:
                        kernel.call(1)
                    else:
                        kernel.send(1, reply=False)
            except KeyboardInterrupt:
                pass
            assert kernel.call(7, timeout=60) == 7
            runtime.shutdown()
    """
    run(code)
