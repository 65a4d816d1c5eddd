"""What a GPU's memory can do at the most: the bytes a second of a copy within it, by the clock of the races."""

from __future__ import annotations

from functools import cache, partial

import numpy as np

from workbench.bench.contenders import Entry
from workbench.bench.devices import Device
from workbench.bench.racing.gpu_clock import GpuClock

_TIMES, _LEAST = 16, 16 << 20
_SAMPLES = 5


@cache
def copied(device: Device) -> float:
    """Return the bytes that a copy reads and writes in a second, the best of five samples; measured once.

    What is copied is 16 times the second-level cache, so that it crosses the bus. The device's stream is the current
    one.
    """
    nbytes = max(_TIMES * device.l2, _LEAST)
    target = device.empty((nbytes // 4,), "float32")
    source = device.put(np.random.default_rng(0).standard_normal(nbytes // 4, np.float32))
    clock = GpuClock(device, cold=False)
    entry = Entry(partial(device.copy, target, source), {})
    calls, _ = clock.calibrate(entry)
    return 2 * nbytes / min(clock.sample(entry, calls) for _ in range(_SAMPLES))
