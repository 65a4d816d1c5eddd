"""Statistics of values that are brought piece by piece: from a file larger than memory, or from a narrow dtype."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from fused_kernels.cpu import threads
from fused_kernels.dispatch import lazy_import

from .op import unit_of
from .result import TensorStats
from .state import Outcome, State

if TYPE_CHECKING:
    from . import cpu
else:
    cpu = lazy_import(f"{__package__}.cpu")

Reader = Callable[[int], np.ndarray[Any, Any]]


def tensor_stats_of_pieces(
    reader: Callable[[], Reader], pieces: int, dtype: np.dtype[Any], *, bins: int = 64
) -> TensorStats:
    """Return the statistics of the values of all pieces, which several threads bring and measure at the same time.

    What one thread brings it measures at once, while it lies in its core's cache.

    Parameters
    ----------
    reader
        Called in each thread; returns a function of the number of a piece, from 0, that returns its values: a
        one-dimensional, contiguous array of ``dtype``, which is not used any more when the next one is asked for. It is
        asked twice for each piece where the values are so large or so near one another that their squares leave
        float64's range.
    pieces
        How many there are. Some hundred thousand values in each are best.
    dtype
        float32 or float64: as what values are compared, counted in bins and summed, the sums of pieces as float64.
    bins
        As in :func:`tensor_stats`.

    Examples
    --------
    >>> values = np.arange(6, dtype=np.float32)
    >>> tensor_stats_of_pieces(lambda: lambda number: values[3 * number : 3 * number + 3], 2, values.dtype).mean
    2.5
    """
    found, count = _measured(reader, pieces, dtype, bins, 1.0)
    if not found.is_finite:
        return found.stats(count, (math.nan, math.nan))
    unit = unit_of(found.low, found.high)
    moments = (found if unit == 1.0 else _measured(reader, pieces, dtype, 0, unit)[0]).moments()
    return found.stats(count, moments)


def _measured(
    reader: Callable[[], Reader], pieces: int, dtype: np.dtype[Any], bins: int, unit: float
) -> tuple[Outcome, int]:
    """Return what all threads know, and how many values there were."""
    workers = max(min(threads.count(), pieces), 1)

    def work(worker: int) -> tuple[State, int]:
        state, read, count = State(1, bins, dtype, unit), reader(), 0
        # Not whoever comes first: the last digits of the sums would differ from call to call.
        for number in range(worker, pieces, workers):
            values = read(number)
            count += values.size
            if values.size:
                cpu.add_on_one_thread(values[None], state)
        return state, count

    if workers > 1:
        with ThreadPoolExecutor(workers, "tensor-stats") as pool:
            results = list(pool.map(work, range(workers)))
    else:
        results = [work(0)]
    states = [state for state, _ in results]
    return Outcome.of(states), sum(count for _, count in results)
