"""Kernels in an event loop, which stays free."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any

import pytest

import workbench as wb
from workbench.errors import ClosedError, KernelDiedError, QueueFullError, ReplyTimeoutError
from workbench.ring import Forward
from workbench.ring.options import Thread

from .handlers import THREADS, Gate, count, same


async def _verbs(thread: Thread) -> None:
    async with wb.Runtime() as runtime:
        kernel = runtime.launch("count", handler=count, state=Counter, thread=thread)
        assert [await kernel.acall("a") for _ in range(3)] == [1, 2, 3]
        id = await kernel.asend("b")
        reply = await kernel.areceive(timeout=30)
        assert (reply.id, reply.value) == (id, 1)
        with pytest.raises(ReplyTimeoutError):
            await kernel.areceive(timeout=0.01)
        with pytest.raises(TypeError):
            await kernel.acall([])
        assert await kernel.adeactivate()
        with pytest.raises(ReplyTimeoutError):
            await kernel.acall("a", timeout=0.01)
        kernel.activate()
        await kernel.await_state("active")
        waits = asyncio.create_task(kernel.await_state("terminated"))
        await kernel.aterminate()
        await waits
        with pytest.raises(ClosedError):
            await kernel.acall("a")
    assert runtime.closed


@pytest.mark.parametrize("thread", THREADS)
def test_every_verb_awaited(thread: Thread) -> None:
    asyncio.run(_verbs(thread))


def test_the_loop_stays_free_while_a_handler_runs(runtime: wb.Runtime) -> None:
    gate = Gate()
    kernel = runtime.launch("gate", handler=gate)

    async def both() -> tuple[Any, int]:
        asked = asyncio.create_task(kernel.acall(7))
        turns = 0
        while not gate.began.acquire(blocking=False):
            turns += 1
            await asyncio.sleep(0.001)
        gate.go.release()
        return await asked, turns

    answer, turns = asyncio.run(both())
    assert answer == 7
    assert turns
    assert kernel.metrics.here == 0, "nothing is known of the handler, so the loop does not run it"


def test_a_task_that_never_waits_lets_others_run(runtime: wb.Runtime) -> None:
    kernel = runtime.launch("same", handler=same, thread="any")
    kernel.call(0)

    async def both() -> int:
        done = False
        turns = 0

        async def counts() -> None:
            nonlocal turns
            while not done:
                turns += 1
                await asyncio.sleep(0)

        other = asyncio.create_task(counts())
        end = time.perf_counter() + 0.05
        while time.perf_counter() < end:
            await kernel.acall(1)
        done = True
        await other
        return turns

    assert asyncio.run(both()) > 3
    assert kernel.metrics.here is not None
    assert kernel.metrics.here > 0.9


def test_cancelled_tasks_take_their_messages_back(runtime: wb.Runtime) -> None:
    gate = Gate()
    kernel = runtime.launch("gate", handler=gate, capacity=2, thread="own")

    async def storm() -> None:
        running = asyncio.create_task(kernel.acall(0))
        while not gate.began.acquire(blocking=False):
            await asyncio.sleep(0.001)
        waiting = [asyncio.create_task(kernel.acall(number)) for number in (1, 2)]
        await asyncio.sleep(0)
        crowded = asyncio.create_task(kernel.acall(3))
        sender = asyncio.create_task(kernel.asend(4))
        receiver = asyncio.create_task(kernel.areceive())
        await asyncio.sleep(0.01)
        with pytest.raises(QueueFullError):
            await kernel.asend(5, timeout=0.001)
        for task in (running, *waiting, crowded, sender, receiver):
            task.cancel()
        await asyncio.gather(running, *waiting, crowded, sender, receiver, return_exceptions=True)
        gate.go.release()
        for _ in range(2):
            gate.go.release()
        assert await kernel.acall(6) == 6

    asyncio.run(storm())
    metrics = kernel.metrics
    assert (metrics.answered, metrics.cancelled, metrics.refused, metrics.waiting) == (1, 5, 1, 0)
    assert metrics.messages == 7


def test_a_reply_that_a_cancelled_task_missed_is_anothers(runtime: wb.Runtime) -> None:
    gate = Gate()
    kernel = runtime.launch("gate", handler=gate)

    async def receive() -> Any:
        kernel.send(1)
        first, second = (asyncio.create_task(kernel.areceive()) for _ in range(2))
        await asyncio.sleep(0)
        gate.go.release()
        while kernel.status.replies == 0 and not first.done():
            time.sleep(0.001)  # the loop does not run: the first is woken and does not know it yet
        first.cancel()
        reply = await asyncio.wait_for(second, 30)
        return reply.value

    assert asyncio.run(receive()) == 1


def test_routes_and_deaths_awaited(runtime: wb.Runtime) -> None:
    def dies(payload: int) -> Any:
        if payload < 0:
            raise SystemExit
        return Forward("double", payload)

    first = runtime.launch("first", handler=dies, thread="any")
    runtime.launch("double", handler=lambda x: 2 * x)

    async def asks() -> list[int]:
        answers = [await first.acall(number) for number in range(5)]
        with pytest.raises(KernelDiedError):
            await first.acall(-1)
        return answers + list(await asyncio.gather(*map(first.acall, range(100))))

    assert asyncio.run(asks()) == [0, 2, 4, 6, 8, *range(0, 200, 2)]


def test_a_closed_loop_does_not_hold_a_kernel_up(runtime: wb.Runtime) -> None:
    gate = Gate()
    kernel = runtime.launch("gate", handler=gate)

    async def leaves() -> None:
        asyncio.get_running_loop().create_task(kernel.acall(1))
        await asyncio.sleep(0.01)

    loop = asyncio.new_event_loop()
    loop.run_until_complete(leaves())
    assert gate.began.acquire(timeout=30)
    loop.close()
    gate.go.release()
    gate.go.release()
    assert kernel.call(2) == 2
