"""Sweeps made up from times that are known, for tests of what is read out of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from workbench.bench.race import Race, Result
from workbench.bench.sweeps.sizes import ELEMENTS, Axis
from workbench.bench.sweeps.swept import Point, Stop, Sweep

Time = Callable[[float], float]
SIZES = tuple(16.0 * 4**power for power in range(9))


def race_at(size: float, seconds: Mapping[str, float], *, dtype: str, spread: float, rng: np.random.Generator) -> Race:
    results = [
        Result(name, f"{name} 1", tuple(median * np.exp(rng.normal(0, spread, 15))), 0.3, 3e-7, True)
        for name, median in seconds.items()
    ]
    cost = {"bytes_read": int(4 * size), "bytes_written": int(4 * size), "flops": int(10 * size)}
    conditions = {"rounds": 15, "cache": "warm", "out": ["numba"], "truth": "float64", "disturbed": False, "cost": cost}
    ordered = tuple(sorted(results, key=lambda result: result.median))
    return Race("gelu", (int(size),), dtype, ordered, {}, conditions, {})


def made_up(
    times: Mapping[str, Time],
    *,
    sizes: Sequence[float] = SIZES,
    dtypes: Sequence[str] = ("float32",),
    spread: float = 0.02,
    seed: int = 0,
    stops: Sequence[Stop] = (),
    axis: Axis = ELEMENTS,
) -> Sweep:
    """Return a sweep in which each contender takes the time of its function of the size, with noise; stops hold."""
    rng = np.random.default_rng(seed)
    points = []
    for dtype in dtypes:
        for size in sizes:
            gone = {stop.contender for stop in stops if stop.dtype == dtype and stop.size <= size}
            seconds = {name: time(size) for name, time in times.items() if name not in gone}
            race = race_at(size, seconds, dtype=dtype, spread=spread, rng=rng)
            points.append(Point(size, (int(size),), dtype, race))
    base = "numpy" if "numpy" in times else next(iter(times))
    return Sweep("gelu", axis, tuple(times), base, tuple(points), tuple(stops), {}, len(points))


def crossing_at(size: float, *, steep: float = 0.5) -> dict[str, Time]:
    """Return NumPy, faster below a size, and numba, faster above it."""
    return {"numba": lambda n: 1e-6 * n**0.1, "numpy": lambda n: 1e-6 * n**0.1 * (n / size) ** steep}
