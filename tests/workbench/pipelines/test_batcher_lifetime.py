"""What becomes of a batcher's thread: collected, forked, at the interpreter's end, and under many callers."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import subprocess
import sys
import textwrap
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable

import pytest

from workbench.errors import QueueFullError
from workbench.pipelines.batching import BatchConfig, Batcher, BatchMetrics


def doubles(items: list[int]) -> list[int]:
    return [2 * item for item in items]


def run(code: str) -> str:
    """Return the words that a program prints; a process of its own has no threads that a fork would leave behind."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return " ".join(done.stdout.split())


def threads(name: str) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == name]


def test_a_collected_batcher_answers_what_it_took_and_ends_its_thread() -> None:
    batcher = Batcher(doubles, BatchConfig(max_wait_ms=60_000), name="collected")
    assert not threads("collected"), "none before the first request"
    future = batcher.submit(4)
    (thread,) = threads("collected")
    del batcher
    gc.collect()
    assert future.result(timeout=30) == 8
    thread.join(timeout=30)
    assert not thread.is_alive()


def test_an_idle_thread_keeps_no_item_and_takes_no_time() -> None:
    class Item:
        pass

    def same(items: list[Item]) -> list[Item]:
        return items

    with Batcher(same, BatchConfig(max_wait_ms=0), name="idle") as batcher:
        item = Item()
        kept = weakref.ref(item)
        batcher(item)
        del item
        deadline = time.monotonic() + 30
        while kept() is not None and time.monotonic() < deadline:
            gc.collect()
        assert kept() is None
        (thread,) = threads("idle")
        assert thread.native_id is not None
        clock = time.pthread_getcpuclockid(thread.ident or 0)
        times = [time.clock_gettime(clock)]
        while time.monotonic() < deadline and times[-2:] != [times[-1]] * 2:  # it may be on its way to sleep
            time.sleep(0.2)
            times.append(time.clock_gettime(clock))
        assert times[-1] == times[-2], "it sleeps, and is not woken to look whether there is something"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_begins_anew() -> None:
    code = """
        import os, sys, threading
        from workbench.pipelines.batching import BatchConfig, Batcher
        began, go = threading.Event(), threading.Event()
        def waits(items):
            began.set()
            assert go.wait(timeout=30)
            return [2 * item for item in items]
        with Batcher(waits, BatchConfig(max_wait_ms=0)) as batcher:
            mine = batcher.submit(1)
            assert began.wait(timeout=30)
            batcher.submit(2)
            child = os.fork()
            if not child:
                go.set()  # the child's copy
                print("child", batcher.metrics.waiting, batcher(21), batcher.metrics.requests, flush=True)
                os._exit(0)
            print("ended", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
            go.set()
            print("parent", mine.result(timeout=30))
    """
    assert run(code) == "child 0 42 1 ended 0 parent 2", "nothing of the parent's is in its queue, and its thread works"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_that_does_not_use_it_ends_at_once() -> None:
    code = """
        import os, sys, threading, time
        from workbench.pipelines.batching import BatchConfig, Batcher
        began, go = threading.Event(), threading.Event()
        def waits(items):
            began.set()
            go.wait()
            return items
        batcher = Batcher(waits, BatchConfig(max_wait_ms=0))
        future = batcher.submit(7)
        began.wait()
        child = os.fork()
        if not child:
            sys.exit(0)
        print("child", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        go.set()
        print("parent", future.result())
    """
    assert run(code) == "child 0 parent 7"


@pytest.mark.parametrize("state", ["idle", "waiting", "running"])
def test_the_interpreter_ends_without_waiting_for_a_batcher(state: str) -> None:
    code = f"""
        import threading, time
        from workbench.pipelines.batching import BatchConfig, Batcher
        began = threading.Event()
        def slow(items):
            began.set()
            time.sleep(0.3)
            print("ran")
            return items
        batcher = Batcher(slow, BatchConfig(max_wait_ms=0 if {state!r} != "waiting" else 60_000))
        if {state!r} == "idle":
            batcher(1)
        else:
            future = batcher.submit(1)
            if {state!r} == "running":
                began.wait()
        print("end", flush=True)
    """
    expected = {"idle": "ran end", "waiting": "end", "running": "end ran"}
    assert run(code) == expected[state], "a run under way ends, what waits is let go"


def stormed(
    requests: int, tasks: int, seconds: float, function: Callable[[list[int]], list[int]], config: BatchConfig
) -> tuple[BatchMetrics, Counter[str]]:
    """Let tasks send requests at random times, one in 100 of them bad, and give up one in 20 at a random time."""
    outcomes: Counter[str] = Counter()
    chance = random.Random(7)

    async def ask(batcher: Batcher[int, int], item: int) -> None:
        try:
            answer = await batcher.arun(item)
        except ValueError as error:
            assert error.args == (item,), "another one's error"
            assert item % 100 == 99
            outcomes["failed"] += 1
        except QueueFullError:
            outcomes["refused"] += 1
        else:
            assert answer == 2 * item, "another one's answer"
            assert item % 100 != 99
            outcomes["answered"] += 1

    async def sends(batcher: Batcher[int, int], items: range) -> None:
        for item in items:
            await asyncio.sleep(chance.random() * 2 * seconds / len(items))
            task = asyncio.create_task(ask(batcher, item))
            if chance.random() < 0.05:
                await asyncio.sleep(chance.random() * 0.01)
                if task.cancel():
                    outcomes["cancelled"] += 1
            await asyncio.wait([task])
            if not task.cancelled():
                task.result()

    async def main() -> BatchMetrics:
        async with Batcher(function, config) as batcher:
            each = requests // tasks
            await asyncio.gather(*(sends(batcher, range(at * each, (at + 1) * each)) for at in range(tasks)))
        return batcher.metrics

    return asyncio.run(main()), outcomes


def raises_for_bad(items: list[int]) -> list[int]:
    time.sleep(0.001)
    bad = [item for item in items if item % 100 == 99]
    if bad:
        raise ValueError(bad[0])
    return doubles(items)


@pytest.mark.parametrize(("requests", "tasks"), [(2_000, 200), pytest.param(10_000, 200, marks=pytest.mark.slow)])
def test_of_many_requests_each_is_answered_once_with_its_own(requests: int, tasks: int) -> None:
    config = BatchConfig(max_batch_size=32, max_wait_ms=2)
    metrics, outcomes = stormed(requests, tasks, requests / 4000, raises_for_bad, config)
    assert sum(outcomes.values()) == requests, "each has one outcome"
    assert outcomes["refused"] == 0
    assert metrics.answered >= outcomes["answered"]
    assert metrics.failed >= outcomes["failed"] > 0
    assert outcomes["cancelled"] > 0
    # A task may be cancelled in the moment between its result and its own turn; the batcher has then answered it.
    assert metrics.answered + metrics.failed + metrics.cancelled <= requests
    assert metrics.waiting == 0
    assert max(size for size, _ in metrics.sizes) <= 32
    assert metrics.mean_size > 1, "they did run together"
