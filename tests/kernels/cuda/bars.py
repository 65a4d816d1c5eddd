"""How fast the kernels are on this GPU: races against what else there is, and what they are asked to reach."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

import fused_kernels as fk
import workbench as wb
from workbench.bench.devices import Device
from workbench.bench.race import Race
from workbench.bench.statistics import speedup
from workbench.bench.verdict import copy_share
from workbench.text import format_seconds, format_sizes

OURS, EAGER = "fused", "torch"
COPY, KERNELS, STEPS, LAUNCH, CUBLASLT = 0.90, 1.0, 1.5, 1.3, 0.97
"""Least share of a copy's bandwidth; least ratios to others' kernels and to torch's several steps; most of torch's cost
of a launch; least ratio to cuBLASLt."""
SEVERAL_STEPS = ("add_layer_norm", "dropout_add", "swiglu")
"""What torch has no single kernel for."""


class Cell(NamedTuple):
    """What is raced: large arrays with a cold cache for the time of the GPU, small ones for the cost of a launch."""

    op: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    small: bool = False


class Bar(NamedTuple):
    """One thing that is asked for.

    Parameters
    ----------
    what
        In words.
    value, low, high
        What was measured, and its 95 % interval; a share of a copy has none.
    asked
        What is to be reached; for the cost of a launch, not to be exceeded.
    """

    what: str
    value: float
    low: float
    high: float
    asked: float

    @property
    def reached(self) -> bool:
        """Whether it is, as far as the interval tells: at the bus's limit two good kernels take turns in front."""
        return self.low <= self.asked if self.what == "launch" else self.high >= self.asked


def cells() -> Iterator[Cell]:
    """Yield what is raced, the most important first, since time may run out."""
    for dtype in ("float32", "bfloat16"):
        for shape in ((4096, 4096), (65536, 1024)):
            yield Cell("softmax", shape, dtype)
            yield Cell("layer_norm", shape, dtype)
    yield Cell("linear", (4096, 4096, 4096), "bfloat16")
    for op in ("softmax", "layer_norm", "rms_norm", "add_layer_norm", "gelu", "swiglu"):
        yield Cell(op, (8, 64), small=True)
    yield Cell("linear", (8, 64, 64), small=True)
    for dtype in ("float32", "bfloat16"):
        for op in ("rms_norm", "add_layer_norm", "log_softmax", "swiglu", "gelu", "dropout_add"):
            yield Cell(op, (8192, 4096), dtype)
        yield Cell("cross_entropy", (4096, 32000), dtype)


def measured(
    device: str | Device, until: float, chosen: Iterable[Cell] | None = None, budget: float = 1.0
) -> Iterator[tuple[Cell, Race | str]]:
    """Yield each cell with its race, or in words why there is none; those that time leaves none for, too.

    Parameters
    ----------
    device
        Where.
    until
        When no further race begins, by ``time.time()``.
    chosen
        What is raced; :func:`cells` if None.
    budget
        Seconds of each race.
    """
    for cell in cells() if chosen is None else chosen:
        if time.time() > until:
            yield cell, "not reached in time"
            continue
        try:
            yield cell, raced(cell, device, budget)
        except Exception as error:  # a library that is not there, a card that is full: the other cells go on
            yield cell, f"{type(error).__name__}: {error}"


def raced(cell: Cell, device: str | Device, budget: float) -> Race:
    """Race one cell; a layer with its gelu against cuBLASLt's own."""
    cache: Any = "warm" if cell.small else "cold"
    if cell.op == "linear" and not cell.small:
        return wb.compare(_layers(), inputs=_layer(cell), device=device, cache=cache, budget=budget)
    return wb.compare(cell.op, shape=cell.shape, dtype=cell.dtype, device=device, cache=cache, budget=budget)


def judged(cell: Cell, race: Race) -> Iterator[Bar]:
    """Yield what a race says of what is asked for; nothing where a result is wrong, which is said elsewhere."""
    right = {result.contender: result for result in race.results if result.right}
    ours = right.get(OURS)
    if ours is None:
        return
    if cell.small:
        other = right.get(EAGER)
        if other is not None and ours.on_device is not None and other.on_device is not None:
            launch = speedup(other.on_device.host, ours.on_device.host)
            yield Bar("launch", launch.value, launch.low, launch.high, LAUNCH)
        return
    share = copy_share(race, ours)
    if share is not None and cell.op != "linear":
        yield Bar("copy", share, share, share, COPY)
    for name, asked in _ratios(cell):
        if name in right:
            ratio = race.speedup(OURS, over=name)
            yield Bar(name, ratio.value, ratio.low, ratio.high, asked)


def table(found: Iterable[tuple[Cell, Race | str]]) -> str:
    """Write a line for each cell: our time, and each bar with what was asked, reached or missed."""
    lines = []
    for cell, race in found:
        what = f"{cell.op:15}{format_sizes(cell.shape, 'x'):16}{cell.dtype:9}"
        if isinstance(race, str):
            lines.append(f"{what} {race}")
            continue
        wrong = [f"{result.contender} {result.fault}" for result in race.results if not result.right]
        time_of = {result.contender: format_seconds(result.median) for result in race.results}
        bars = [
            f"{bar.what} {bar.value:.2f} ({'reached' if bar.reached else 'MISSED'} {bar.asked:g})"
            for bar in judged(cell, race)
        ]
        lines.append(f"{what} {time_of.get(OURS, 'none'):>9}  {'; '.join([*bars, *wrong, *_absent(race)])}")
    return "\n".join(lines)


def wrong(race: Race | str) -> bool:
    """Tell whether our own result is wrong; that of others is their own affair."""
    return not isinstance(race, str) and any(result.contender == OURS and not result.right for result in race.results)


def _ratios(cell: Cell) -> list[tuple[str, float]]:
    if cell.op == "linear":
        return [("cuBLASLt", CUBLASLT)]
    others = [(name, KERNELS) for name in ("torch.compile", "triton", "liger")]
    return [*others, (EAGER, STEPS)] if cell.op in SEVERAL_STEPS else others


def _absent(race: Race) -> list[str]:
    """Return who failed, whose kernel is asked for; that a library is not installed is no news in each line."""
    return [f"{name}: {why}" for name, why in race.absent.items() if "installed" not in why and "has no" not in why]


def _layers() -> dict[str, Any]:
    import torch

    def fused(x: Any, weight: Any, bias: Any) -> Any:
        return fk.linear(x, weight, bias, activation="gelu_tanh")

    def cublaslt(x: Any, weight: Any, bias: Any) -> Any:
        return torch._addmm_activation(bias, x, weight, use_gelu=True)

    return {OURS: fused, "cuBLASLt": cublaslt}


def _layer(cell: Cell) -> dict[str, Any]:
    import torch

    m, k, n = cell.shape
    rng = np.random.default_rng(0)
    made = {"x": rng.standard_normal((m, k)), "weight": rng.standard_normal((k, n)) / k**0.5, "bias": rng.random(n)}
    return {name: torch.from_numpy(value).to("cuda", getattr(torch, cell.dtype)) for name, value in made.items()}
