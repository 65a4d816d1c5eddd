"""How far a race can be believed, measured: ``make instrument``; docs/racing.md has the table.

It races functions whose ratio is known, so it takes an otherwise idle machine and about a quarter of an hour.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils import benchmark

import fused_kernels as fk
import workbench as wb

Call = Callable[..., Any]


def layer_norm(x: Any) -> Any:
    """Take all cores."""
    return fk.layer_norm(x)


def exp(x: Any) -> Any:
    """Take one core and its caches."""
    return np.exp(x)


def tanh(x: Any) -> Any:
    """Take a few microseconds."""
    return np.tanh(x)


ROWS: list[tuple[str, Call, tuple[int, ...]]] = [
    ("layer_norm 512x768, ours", layer_norm, (512, 768)),
    ("exp 400x768, NumPy", exp, (400, 768)),
    ("tanh 8x64, NumPy", tanh, (8, 64)),
]
PAIRS = [("layer_norm", (512, 768)), ("softmax", (1000, 1000)), ("gelu", (512, 768))]


def identical(races: int) -> str:
    """Race each function against its own copy."""
    lines = []
    for name, function, shape in ROWS:
        held = silent = 0
        widths = []
        for seed, x in enumerate(_inputs(shape, races)):
            race = wb.compare({"one": function, "other": _copy(function)}, inputs=(x,), seed=seed)
            ratio = race.speedup("one", over="other")
            held += ratio.low <= 1 <= ratio.high
            silent += "no difference" in race.verdict
            widths.append((ratio.high - ratio.low) / 2)
        lines.append(
            f"{name}: the interval holds 1.0 in {held} of {races}, no winner is named in {silent}; "
            f"half its width is {statistics.median(widths):.2%}"
        )
    return "\n".join(lines)


def slower(races: int) -> str:
    """Race a function against one that does 3 % more: it computes so many of the rows a second time."""

    def more(x: Any) -> Any:
        np.exp(x[:12])
        return np.exp(x)

    found = 0
    ratios = []
    for seed, x in enumerate(_inputs((400, 768), races)):
        race = wb.compare({"exp": exp, "more": more}, inputs=(x,), seed=seed)
        ratio = race.speedup("exp", over="more")
        found += ratio.low > 1
        ratios.append(ratio.value)
    return f"exp 400x768 and 3 % more: found in {found} of {races}; median ratio {statistics.median(ratios):.4f}"


def beside(repeats: int) -> str:
    """Race ours and others alone, then beside a process that keeps one core busy, in turns."""
    lines = []
    for op, shape in PAIRS:
        alone: list[dict[str, float]] = []
        busy: list[dict[str, float]] = []
        for seed in range(repeats):
            alone.append(_ratios(op, shape, seed))
            with _busy_process():
                busy.append(_ratios(op, shape, seed))
        for other in alone[0]:
            rest, beside = (statistics.median(ratios[other] for ratios in several) for several in (alone, busy))
            lines.append(f"{op} over {other}: {rest:.3f} alone, {beside:.3f} beside, {beside / rest - 1:+.1%}")
    return "\n".join(lines)


def agreement(repeats: int) -> str:
    """Time each function by us, by torch.utils.benchmark and by pytest-benchmark, in turns."""
    lines = []
    for name, function, shape in ROWS:
        (x,) = _inputs(shape, 1)
        ours, torchs, pytests = [], [], []
        for seed in range(repeats):
            race = wb.compare({"it": function}, inputs=(x,), seed=seed, budget=2)
            ours.append(race["it"].median)
            timer = benchmark.Timer("f(x)", globals={"f": function, "x": x}, num_threads=torch.get_num_threads())
            torchs.append(timer.blocked_autorange(min_run_time=2).median)
            pytests.append(_pytest_benchmark(name))
        us, them, others = (statistics.median(times) for times in (ours, torchs, pytests))
        lines.append(
            f"{name}: {us * 1e6:.2f} us; torch.utils.benchmark {them * 1e6:.2f} ({them / us - 1:+.1%}); "
            f"pytest-benchmark {others * 1e6:.2f} ({others / us - 1:+.1%})"
        )
    return "\n".join(lines)


def cost() -> str:
    """Time whole races with a budget of 5 s."""
    lines = []
    for name, function, shape in ROWS:
        (x,) = _inputs(shape, 1)
        begin = time.perf_counter()
        race = wb.compare({"one": function, "other": _copy(function)}, inputs=(x,), budget=5, interval=0)
        wall = time.perf_counter() - begin
        lines.append(f"{name}: {wall:.2f} s for 5 s of racing, {wall / 5 - 1:.1%}; {race.conditions['rounds']} rounds")
    return "\n".join(lines)


def _inputs(shape: tuple[int, ...], count: int) -> list[Any]:
    rng = np.random.default_rng(5)
    return [rng.standard_normal(shape).astype(np.float32) for _ in range(count)]


def _copy(function: Call) -> Call:
    """Return the same code as a function of its own."""
    assert isinstance(function, types.FunctionType)
    return types.FunctionType(function.__code__.replace(), function.__globals__, "copy")


def _ratios(op: str, shape: tuple[int, ...], seed: int) -> dict[str, float]:
    race = wb.compare(op, shape=shape, contenders=["numba", "numpy", "torch"], seed=seed)
    return {other: race.speedup("numba", over=other).value for other in ("numpy", "torch")}


def _spin() -> None:
    while True:
        pass


@contextmanager
def _busy_process() -> Any:
    process = multiprocessing.get_context("spawn").Process(target=_spin, daemon=True)
    process.start()
    time.sleep(1)
    try:
        yield
    finally:
        process.kill()
        process.join()


_TEST = """
from instrument import ROWS, _inputs

def test_it(benchmark):
    function, shape = next((function, shape) for name, function, shape in ROWS if name == {name!r})
    benchmark.pedantic(function, _inputs(shape, 1), rounds=400, iterations={iterations}, warmup_rounds=100)
"""


def _pytest_benchmark(name: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "test_it.py").write_text(_TEST.format(name=name, iterations=500 if "8x64" in name else 20))
        wanted = ["-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", folder, "--benchmark-json=times.json"]
        found = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", *wanted, "test_it.py"],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])},
            capture_output=True,
            check=False,
            text=True,
        )
        if found.returncode:
            raise SystemExit(f"pytest-benchmark did not run: pip install pytest-benchmark\n{found.stdout[-2000:]}")
        times = json.loads((Path(folder) / "times.json").read_text())
    return float(times["benchmarks"][0]["stats"]["median"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=[], help="identical, slower, beside, agreement, cost; all if none")
    parser.add_argument("--races", type=int, default=100, help="of identical and slower")
    parser.add_argument("--repeats", type=int, default=5, help="of beside and agreement")
    chosen = parser.parse_args()
    parts: dict[str, Callable[[], str]] = {
        "identical": lambda: identical(chosen.races),
        "slower": lambda: slower(chosen.races),
        "beside": lambda: beside(chosen.repeats),
        "agreement": lambda: agreement(chosen.repeats),
        "cost": cost,
    }
    for part in chosen.parts or parts:
        print(f"## {part}\n{parts[part]()}\n", flush=True)
