"""The batcher as its callers see it: their own answers, their own errors, and nothing after they gave up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, ThreadPoolExecutor, wait
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import ClosedError, InputError, QueueFullError, RunError, WorkbenchError
from workbench.pipelines.batching import BatchConfig, Batcher, Quantiles
from workbench.pipelines.batching.halving import worst_case

LONG = 60_000
"""A wait in milliseconds that no test sits out: what starts before has another reason."""


class Gate:
    """A function whose runs the test lets begin and end, and that keeps the batches it was given."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.began, self.go = threading.Semaphore(0), threading.Semaphore(0)

    def __call__(self, items: list[int]) -> list[int]:
        self.batches.append(list(items))
        self.began.release()
        assert self.go.acquire(timeout=30)
        return [-item for item in items]


def squares(items: list[float]) -> list[float]:
    return [item * item for item in items]


def test_results_are_each_caller_s_own_for_threads_and_for_loops() -> None:
    weights = np.random.default_rng(0).standard_normal((16, 4)).astype(np.float32)

    def project(rows: list[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
        return np.stack(rows) @ weights

    rows = np.random.default_rng(1).standard_normal((300, 16)).astype(np.float32)
    with Batcher(project, BatchConfig(max_batch_size=16, max_wait_ms=1)) as batcher:

        async def one_loop(part: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
            return await asyncio.gather(*map(batcher.arun, part))

        def run_loop(part: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
            return asyncio.run(one_loop(part))

        with ThreadPoolExecutor(8) as pool:
            loops = [pool.submit(run_loop, rows[start : start + 100]) for start in (0, 100)]
            threads = list(pool.map(batcher, rows[200:]))
        answers = [*loops[0].result(), *loops[1].result(), *threads]
    np.testing.assert_allclose(np.stack(answers), rows @ weights, rtol=1e-5, atol=1e-5)
    metrics = batcher.metrics
    assert metrics.answered == metrics.requests == 300
    assert max(size for size, _ in metrics.sizes) <= 16


def test_a_full_batch_goes_at_once_and_a_part_of_one_when_its_time_is_up() -> None:
    with Batcher(squares, BatchConfig(max_batch_size=4, max_wait_ms=LONG)) as batcher:
        full = [batcher.submit(item) for item in range(4)]
        assert [future.result(timeout=30) for future in full] == [0, 1, 4, 9]
    with Batcher(squares, BatchConfig(max_batch_size=4, max_wait_ms=20)) as batcher:
        assert batcher(3) == 9
    assert batcher.metrics.wait is not None
    assert batcher.metrics.wait.longest >= 0.02, "it waited for others"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=40), st.booleans())
def test_bad_inputs_fail_alone_and_at_a_bounded_cost(bad: list[bool], in_place: bool) -> None:
    calls: list[list[int]] = []

    def function(items: list[int]) -> list[Any]:
        calls.append(items)
        errors = [ValueError(item) for item in items if bad[item]]
        if errors and not in_place:
            raise errors[0]
        return [ValueError(item) if bad[item] else item for item in items]

    with Batcher(function, BatchConfig(max_batch_size=len(bad), max_wait_ms=LONG)) as batcher:
        futures = [batcher.submit(item) for item in range(len(bad))]
        for item, future in enumerate(futures):
            error = future.exception(timeout=30)
            assert (error is not None) == bad[item]
            assert error.args == (item,) if error else future.result() == item
    assert len(calls) <= (1 if in_place else worst_case(len(bad)))
    assert batcher.metrics.reruns == len(calls) - 1
    assert (batcher.metrics.failed, batcher.metrics.answered) == (sum(bad), len(bad) - sum(bad))
    if sum(bad) == 1 and not in_place:
        assert len(calls) <= (len(bad) - 1).bit_length() + 3, "one bad item is found by halving"


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda items: items[:-1], "0 results for 1 items"),
        (lambda items: {item: item for item in items}, "dict"),
        (lambda items: None, "NoneType"),
        (lambda items: (result for result in [1, 2]), "2 results for 1 items"),
        (lambda items: [next(iter([])) for _ in items], "StopIteration"),
    ],
)
def test_a_function_that_keeps_not_to_its_contract_is_told_so(function: Callable[[list[int]], Any], said: str) -> None:
    with Batcher(function, BatchConfig(max_wait_ms=0)) as batcher:
        with pytest.raises(RunError, match=said):
            batcher(1)
        with pytest.raises(RunError, match=said):  # by a coroutine, which a bare StopIteration would never wake
            asyncio.run(asyncio.wait_for(batcher.arun(1), 30))


def test_what_goes_wrong_while_results_are_read_is_their_callers_too() -> None:
    def function(items: list[int]) -> Any:
        return (item // (item - 3) for item in items)  # fails when it is read

    with Batcher(function, BatchConfig(max_batch_size=8, max_wait_ms=LONG)) as batcher:
        futures = [batcher.submit(item) for item in range(8)]
        assert [type(future.exception(timeout=30)) for future in futures] == [
            ZeroDivisionError if item == 3 else type(None) for item in range(8)
        ]


def test_a_future_that_a_caller_settles_itself_stops_nobody_else() -> None:
    gate = Gate()
    with Batcher(gate, BatchConfig(max_batch_size=2, max_wait_ms=LONG)) as batcher:
        mine, other = batcher.submit(1), batcher.submit(2)
        assert gate.began.acquire(timeout=30)
        mine.set_result(100)
        gate.go.release(2)
        assert other.exception(timeout=30) is not None
        later = [batcher.submit(3), batcher.submit(4)]
        assert [future.result(timeout=30) for future in later] == [-3, -4]


def test_who_gives_up_is_not_run_and_a_result_that_comes_too_late_is_thrown_away() -> None:
    gate = Gate()
    with Batcher(gate, BatchConfig(max_batch_size=2, max_wait_ms=0)) as batcher:
        running = batcher.submit(1)
        assert gate.began.acquire(timeout=30)
        waiting = [batcher.submit(item) for item in (2, 3, 4)]
        assert waiting[1].cancel()
        assert running.cancel(), "also while it runs"
        gate.go.release(3)
        assert [waiting[0].result(30), waiting[2].result(30)] == [-2, -4]
        with pytest.raises(CancelledError):
            running.result()
        assert not wait([running, *waiting], timeout=30).not_done
    assert gate.batches == [[1], [2, 4]]
    assert (batcher.metrics.answered, batcher.metrics.cancelled) == (2, 2)


def test_a_cancelled_task_gives_its_request_up() -> None:
    gate = Gate()

    async def main(batcher: Batcher[int, int]) -> None:
        running = asyncio.create_task(batcher.arun(1))
        assert await asyncio.to_thread(gate.began.acquire, timeout=30)
        late, other = asyncio.create_task(batcher.arun(2)), asyncio.create_task(batcher.arun(3))
        await asyncio.sleep(0)
        late.cancel()
        running.cancel()
        gate.go.release(2)
        assert await other == -3
        assert late.cancelled()
        assert running.cancelled()

    with Batcher(gate, BatchConfig(max_wait_ms=0)) as batcher:
        asyncio.run(main(batcher))
    assert gate.batches == [[1], [3]]


def test_a_full_queue_refuses_and_takes_again_when_somebody_gives_up() -> None:
    gate = Gate()
    with Batcher(gate, BatchConfig(max_batch_size=2, max_wait_ms=0, max_queue=3)) as batcher:
        batcher.submit(0)
        assert gate.began.acquire(timeout=30)
        waiting = [batcher.submit(item) for item in (1, 2, 3)]
        with pytest.raises(
            QueueFullError, match=r"3 requests wait \(max_queue=3\), the oldest for .*s\. Send"
        ) as caught:
            batcher.submit(4)
        assert isinstance(caught.value, WorkbenchError)
        waiting[0].cancel()
        late = batcher.submit(5)
        gate.go.release(3)
        assert late.result(timeout=30) == -5
    metrics = batcher.metrics
    assert (metrics.refused, metrics.cancelled, metrics.answered) == (1, 1, 4)


def test_closing_finishes_what_was_taken_and_then_refuses() -> None:
    gate = Gate()
    batcher = Batcher(gate, BatchConfig(max_batch_size=2, max_wait_ms=LONG))
    futures = [batcher.submit(item) for item in range(5)]
    assert gate.began.acquire(timeout=30)
    closing = threading.Thread(target=batcher.close)
    closing.start()
    while not batcher.closed:
        pass
    with pytest.raises(ClosedError, match="closed"):
        batcher.submit(9)
    gate.go.release(3)
    closing.join(timeout=30)
    assert not closing.is_alive()
    assert all(future.done() for future in futures)
    assert [len(batch) for batch in gate.batches] == [2, 2, 1], "the last one did not wait for company"
    batcher.close()


def test_it_opens_and_closes_with_async_with() -> None:
    async def main() -> float:
        async with Batcher(squares, BatchConfig(max_batch_size=8, max_wait_ms=LONG)) as batcher:
            task = asyncio.create_task(batcher.arun(5))
            await asyncio.sleep(0)
        assert batcher.closed
        return await task

    assert asyncio.run(main()) == 25


def test_items_of_similar_length_run_together() -> None:
    gate = Gate()
    with Batcher(gate, BatchConfig(max_batch_size=4, max_wait_ms=0), key=lambda item: item) as batcher:
        batcher.submit(1)
        assert gate.began.acquire(timeout=30)
        lengths = [5, 200, 6, 190, 7, 180, 8, 170]
        futures = [batcher.submit(item) for item in lengths]
        gate.go.release(3)
        assert [future.result(timeout=30) for future in futures] == [-item for item in lengths]
    assert gate.batches[1:] == [[5, 6, 7, 8], [170, 180, 190, 200]]
    filled, padded = 1 + sum(lengths), 1 + 4 * 8 + 4 * 200
    assert batcher.metrics.padding == pytest.approx(1 - filled / padded)
    assert "padding" in repr(batcher)


@pytest.mark.parametrize(
    ("key", "said"), [(len, "TypeError"), (lambda item: float("nan"), "nan"), (lambda item: -1, "0 or more")]
)
def test_a_key_that_gives_no_length_is_the_caller_s_error(key: Callable[[Any], float], said: str) -> None:
    with Batcher(squares, key=key) as batcher, pytest.raises(InputError, match=said):
        batcher(3)


def test_the_function_cannot_wait_for_its_own_batcher() -> None:
    batcher: Batcher[int, int] = Batcher(lambda items: [batcher(item) for item in items], BatchConfig(max_wait_ms=0))
    with batcher, pytest.raises(InputError, match="its own batcher"):
        batcher(1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_batch_size": 0}, "max_batch_size"),
        ({"max_batch_size": 2.5}, "2.5"),
        ({"max_wait_ms": -1}, "max_wait_ms"),
        ({"max_wait_ms": float("inf")}, "finite"),
        ({"max_queue": True}, "max_queue"),
        ({"max_batch_size": 64, "max_queue": 8}, "at least 64"),
    ],
)
def test_limits_that_make_no_sense_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        BatchConfig(**options)


@pytest.mark.parametrize("wrong", [{"function": 3}, {"key": 3}, {"config": {"max_batch_size": 3}}])
def test_a_batcher_of_something_else_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"function|BatchConfig"):
        Batcher(**{"function": squares, **wrong})


def test_whoever_has_an_answer_finds_its_batch_in_the_metrics() -> None:
    with Batcher(squares, BatchConfig(max_wait_ms=0)) as batcher:
        for value in range(200):
            batcher(value)
            assert batcher.metrics.answered == value + 1
            assert batcher.metrics.longest_run > 0
        assert "200 of 1 item\n" in repr(batcher.metrics)


def test_the_metrics_are_a_value_with_a_table_and_two_pictures() -> None:
    batcher: Batcher[float, float] = Batcher(squares, BatchConfig(max_batch_size=2, max_wait_ms=0))
    assert "0 requests" in repr(batcher.metrics)
    with batcher:
        batcher(1)
    metrics = batcher.metrics
    assert isinstance(metrics.latency, Quantiles)
    assert 0 < metrics.latency.p50 <= metrics.latency.p99 <= metrics.latency.longest
    assert metrics.to_pandas().to_dict("list") == {"size": [1], "batches": [1], "items": [1]}
    for name, value in metrics.facts:
        assert name in repr(metrics)
        assert value.split(",")[0] in metrics._repr_html_()
