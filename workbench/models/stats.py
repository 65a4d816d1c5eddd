"""Statistics and histogram of a tensor, in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.arrays import dtype_name
from workbench.errors import InputError

BINS = 64
_CHUNK = 1 << 16  # elements: as float64 they fit a core's cache, and so do the temporaries


@dataclass(frozen=True)
class TensorStats:
    """What the values of a tensor are like.

    Parameters
    ----------
    count
        Number of elements.
    minimum, maximum, mean, std, absmax
        Over the finite values: exact integers for the first two of an integer tensor, else float64; ``nan`` where there
        is no finite value. ``std`` is that of the population.
    zeros, nans, infs
        How many there are.
    histogram
        Number of finite values in each of 64 bins; empty where there is none.
    edges
        The 65 edges of the bins, evenly from minimum to maximum; where these are equal, from one half below to one half
        above, or a part of the value where it is very large or small.
    magnitudes
        Whether these are the statistics of the absolute values, as for complex tensors.
    """

    count: int
    minimum: float
    maximum: float
    mean: float
    std: float
    absmax: float
    zeros: int
    nans: int
    infs: int
    histogram: tuple[int, ...]
    edges: tuple[float, ...]
    magnitudes: bool = False

    @property
    def finite(self) -> int:
        """Number of values that are neither NaN nor infinite."""
        return self.count - self.nans - self.infs

    def __repr__(self) -> str:
        lines = [f"{self.count} values" + (" (magnitudes of complex numbers)" if self.magnitudes else "")]
        if self.finite:
            lines += [
                f"  minimum {self.minimum:.6g}, maximum {self.maximum:.6g}",
                f"  mean {self.mean:.6g}, standard deviation {self.std:.6g}, greatest magnitude {self.absmax:.6g}",
            ]
        lines.append(f"  zeros {self.zeros}, NaN {self.nans}, infinite {self.infs}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from workbench.views import cards

        return cards.stats_card(self)


def tensor_stats(array: np.ndarray[Any, Any]) -> TensorStats:
    """Return the statistics of an array of any shape, layout and numeric dtype, ml_dtypes' included.

    It is read twice, in chunks; no copy of it is made.

    Raises
    ------
    workbench.errors.InputError
        If the array holds no numbers.

    >>> tensor_stats(np.array([1, 2, 3]))
    3 values
      minimum 1, maximum 3
      mean 2, standard deviation 0.816497, greatest magnitude 3
      zeros 0, NaN 0, infinite 0
    """
    array = np.asarray(array)

    def chunks() -> Iterator[np.ndarray[Any, Any]]:
        with np.nditer(
            array, flags=["external_loop", "buffered", "zerosize_ok"], order="K", buffersize=_CHUNK
        ) as iterator:
            yield from iterator

    return _stats(chunks, array.size, dtype_name(array.dtype))


def flat_stats(read_flat: Callable[[int, int], np.ndarray[Any, Any]], count: int, dtype: str) -> TensorStats:
    """Return the statistics of ``count`` elements of which ``read_flat(start, stop)`` reads some; as tensor_stats."""

    def chunks() -> Iterator[np.ndarray[Any, Any]]:
        # a multiple of every group of packed elements, so that no byte is read twice
        return (read_flat(start, min(start + _CHUNK, count)) for start in range(0, count, _CHUNK))

    return _stats(chunks, count, dtype)


def _stats(chunks: Callable[[], Iterator[np.ndarray[Any, Any]]], count: int, dtype: str) -> TensorStats:
    if dtype == "string" or dtype.startswith(("datetime", "timedelta", "void")):
        raise InputError(f"A tensor of {dtype} has no statistics: it holds no numbers. See its values with .numpy().")
    integers = dtype == "bool" or dtype.startswith(("int", "uint"))
    magnitudes = dtype.startswith("complex")
    with np.errstate(all="ignore"):  # a signalling NaN is counted, not warned of
        return _measured(chunks, count, integers, magnitudes)


def _measured(
    chunks: Callable[[], Iterator[np.ndarray[Any, Any]]], count: int, integers: bool, magnitudes: bool
) -> TensorStats:
    low, high = math.inf, -math.inf
    zeros = nans = infs = 0
    for chunk in chunks():
        numbers = _numbers(chunk, integers, magnitudes)
        zeros += numbers.size - int(np.count_nonzero(numbers))
        least, greatest = numbers.min(), numbers.max()
        if not (np.isfinite(least) and np.isfinite(greatest)):
            finite = np.isfinite(numbers)
            nans += (new_nans := int(np.count_nonzero(np.isnan(numbers))))
            infs += numbers.size - int(np.count_nonzero(finite)) - new_nans
            if not finite.any():
                continue
            numbers = numbers[finite]
            least, greatest = numbers.min(), numbers.max()
        low, high = min(low, least.item()), max(high, greatest.item())
    finite_count = count - nans - infs
    if not finite_count:
        nan = math.nan
        return TensorStats(count, nan, nan, nan, nan, nan, zeros, nans, infs, (), (), magnitudes)

    absmax = max(abs(low), abs(high))
    # squares and ranges of very large and very small numbers leave float64: a power of two brings them back
    exponent = math.frexp(absmax)[1] if absmax and not 1e-100 < absmax < 1e100 else 0
    bins = _Bins(math.ldexp(low, -exponent), math.ldexp(high, -exponent))
    seen, mean, squares = 0, 0.0, 0.0
    for chunk in chunks():
        numbers = _numbers(chunk, integers, magnitudes).astype(np.float64, copy=False)
        if nans or infs:
            numbers = numbers[np.isfinite(numbers)]
        if not numbers.size:
            continue
        if exponent:
            numbers = np.ldexp(numbers, -exponent)
        bins.add(numbers)
        # mean and sum of squares of both parts give those of the whole: Chan, Golub, LeVeque 1979
        part = float(numbers.mean())
        deviations = numbers - part
        delta = part - mean
        total = seen + numbers.size
        squares += float(deviations @ deviations) + delta * delta * seen * numbers.size / total
        mean += delta * numbers.size / total
        seen = total
    return TensorStats(
        count,
        low,
        high,
        math.ldexp(mean, exponent),
        math.ldexp(math.sqrt(squares / seen), exponent),
        absmax,
        zeros,
        nans,
        infs,
        tuple(bins.counts.tolist()),
        tuple(math.ldexp(edge, exponent) for edge in bins.edges.tolist()),
        magnitudes,
    )


def _numbers(chunk: np.ndarray[Any, Any], integers: bool, magnitudes: bool) -> np.ndarray[Any, Any]:
    if magnitudes:
        absolute: np.ndarray[Any, Any] = np.abs(chunk.astype(np.complex128, copy=False))
        return absolute
    if not integers:
        return chunk.astype(np.float64, copy=False)
    return chunk if chunk.dtype.kind in "iu" else chunk.astype(np.int8)  # bool, and ml_dtypes' of 2 and 4 bits


class _Bins:
    """Counts in even bins, to the very edge: the same as :func:`numpy.histogram`, several times faster."""

    def __init__(self, low: float, high: float) -> None:
        if low == high:
            half = max(0.5, abs(low) * 2**-40)  # beyond 2**50 one half would vanish
            low, high = low - half, high + half
        self.edges = np.linspace(low, high, BINS + 1)
        self.counts = np.zeros(BINS, np.int64)
        self._low, self._scale = low, BINS / (high - low)

    def add(self, numbers: np.ndarray[Any, Any]) -> None:
        index = ((numbers - self._low) * self._scale).astype(np.int64)
        np.clip(index, 0, BINS - 1, out=index)
        # rounding may put a value that lies on an edge into the neighbouring bin
        index -= numbers < self.edges[index]
        index += (numbers >= self.edges[index + 1]) & (index != BINS - 1)
        self.counts += np.bincount(index, minlength=BINS)
