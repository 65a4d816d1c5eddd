"""Staged copies on a stream that really runs beside the caller: a thread that copies later, and slowly."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.bridge.pool import Pool
from workbench.bridge.staging import STEPS, UnderWay, staged
from workbench.bridge.transfer import Pending

PAGE = 4096


class ThreadEvent:
    def __init__(self) -> None:
        self.came = threading.Event()

    def query(self) -> bool:
        return self.came.is_set()

    def synchronize(self) -> None:
        self.came.wait()


class ThreadStream:
    """Copies in order in a thread of its own, each after a while, as a GPU's copy engine does."""

    def __init__(self, delay: float = 0.0) -> None:
        self.copies, self.delay = 0, delay
        self.may_go = threading.Event()
        self.may_go.set()
        self.work: queue.SimpleQueue[tuple[torch.Tensor, torch.Tensor] | ThreadEvent | None] = queue.SimpleQueue()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        while (item := self.work.get()) is not None:
            self.may_go.wait()
            if isinstance(item, ThreadEvent):
                item.came.set()
            else:
                time.sleep(self.delay)
                item[0].copy_(item[1])
            del item

    def copy(self, target: torch.Tensor, source: torch.Tensor) -> None:
        self.copies += 1
        self.work.put((target, source))

    def record(self) -> ThreadEvent:
        event = ThreadEvent()
        self.work.put(event)
        return event

    def end(self) -> None:
        self.may_go.set()
        self.work.put(None)
        self.thread.join()


@pytest.fixture
def stream() -> Iterator[ThreadStream]:
    stream = ThreadStream()
    yield stream
    stream.end()


def numbers(count: int) -> torch.Tensor:
    return (torch.arange(count) * 7 % 251).to(torch.uint8)


@settings(max_examples=50, deadline=None)  # beside other tests a thread may be long in coming
@given(st.integers(0, 40 * PAGE), st.integers(2 * PAGE - 5, 12 * PAGE), st.integers(0, 20 * PAGE))
def test_every_byte_arrives_whatever_the_sizes(size: int, step: int, limit: int) -> None:
    stream, pool, under_way = ThreadStream(), Pool(limit), UnderWay()
    source, target = numbers(size), torch.zeros(size, dtype=torch.uint8)
    expected = source.clone()
    through = staged(source, target, stream, pool.take, under_way, step=step)
    source.zero_()  # it has been read, or the copy has ended
    stream.record().synchronize()
    assert torch.equal(target, expected)
    under_way.forget()
    assert len(under_way) == 0
    assert pool.usage.in_use == 0
    needed = -(-min(step, size) // PAGE) * PAGE
    assert through == (needed <= limit)
    assert pool.usage.made <= STEPS
    stream.end()


def test_blocks_are_not_filled_again_before_they_are_read() -> None:
    stream, pool, under_way = ThreadStream(delay=0.002), Pool(2 * PAGE), UnderWay()
    source, target = numbers(20 * PAGE), torch.zeros(20 * PAGE, dtype=torch.uint8)
    assert staged(source, target, stream, pool.take, under_way, step=PAGE)
    stream.record().synchronize()
    assert torch.equal(target, source)
    assert stream.copies == 20
    assert pool.usage.made == 2
    assert pool.usage.reused == 18
    stream.end()


def test_the_caller_goes_on_while_the_copy_waits(stream: ThreadStream) -> None:
    pool, under_way = Pool(8 * PAGE), UnderWay()
    source, target = numbers(3 * PAGE), torch.zeros(3 * PAGE, dtype=torch.uint8)
    stream.may_go.clear()
    staged(source, target, stream, pool.take, under_way, step=PAGE)
    pending = Pending(target, stream.record())
    assert not pending.done()
    assert len(under_way) == 3
    assert pool.usage.in_use == 3 * PAGE
    assert pool.take(6 * PAGE) is None, "the copy still needs its blocks"

    stream.may_go.set()
    assert torch.equal(pending.result(), source)
    assert pending.done()
    under_way.forget()
    assert pool.usage.in_use == 0


def test_what_is_under_way_outlives_its_names(stream: ThreadStream) -> None:
    pool, under_way = Pool(8 * PAGE), UnderWay()
    block = pool.take(PAGE)
    assert block is not None
    target = torch.from_numpy(block)
    stream.may_go.clear()
    stream.copy(target, numbers(PAGE))
    under_way.keep(stream.record(), target)
    del target, block
    assert pool.usage.in_use == PAGE, "a copy into freed memory would write over somebody else's"
    stream.may_go.set()
    stream.record().synchronize()
    under_way.forget()
    assert pool.usage.in_use == 0
