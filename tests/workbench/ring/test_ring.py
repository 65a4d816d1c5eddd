"""Kernels through their public names: what they run, what they keep, and what they refuse."""

from __future__ import annotations

import copy
import pickle
import threading
import time
from collections import Counter
from typing import Any

import numpy as np
import pytest

import fused_kernels as fk
import workbench as wb
from workbench.errors import (
    ClosedError,
    InputError,
    QueueFullError,
    ReplyTimeoutError,
    StateError,
    WorkbenchError,
)
from workbench.ring import LaunchOptions, State
from workbench.ring.options import Thread

from .handlers import THREADS, count, same


@pytest.mark.parametrize("thread", THREADS)
def test_an_operation_of_the_catalogue(runtime: wb.Runtime, thread: Thread) -> None:
    x = np.random.default_rng(0).standard_normal((7, 33), np.float32)
    softmax = runtime.launch("softmax", LaunchOptions(thread=thread))
    assert np.array_equal(softmax.call(x), fk.softmax(x))
    scale = runtime.launch("twice", handler="scale", thread=thread)
    assert np.array_equal(scale.call((x, 2.0)), 2 * x)
    out = np.empty_like(x)
    assert runtime.launch("norm", handler=fk.layer_norm, thread=thread).call({"x": x, "out": out}) is out
    assert np.array_equal(out, fk.layer_norm(x))
    assert softmax.status.runs == "the operation softmax"


def test_a_formula_of_the_user(runtime: wb.Runtime) -> None:
    def ring_halves(x: float) -> float:
        return 0.5 * x

    halves = fk.elementwise(ring_halves)
    try:
        kernel = runtime.launch("halves", handler=halves)
        assert kernel.call(np.array([2.0, 4.0])).tolist() == [1.0, 2.0]
        by_name = runtime.launch("ring_halves")
        assert by_name.call(np.array([8.0])).tolist() == [4.0]
    finally:
        fk.OPS.remove("ring_halves")


@pytest.mark.parametrize("thread", THREADS)
def test_arrays_are_passed_without_a_copy(runtime: wb.Runtime, thread: Thread) -> None:
    x = np.zeros(10)
    seen: list[Any] = []
    kernel = runtime.launch("same", handler=lambda payload: (seen.append(payload), payload)[1], thread=thread)
    assert kernel.call(x) is x
    kernel.send(x)
    assert kernel.receive(timeout=30).value is x
    assert all(one is x for one in seen)
    assert len(seen) == 2


@pytest.mark.parametrize("thread", THREADS)
def test_state_lasts_from_message_to_message(runtime: wb.Runtime, thread: Thread) -> None:
    kernel = runtime.launch("count", handler=count, state=Counter, thread=thread)
    assert [kernel.call(word) for word in "abaa"] == [1, 1, 2, 3]
    kernel.deactivate()
    kernel.activate()
    assert kernel.call("a") == 4, "a rest does not forget"
    other = runtime.launch("other", handler=count, state=Counter, thread=thread)
    assert other.call("a") == 1, "each has its own"


@pytest.mark.parametrize("thread", THREADS)
def test_never_two_at_a_time_and_in_order(runtime: wb.Runtime, thread: Thread) -> None:
    inside, most, seen = Counter[str](), Counter[str](), []

    def handler(payload: tuple[int, int]) -> None:
        inside["now"] += 1
        most["now"] = max(most["now"], inside["now"])
        if payload[1] % 50 == 0:
            time.sleep(0.0005)  # lets others come in, if they can
        seen.append(payload)
        inside["now"] -= 1

    kernel = runtime.launch("one", handler=handler, thread=thread)

    def sends(place: int) -> None:
        for number in range(200):
            if number % 3:
                kernel.call((place, number))
            else:
                kernel.send((place, number), reply=False)

    threads = [threading.Thread(target=sends, args=(place,)) for place in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(30)
    runtime.shutdown(timeout=30)
    assert most["now"] == 1
    for place in range(4):
        assert [number for sender, number in seen if sender == place] == list(range(200)), "each sender's order is kept"


def test_who_runs_the_handler(runtime: wb.Runtime) -> None:
    here = threading.current_thread()
    own = runtime.launch("own", handler=lambda _: threading.current_thread(), thread="own")
    threads = {own.call(1) for _ in range(3)}
    assert len(threads) == 1, "always the same one"
    assert here not in threads
    assert own.metrics.here == 0
    auto = runtime.launch("auto", handler=lambda _: threading.current_thread())
    assert auto.call(1) is here, "an idle kernel's turn is taken by the caller, who waits anyway"
    assert auto.metrics.here == 1
    for _ in range(100):
        assert auto.call(1) is here
    assert auto.call(1, timeout=30) is not here, "the handler might suddenly take longer"
    auto.send(1)
    assert auto.receive(timeout=30).value is not here, "or wait for what the sender does next"
    free = runtime.launch("any", handler=lambda _: threading.current_thread(), thread="any")
    free.send(1)
    assert free.receive(timeout=30).value is not here, "nothing is known of the handler yet"
    for _ in range(100):
        free.call(1)
    free.send(1)
    assert free.receive().value is here
    assert free.call(1, timeout=30) is here
    slow = runtime.launch("slow", handler=lambda _: (time.sleep(0.002), threading.current_thread())[1], thread="any")
    for _ in range(2):
        slow.send(1)
        assert slow.receive(timeout=30).value is not here, "it takes longer than waking a thread"
    assert slow.call(1, timeout=0.01) is not here, "a run may last too long for the time that is given"
    assert slow.call(1, timeout=30) is here


def test_who_runs_an_operation(runtime: wb.Runtime) -> None:
    x = np.ones(8, np.float32)
    relu = runtime.launch("relu")
    for _ in range(100):
        relu.call(x)
    before = relu.metrics
    relu.send(x)
    assert relu.receive().value.tolist() == [1] * 8
    relu.call(x, timeout=30)
    after = relu.metrics
    assert before.here == after.here == 1, "it only computes, so that nobody can wait for the other"


def test_a_time_out_is_kept_by_a_handler_that_was_quick_before(runtime: wb.Runtime) -> None:
    gate = threading.Event()
    kernel = runtime.launch("sudden", handler=lambda wait: wait and gate.wait(30))
    for _ in range(200):
        kernel.call(False)
        kernel.call(False, timeout=30)
    with pytest.raises(ReplyTimeoutError, match=r"no answer within 10\.0 ms"):
        kernel.call(True, timeout=0.01)
    kernel.send(True)  # does not wait for what comes after it
    gate.set()
    assert kernel.receive(timeout=30).value is True
    assert kernel.call(False) is False
    assert kernel.metrics.timed_out == 1


def test_states_and_steps_that_are_not_allowed(runtime: wb.Runtime) -> None:
    kernel = runtime.launch("same", handler=same, auto_activate=False)
    assert kernel.state == "launched"
    with pytest.raises(StateError, match="launched and cannot become deactivated"):
        kernel.deactivate()
    kernel.activate()
    with pytest.raises(StateError, match="active and cannot become active"):
        kernel.activate()
    kernel.deactivate()
    with pytest.raises(StateError, match="deactivated and cannot become deactivated"):
        kernel.deactivate()
    kernel.terminate()
    assert kernel.state is State.TERMINATED
    with pytest.raises(StateError, match="terminated and cannot become active"):
        kernel.activate()
    with pytest.raises(StateError, match="terminated and cannot become deactivated"):
        kernel.deactivate()
    with pytest.raises(StateError, match="terminated and cannot become launched"):
        kernel.wait("launched")
    kernel.terminate()  # as close() twice
    for verb in (kernel.call, kernel.send):
        with pytest.raises(ClosedError, match="terminated"):
            verb(1)
    for take in (kernel.receive, kernel.try_receive):
        with pytest.raises(ClosedError, match="terminated"):
            take()


def test_messages_wait_for_an_activation(runtime: wb.Runtime) -> None:
    kernel = runtime.launch("same", handler=same, auto_activate=False, capacity=3, when_full="refuse")
    ids = [kernel.send(number) for number in range(3)]
    with pytest.raises(QueueFullError, match=r"3 messages wait \(capacity=3\), and it is launched"):
        kernel.send(3)
    assert kernel.try_receive() is None
    with pytest.raises(ReplyTimeoutError, match="launched"):
        kernel.receive(timeout=0.01)
    with pytest.raises(TimeoutError):
        kernel.wait("active", timeout=0.01)
    kernel.activate()
    kernel.wait("active")
    replies = [kernel.receive(timeout=30) for _ in range(3)]
    assert [(reply.id, reply.value) for reply in replies] == list(zip(ids, range(3), strict=True))
    assert kernel.metrics.refused == 1
    kernel.deactivate()
    with pytest.raises(ReplyTimeoutError):
        kernel.call(1, timeout=0.01)
    assert kernel.metrics.timed_out == 1
    assert kernel.status.waiting == 0, "it was taken back"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"capacity": 0}, "capacity must be"),
        ({"when_full": "drop"}, "when_full='drop' is none of"),
        ({"thread": "mine"}, "thread='mine'"),
        ({"restarts": -1}, "restarts"),
        ({"state": {}}, "state must make"),
        ({"handler": 3}, "cannot run 3"),
        ({"handler": "sofmax"}, "Did you mean 'softmax'"),
        ({"handler": same, "state": dict}, r"called as handler\(state, payload\)"),
        ({"handler": same, "sate": dict}, "Did you mean 'state'"),
    ],
)
def test_options_that_do_not_fit(runtime: wb.Runtime, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        runtime.launch("kernel", **options)
    assert len(runtime) == 0


def test_names(runtime: wb.Runtime) -> None:
    async def awaits(payload: Any) -> Any:
        return payload

    kernel = runtime.launch("same", handler=same)
    assert list(runtime) == ["same"]
    assert "same" in runtime
    assert runtime["same"].call(3) == 3
    with pytest.raises(InputError, match="already"):
        runtime.launch("same", handler=same)
    with pytest.raises(InputError, match="Did you mean 'same'"):
        runtime["sane"]
    with pytest.raises(InputError, match="coroutine function"):
        runtime.launch("awaits", handler=awaits)
    for verb in (kernel.receive, kernel.deactivate, lambda timeout: kernel.call(1, timeout=timeout)):
        for wrong in (-1, "1", True, float("nan")):
            with pytest.raises(InputError, match="timeout must be"):
                verb(timeout=wrong)  # type: ignore[arg-type]
    assert kernel.call(1, timeout=float("inf")) == kernel.call(1, timeout=np.int64(3)) == 1
    with pytest.raises(InputError, match="no state 'asleep'"):
        kernel.wait("asleep")
    kernel.terminate()
    runtime.launch("same", handler=same)  # the name is free again


def test_backends(runtime: wb.Runtime) -> None:
    assert runtime.backend == "cpu"
    assert 'backend="cuda"' in runtime.why
    with pytest.raises(WorkbenchError, match=r'backend="cuda" .*use backend="cpu"'):
        wb.Runtime(backend="cuda")
    with pytest.raises(InputError, match="Did you mean 'cuda'"):
        wb.Runtime(backend="cudo")
    assert wb.Runtime(backend="cpu").why == "it was asked for"


def test_what_cannot_be_pickled_says_what_to_do(runtime: wb.Runtime) -> None:
    for value in (runtime, runtime.launch("same", handler=same)):
        for copies in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(InputError, match=r"cannot be pickled or copied, since .* where it is needed"):
                copies(value)
