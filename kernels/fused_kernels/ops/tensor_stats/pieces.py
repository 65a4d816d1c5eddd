"""Statistics of values that are brought piece by piece: from a file larger than memory, or from a narrow dtype."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable
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

Reader = Callable[[int], Iterable[np.ndarray[Any, Any]]]


def tensor_stats_of_pieces(
    reader: Callable[[], Reader], pieces: int, dtype: np.dtype[Any], *, bins: int = 64, in_order: bool = False
) -> TensorStats:
    """Return the statistics of the values of all pieces, which several threads bring and measure at the same time.

    What one thread brings it measures at once. An exception of a reader, or an
    interrupt of the caller, ends them all after the piece that each is at.

    Parameters
    ----------
    reader
        Called in each thread; returns a function of the number of a piece, from 0, that returns its values: arrays one
        after the other, one-dimensional, contiguous, of ``dtype``, each of which is not used any more when the next is
        asked for. It is asked twice for each piece where the values are so large or so near one another that their
        squares leave float64's range.
    pieces
        How many there are. Some million values in each are best; in arrays of some hundred thousand if they are
        written for this, so that they are measured while they lie in the cache. The result does not depend on how a
        piece is cut into arrays, if all but the last have a multiple of 4096 values.
    dtype
        float32 or float64: as what values are compared, counted in bins and summed, the sums of pieces as float64.
    bins
        As in :func:`tensor_stats`.
    in_order
        Whether the caller's thread alone asks one reader for 0, 1, 2, ..., since they cannot be had in another order.
        The result is the same to the last digit.

    Examples
    --------
    >>> values = np.arange(6, dtype=np.float32)
    >>> tensor_stats_of_pieces(lambda: lambda number: [values[3 * number :][:3]], 2, values.dtype).mean
    2.5
    """
    lanes = max(min(threads.count(), pieces), 1)

    def measured(bins: int, unit: float) -> tuple[Outcome, int]:
        states = [State(1, bins, dtype, unit) for _ in range(lanes)]
        count = (_in_order if in_order else _together)(reader, pieces, states)
        return Outcome.of(states), count

    found, count = measured(bins, 1.0)
    if not found.is_finite:
        return found.stats(count, (math.nan, math.nan))
    unit = unit_of(found.low, found.high)
    return found.stats(count, (found if unit == 1.0 else measured(0, unit)[0]).moments())


# Piece k goes to state k modulo their number, not to whoever comes first: the last digits of the sums would differ.


def _together(reader: Callable[[], Reader], pieces: int, states: list[State]) -> int:
    """Measure in a thread for each state; return how many values there were."""
    stop = threading.Event()

    def work(lane: int) -> int:
        count = 0
        try:
            read = reader()
            for number in range(lane, pieces, len(states)):
                if stop.is_set():
                    break
                count += _add(read(number), states[lane])
        except BaseException:
            stop.set()
            raise
        return count

    if len(states) == 1:
        return work(0)
    with ThreadPoolExecutor(len(states), "tensor-stats") as pool:
        try:
            return sum(pool.map(work, range(len(states))))
        except BaseException:  # an interrupt ends the wait for the threads, and not them
            stop.set()
            raise


def _in_order(reader: Callable[[], Reader], pieces: int, states: list[State]) -> int:
    read = reader()
    return sum(_add(read(number), states[number % len(states)]) for number in range(pieces))


def _add(arrays: Iterable[np.ndarray[Any, Any]], state: State) -> int:
    count = 0
    for values in arrays:
        if values.size:
            cpu.add_on_one_thread(values[None], state)
        count += values.size
    return count
