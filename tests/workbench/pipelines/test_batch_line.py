"""Who goes next, on a clock that the test turns: the promises of the line hold for any schedule."""

from __future__ import annotations

import itertools
import math
from collections import deque

from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.pipelines.batching.line import WINDOW, Line, Request

PATIENCE = 10.0

arrivals = st.lists(
    st.tuples(st.integers(0, 40), st.integers(1, 200), st.integers(0, 9)), min_size=1, max_size=80
)  # time since the one before, length, and one in ten gives up
runs = st.lists(st.integers(1, 30), min_size=1, max_size=5)


def served(
    requests: list[tuple[float, int, bool]], size: int, seconds: list[int]
) -> tuple[list[dict[str, float]], bool]:
    """Run a line to its end and return when each request started, and whether more than a batch was ever due."""
    line: Line[int, None] = Line(size, PATIENCE)
    left = deque(enumerate(requests))
    started: dict[int, dict[str, float]] = {}
    now, run, crowded = 0.0, 0, False
    while left or len(line):
        while left and left[0][1][0] <= now:
            place, (came, length, gives_up) = left.popleft()
            request: Request[int, None] = Request(place, length, came)
            line.add(request)
            if gives_up:
                request.future.cancel()
        line.drop_cancelled()
        remaining = line.starts_in(now)
        if remaining is None or remaining > 0:
            pauses = [remaining] if remaining is not None else []
            now += min([*pauses, *([left[0][1][0] - now] if left else [])], default=0.0)
            continue
        crowded |= sum(request.since <= now - PATIENCE for request in line) > size
        ahead = sorted(line, key=lambda request: request.since)
        batch = line.take(now)
        assert 1 <= len(batch) <= size
        assert [request.length for request in batch] == sorted(request.length for request in batch)
        took = float(seconds[run % len(seconds)])
        run += 1
        for request in batch:
            assert request.item not in started
            started[request.item] = {"wait": now - request.since, "run": run, "size": len(batch)}
        if len(ahead) <= size:
            assert len(batch) == len(ahead), "up to a full batch, all go together"
        now += took
    expected = {place for place, (_, _, gives_up) in enumerate(requests) if not gives_up}
    assert started.keys() == expected, "each one that is wanted runs once"
    return list(started.values()), crowded


def schedule(gaps: list[tuple[int, int, int]]) -> list[tuple[float, int, bool]]:
    now, requests = 0.0, []
    for gap, length, chance in gaps:
        now += gap / 4
        requests.append((now, length, chance == 0))
    return requests


@settings(max_examples=300, deadline=None)
@given(arrivals, st.integers(1, 8), runs)
def test_nobody_waits_longer_than_the_patience_and_one_run(
    gaps: list[tuple[int, int, int]], size: int, seconds: list[int]
) -> None:
    started, crowded = served(schedule(gaps), size, seconds)
    longest = max((entry["wait"] for entry in started), default=0.0)
    if not crowded:
        assert longest <= PATIENCE + max(seconds) + 1e-9
    else:  # nobody can promise that any more, and nobody starves either
        batches = math.ceil(len(gaps) / size) + WINDOW
        assert longest <= PATIENCE + (batches + 1) * max(seconds)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 200), min_size=1, max_size=64), st.integers(1, 8))
def test_a_crowd_is_cut_by_length_and_ends_when_it_would_have_in_order(lengths: list[int], size: int) -> None:
    line: Line[int, None] = Line(size, PATIENCE)
    for place, length in enumerate(lengths):
        line.add(Request(place, length, float(place) / 1000))
    batches = []
    while len(line):
        batches.append([(request.item, request.length) for request in line.take(1e6)])
    assert len(batches) == math.ceil(len(lengths) / size)
    window = WINDOW * size
    for place, batch in enumerate(batches):
        begin = place // WINDOW * window
        assert all(begin <= item < begin + window for item, _ in batch), "none overtakes the window before its own"
    whole = batches[:WINDOW] if len(lengths) >= window else []
    spans = sorted((batch[0][1], batch[-1][1]) for batch in whole)
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(spans)), "lengths do not overlap"


def test_the_room_beside_those_that_are_due_goes_to_the_nearest_in_length() -> None:
    line: Line[str, None] = Line(3, PATIENCE)
    for name, length, since in [("due", 50, 0), ("long", 190, 5), ("near", 55, 6), ("short", 2, 7), ("nearer", 49, 8)]:
        line.add(Request(name, length, since))
    assert [request.item for request in line.take(10.0)] == ["nearer", "due", "near"]
    assert [request.item for request in line.take(16.0)] == ["short", "long"]


def test_without_lengths_requests_go_in_order_of_arrival() -> None:
    line: Line[int, None] = Line(4, PATIENCE)
    for place in range(40):
        line.add(Request(place, 0.0, float(place)))
    taken = []
    while len(line):
        taken += [request.item for request in line.take(39.0)]
    assert taken == list(range(40))


def test_the_clock_of_a_batch_is_that_of_its_oldest_and_goes_with_it() -> None:
    line: Line[str, None] = Line(8, PATIENCE)
    assert line.starts_in(0.0) is None
    first: Request[str, None] = Request("first", 1, 0.0)
    assert line.add(first)
    assert not line.add(Request("second", 1, 4.0)), "a later one changes nothing"
    assert line.starts_in(5.0) == 5.0
    first.future.cancel()
    assert [request.item for request in line.drop_cancelled()] == ["first"]
    assert line.starts_in(5.0) == 9.0
