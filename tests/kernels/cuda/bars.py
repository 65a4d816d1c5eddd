"""How fast the kernels are on this GPU: against its copy bandwidth, torch eager, torch.compile and cuBLASLt."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

import fused_kernels as fk

REPEATS = 30
FLUSHED = 512 << 20
"""Bytes that are written before each call, several times the second-level cache."""


class Row(NamedTuple):
    """One operation at one size.

    Parameters
    ----------
    ours, eager, compiled
        Seconds of the GPU, medians; NaN where there is none.
    bandwidth
        Bytes per second that must cross the memory bus, over those of a copy; NaN for what computes more than it moves.
    host
        Seconds of the CPU for one of our calls, over those of torch's.
    """

    operation: str
    shape: tuple[int, ...]
    dtype: str
    ours: float
    eager: float
    compiled: float
    bandwidth: float
    host: float


def on_gpu(call: Callable[[], Any]) -> float:
    """Return the median of the seconds that a call takes on the GPU, its data not in the cache."""
    import torch

    scratch = torch.empty(FLUSHED, dtype=torch.uint8, device="cuda")
    for _ in range(3):
        call()
    times = []
    for _ in range(REPEATS):
        scratch.zero_()
        first, last = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        first.record()
        call()
        last.record()
        last.synchronize()
        times.append(first.elapsed_time(last) / 1e3)
    return statistics.median(times)


def on_host(call: Callable[[], Any], calls: int = 200) -> float:
    """Return the seconds that the CPU spends on one call, with a GPU that keeps up."""
    import torch

    for _ in range(10):
        call()
    batches = []
    for _ in range(9):
        torch.cuda.synchronize()
        began = time.perf_counter()
        for _ in range(calls):
            call()
        batches.append((time.perf_counter() - began) / calls)
    return statistics.median(batches)


def copied() -> float:
    """Return the bytes that a copy within the GPU's memory reads and writes in a second."""
    import torch

    source = torch.randn(256 << 20, device="cuda")
    target = torch.empty_like(source)
    return 2 * source.nbytes / on_gpu(lambda: target.copy_(source))


def contenders() -> Iterator[tuple[str, tuple[int, ...], Callable[..., Any]]]:
    """Yield operations, the shapes that are asked of them, and torch's way of writing the same."""
    import torch
    from torch.nn import functional

    large = ((4096, 4096), (65536, 1024), (8192, 16384))
    torchs: dict[str, Callable[..., Any]] = {
        "softmax": lambda x: torch.softmax(x, -1),
        "layer_norm": lambda x, weight, bias: functional.layer_norm(x, x.shape[-1:], weight, bias),
        "rms_norm": lambda x, weight: functional.rms_norm(x, x.shape[-1:], weight, 1e-6),
        "add_layer_norm": _added,
        "log_softmax": lambda x: torch.log_softmax(x, -1),
        "gelu": functional.gelu,
        "swiglu": lambda gate, up: functional.silu(gate) * up,
        "sum_of_squares": lambda x: (x * x).sum(),
    }
    yield "cross_entropy", (16384, 32000), _cross_entropy
    yield "linear", (8192, 8192, 8192), _linear
    yield "linear", (512, 768, 768), _linear
    for name, function in torchs.items():
        for shape in (*large, (8, 64)):
            yield name, shape, function


def _added(x: Any, residual: Any, weight: Any, bias: Any) -> Any:
    from torch.nn import functional

    total = x + residual
    return functional.layer_norm(total, total.shape[-1:], weight, bias), total


def _cross_entropy(logits: Any, target: Any) -> Any:
    import torch

    return torch.nn.functional.cross_entropy(logits, target)


def _linear(x: Any, weight: Any, bias: Any, activation: Any) -> Any:
    import torch

    return torch.nn.functional.gelu(torch.addmm(bias, x, weight), approximate="tanh")


def measured(limit: float = 220.0) -> Iterator[Row]:
    """Yield each operation's times, as long as there is time; the first row is the copy."""
    import torch

    began, copy = time.time(), copied()
    yield Row("copy", (256 << 20,), "float32", (2 << 30) / copy, np.nan, np.nan, 1.0, np.nan)
    for name, shape, function in contenders():
        for dtype in ("float32", "bfloat16"):
            if time.time() - began > limit:
                return
            inputs = fk.OPS[name].sample(shape, np.dtype(np.float32), np.random.default_rng(0))
            given: dict[str, Any] = {
                key: torch.from_numpy(value).cuda().to(getattr(torch, dtype) if value.dtype.kind == "f" else None)
                if isinstance(value, np.ndarray)
                else value
                for key, value in inputs.items()
            }
            if name == "linear":
                given["activation"] = "gelu_tanh"
            operation, fused = fk.OPS[name].function, torch.compile(function)
            cost = fk.OPS[name].cost(**{key: _like(value) for key, value in given.items()})
            ours = on_gpu(lambda operation=operation, given=given: operation(**given))
            eager = on_gpu(lambda function=function, given=given: function(**given))
            small = np.prod(shape) < 1_000_000
            host = np.nan
            if small:
                mine = on_host(lambda operation=operation, given=given: operation(**given))
                host = mine / on_host(lambda function=function, given=given: function(**given))
            try:
                compiled = on_gpu(lambda fused=fused, given=given: fused(**given))
            except Exception:  # a compiler that does not work here is no reason to stop
                compiled = np.nan
            share = np.nan if small or name == "linear" else cost.nbytes / ours / copy
            yield Row(name, shape, dtype, ours, eager, compiled, share, host)


def _like(value: Any) -> Any:
    if not hasattr(value, "element_size"):
        return value
    kinds = {8: np.float64, 4: np.float32, 2: np.float16}
    return np.broadcast_to(np.zeros((), kinds[value.element_size()]), tuple(value.shape))


def table(rows: list[dict[str, Any]]) -> str:
    """Write the rows as a table: times, shares of the bandwidth of a copy, how much faster than others."""
    lines = [f"{'operation':16}{'shape':22}{'dtype':10}{'us':>10}{'of copy':>9}{'eager':>8}{'compiled':>10}{'host':>7}"]
    for row in rows:
        ratios = (row["eager"] / row["ours"], row["compiled"] / row["ours"])
        shape = "x".join(map(str, row["shape"]))
        lines.append(
            f"{row['operation']:16}{shape:22}{row['dtype']:10}{row['ours'] * 1e6:10.1f}{row['bandwidth']:9.2f}"
            f"{ratios[0]:8.2f}{ratios[1]:10.2f}{row['host']:7.2f}"
        )
    return "\n".join(lines)
