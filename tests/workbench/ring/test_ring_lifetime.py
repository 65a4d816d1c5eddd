"""What becomes of a kernel's thread: asleep, collected, forked, shut down, and at the interpreter's end."""

from __future__ import annotations

import gc
import os
import threading
import time
import weakref
from typing import Any

import pytest

import workbench as wb
from workbench.errors import ClosedError

from .handlers import Gate, run, same


def threads(name: str) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == f"workbench-ring-{name}"]


def test_an_idle_kernel_keeps_no_payload_and_takes_no_time(runtime: wb.Runtime) -> None:
    class Payload:
        pass

    kernel = runtime.launch("idle", handler=same, thread="own")
    assert not threads("idle"), "none before the first message"
    payload = Payload()
    kept = weakref.ref(payload)
    kernel.call(payload)
    del payload
    deadline = time.monotonic() + 30
    while kept() is not None and time.monotonic() < deadline:
        gc.collect()
    assert kept() is None
    (thread,) = threads("idle")
    clock = time.pthread_getcpuclockid(thread.ident or 0)
    times = [time.clock_gettime(clock)]
    while time.monotonic() < deadline and times[-2:] != [times[-1]] * 2:  # it may be on its way to sleep
        time.sleep(0.2)
        times.append(time.clock_gettime(clock))
    assert times[-1] == times[-2], "it sleeps, and is not woken to look whether there is something"


def test_what_nobody_refers_to_runs_what_waits_and_ends() -> None:
    seen: list[int] = []
    gate = Gate()
    runtime = wb.Runtime()
    kernel = runtime.launch("collected", handler=lambda payload: seen.append(gate(payload)))
    for number in range(3):
        kernel.send(number)
    assert gate.began.acquire(timeout=30)
    (thread,) = threads("collected")
    del runtime
    gc.collect()
    assert kernel.state == "active", "a handle keeps the kernels alive"
    del kernel
    gc.collect()
    for _ in range(3):
        gate.go.release()
    thread.join(30)
    assert not thread.is_alive()
    assert seen == [0, 1, 2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_begins_anew() -> None:
    """In a process without the threads of others, of which a fork would warn."""
    code = """
        import os, threading
        from collections import Counter
        import workbench as wb

        began, go = threading.Semaphore(0), threading.Semaphore(0)

        def gate(payload):
            began.release()
            assert go.acquire(timeout=30)
            return payload

        def count(state, word):
            state[word] += 1
            return state[word]

        runtime = wb.Runtime()
        busy = runtime.launch("gate", handler=gate, thread="own")
        counts = runtime.launch("count", handler=count, state=Counter)
        counts.call("a")
        busy.send(1)
        assert began.acquire(timeout=30)
        busy.send(2)
        child = os.fork()
        if not child:
            for _ in range(2):
                go.release()  # the child's copy
            told = (busy.status.waiting, busy.call(21), busy.metrics.messages, counts.call("a"))
            runtime.shutdown()
            os._exit(0 if told == (0, 21, 1, 1) else 1)
        _, status = os.waitpid(child, 0)
        assert not status, "something of the parent's is in its queue, or its thread or state is not new"
        for _ in range(2):
            go.release()
        print([busy.receive(timeout=30).value for _ in range(2)], counts.call("a"))
    """
    assert run(code) == "[1, 2] 2\n"


def test_the_interpreter_ends_while_kernels_live() -> None:
    code = """
        import time, workbench as wb
        runtime = wb.Runtime()
        idle = runtime.launch("idle", handler=abs, thread="own")
        print(idle.call(-1))
        slow = runtime.launch("slow", handler=lambda x: (time.sleep(0.2), print("done", x)), thread="own")
        for number in range(5):
            slow.send(number)
        time.sleep(0.05)
    """
    assert run(code) == "1\ndone 0\n", "the run under way ends, what waits is left"


def quick(runtime: wb.Runtime) -> float:
    began = time.monotonic()
    runtime.shutdown()
    return time.monotonic() - began


@pytest.mark.parametrize("state", ["launched", "active", "deactivated", "terminated", "full", "stuck", "blocked"])
@pytest.mark.parametrize("thread", ["any", "own"])
def test_shutdown_in_any_state(state: str, thread: Any) -> None:
    """Within a second, plus what a busy machine may take to run this thread again."""
    gate = Gate()
    runtime = wb.Runtime()
    options = {"thread": thread, "auto_activate": state != "launched", "capacity": 4, "reply_capacity": 2}
    kernel = runtime.launch("kernel", handler=gate if state == "stuck" else same, **options)
    errors: list[BaseException] = []
    callers: list[threading.Thread] = []

    def calls() -> None:
        try:
            kernel.call(1)
        except ClosedError as error:
            errors.append(error)

    if state == "stuck":
        kernel.send(0)
        assert gate.began.acquire(timeout=30)
    if state == "deactivated":
        kernel.deactivate()
    if state == "terminated":
        kernel.terminate()
    elif state == "blocked":
        for number in range(5):
            kernel.send(number, timeout=30)
    elif state != "active":
        callers = [threading.Thread(target=calls) for _ in range(6 if state == "full" else 2)]
        if state == "full":
            kernel.deactivate()
        for caller in callers:
            caller.start()
        deadline = time.monotonic() + 30
        while kernel.status.waiting < min(len(callers), 4) and time.monotonic() < deadline:
            time.sleep(0.001)
    assert quick(runtime) < 3
    for caller in callers:
        caller.join(30)
        assert not caller.is_alive()
    assert kernel.state == "terminated"
    assert len(errors) == len(callers)
    gate.go.release()
    for thread_left in threads("kernel"):
        thread_left.join(30)
        assert not thread_left.is_alive()
    metrics = kernel.metrics
    assert metrics.waiting == metrics.running == 0
    sent = {"stuck": 1, "blocked": 5}.get(state, 0)
    assert metrics.messages == sent + len(callers)


def test_a_stuck_handler_still_answers_its_caller() -> None:
    gate = Gate()
    runtime = wb.Runtime()
    kernel = runtime.launch("late", handler=gate)
    kernel.send("late")
    assert gate.began.acquire(timeout=30)
    runtime.shutdown(timeout=0.01)
    assert kernel.try_receive() is None, "its answer may still come"
    gate.go.release()
    assert kernel.receive(timeout=30).value == "late"
    with pytest.raises(ClosedError):
        kernel.receive(timeout=30)
