"""The clock of a GPU, on a device that is a thread: what it enqueues in which order, and what it can tell."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from workbench.bench.contenders import Entry
from workbench.bench.racing.gpu_clock import COLD_CALLS, QUEUE, GpuClock
from workbench.bench.rooflines.copying import copied

from .lane import Lane, kernel, opened

add = kernel(lambda x: x + 1)


@pytest.fixture
def lane() -> Iterator[Lane]:
    with opened() as made:
        yield made


def entry(lane: Lane, function: Any = add) -> Entry:
    x = lane.put(np.zeros((20, 30), np.float32))
    return Entry(lambda: function(x), {"x": x})


def test_a_warm_sample_holds_the_stream_and_marks_around_all_calls(lane: Lane) -> None:
    GpuClock(lane, cold=False).sample(entry(lane), 3)
    begin = lane.done.index("hold")
    assert lane.done[begin : begin + 6] == ["hold", "mark", "kernel", "kernel", "kernel", "mark"]
    assert "hold" not in lane.done[:begin], "warm-up needs none"
    assert "flush" not in lane.done


def test_a_cold_sample_flushes_before_each_call_and_outside_its_marks(lane: Lane) -> None:
    GpuClock(lane, cold=True).sample(entry(lane), 2)
    begin = lane.done.index("hold")
    called = ["flush", "mark", "kernel", "mark"]
    assert lane.done[begin : begin + 10] == ["hold", "mark", *called, *called]


def test_the_device_and_the_host_have_each_their_time(lane: Lane) -> None:
    def dawdling(x: Any) -> Any:
        time.sleep(0.002)
        return add(x)

    long = kernel(lambda x: time.sleep(0.002) or x)  # type: ignore[func-returns-value]
    clock = GpuClock(lane, cold=False)
    assert clock.sample(entry(lane, long), 1) >= 0.002
    assert clock.beside(entry(lane, long), 1, None).waited >= 0.002
    assert clock.beside(entry(lane, dawdling), 2, None).host >= 0.002


def test_a_call_that_waits_for_the_device_is_told_of(lane: Lane) -> None:
    def waiting(x: Any) -> Any:
        made = add(x)
        lane.wait()
        return made

    clock = GpuClock(lane, cold=False)
    clock.sample(entry(lane, waiting), 2)
    assert (clock.samples, clock.starved, clock.retaken) == (1, 1, 2)
    assert lane.done.count("hold") == 3, "each time for longer, in vain"
    assert clock.conditions["starved"] == 1


def test_no_more_is_enqueued_than_a_queue_holds(lane: Lane) -> None:
    def dawdling(x: Any) -> Any:
        time.sleep(QUEUE / 5)
        return add(x)

    warm, cold = (GpuClock(lane, cold=cold).calibrate(entry(lane, dawdling))[0] for cold in (False, True))
    assert 1 <= warm <= 5
    assert 1 <= cold <= 5
    assert GpuClock(lane, cold=True).calibrate(entry(lane))[0] <= COLD_CALLS


def test_what_the_last_call_left_is_handed_over(lane: Lane) -> None:
    x = lane.put(np.arange(4, dtype=np.float32))
    counter, kept = itertools.count(), []
    clock = GpuClock(lane, cold=False)
    clock.sample(
        Entry(lambda: (next(counter), add(x))[1], {}),
        1,
        before_last=lambda: kept.append(next(counter)),
        keep=lambda made: kept.append(made.get().tolist()),
    )
    assert kept[1] == [1, 2, 3, 4]
    assert next(counter) == kept[0] + 2, "one call came after it"


def test_a_call_becomes_a_graph_or_says_why_not(lane: Lane) -> None:
    clock = GpuClock(lane, cold=False)
    x = lane.put(np.zeros(4, np.float32))
    graph = clock.captured(Entry(lambda: add(x), {}))
    assert not isinstance(graph, str)
    lane.write(x, np.full(4, 6.0, np.float32))
    graph.replay()
    assert graph.returned.get().tolist() == [7, 7, 7, 7]
    assert clock.beside(entry(lane), 3, graph).graph is not None

    def waiting() -> None:
        lane.wait()

    refused = clock.captured(Entry(waiting, {}))
    assert refused == "RuntimeError: nobody can wait within a graph"
    assert clock.beside(entry(lane), 3, refused).graph is None


def test_the_bandwidth_of_a_copy_is_measured_once(lane: Lane) -> None:
    found = copied(lane)
    assert lane.done.count("copy") >= 5
    before = len(lane.done)
    assert 0 < found < 1e15
    assert copied(lane) == found
    assert len(lane.done) == before
