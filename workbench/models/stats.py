"""Statistics and histogram of a tensor by the kernel ``tensor_stats``: one pass, on all cores, in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from workbench.arrays import DTYPE_BITS, dtype_name, numpy_dtype
from workbench.errors import InputError
from workbench.text import counted

BINS = 64
_PIECE_BITS = 64 << 20
"""Bits in the file that a thread reads, before another thread's begin: 8 MB, so that the steps of it cost little."""
_CONVERTED_AT_ONCE = 1 << 18
"""Elements: 1 MB of float32, which stays in a core's cache."""

Scan = Callable[[int, int], Iterable[np.ndarray[Any, Any]]]
"""Reads the elements from one place to another, as arrays one after the other; each is good until the next."""


@dataclass(frozen=True)
class TensorStats:
    """What the values of a tensor are like.

    The kernel's own record has float64 and arrays; this one has integers without rounding, is compared by value, and
    has a picture, of which a package that knows arrays alone cannot know.

    Parameters
    ----------
    count
        Number of elements.
    minimum, maximum, mean, std, absmax
        Over the finite values: exact integers for the first two of an integer tensor, else float64; ``nan`` where there
        is no finite value. ``std`` is that of the population. ``mean`` and ``std`` are right to about a millionth of
        the spread for float32 and for all that have 16 bits or fewer, which are summed as float32; else to 1e-12.
    zeros, nans, infs
        How many there are.
    histogram
        Number of finite values in each of at most 64 bins; empty where there is none.
    edges
        The edges of the bins, one more than there are bins: multiples of a power of two, which is their width, from the
        one at or below the minimum to the one above the maximum. A bin has its lower edge and not its upper one.
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
        lines = [counted(self.count, "value") + (" (magnitudes of complex numbers)" if self.magnitudes else "")]
        if self.finite:
            lines += [
                f"  minimum {self.minimum:.6g}, maximum {self.maximum:.6g}",
                f"  mean {self.mean:.6g}, standard deviation {self.std:.6g}, greatest magnitude {self.absmax:.6g}",
            ]
        lines.append(f"  zeros {self.zeros}, NaN {self.nans}, infinite {self.infs}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from workbench.views.models import cards

        return cards.stats_card(self)


def tensor_stats(array: np.ndarray[Any, Any]) -> TensorStats:
    """Return the statistics of an array of any shape, layout and numeric dtype, ml_dtypes' included.

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
    flat = array.reshape(-1, order="A") if array.flags.forc else array.flat
    return scanned_stats(
        lambda: nullcontext(lambda first, last: [flat[first:last]]), array.size, dtype_name(array.dtype)
    )


def scanned_stats(
    scan: Callable[[], AbstractContextManager[Scan]], count: int, dtype: str, *, in_order: bool = False
) -> TensorStats:
    """Return the statistics of the ``count`` elements that ``scan`` reads; as tensor_stats.

    Parameters
    ----------
    scan
        Opens the elements for one thread that reads a lot of them.
    count, dtype
        Of the elements.
    in_order
        Whether they can only be read from the first to the last, by one thread.
    """
    from fused_kernels.ops.tensor_stats.pieces import tensor_stats_of_pieces

    form = _form(dtype)
    piece = max(_PIECE_BITS // DTYPE_BITS.get(dtype, 128) // _CONVERTED_AT_ONCE, 1) * _CONVERTED_AT_ONCE
    extremes: list[_Extremes] = []
    opened = ExitStack()

    def reader() -> Callable[[int], Iterator[np.ndarray[Any, Any]]]:
        read, convert = opened.enter_context(scan()), form.converter()
        seen = _Extremes()
        extremes.append(seen)

        def values(number: int) -> Iterator[np.ndarray[Any, Any]]:
            for part in read(number * piece, min((number + 1) * piece, count)):
                if form.exact:
                    seen.add(part)
                yield from convert(part)

        return values

    with opened:
        found = tensor_stats_of_pieces(reader, -(-count // piece), form.computed_in, bins=BINS, in_order=in_order)
    low, high, absmax = found.min, found.max, found.absmax
    if form.exact and found.finite:
        low, high = min(seen.low for seen in extremes), max(seen.high for seen in extremes)
        absmax = max(abs(low), abs(high))
    return TensorStats(
        *(found.count, low, high, found.mean, found.std, absmax, found.zeros, found.nan, found.inf),
        *(tuple(found.counts.tolist()), tuple(found.edges.tolist()), dtype.startswith("complex")),
    )


def repeated(one: TensorStats, count: int) -> TensorStats:
    """Return the statistics of ``count`` times the only value that ``one`` is of."""
    counts = tuple(number * count for number in one.histogram)
    return replace(
        one, count=count, zeros=one.zeros * count, nans=one.nans * count, infs=one.infs * count, histogram=counts
    )


@dataclass(frozen=True)
class _Form:
    """In which form the elements of a dtype are measured.

    Parameters
    ----------
    dtype
        Standard name of what is read.
    computed_in
        float32, which has room for all that have 16 bits or fewer; else float64.
    exact
        Whether minimum and maximum are taken from the elements themselves, since float64 rounds them.
    """

    dtype: str
    computed_in: np.dtype[Any]
    exact: bool

    def converter(self) -> Callable[[np.ndarray[Any, Any]], Iterable[np.ndarray[Any, Any]]]:
        """Return a function that converts an array; its results, one after the other, share one buffer."""
        buffer = np.empty(0, self.computed_in)
        table = _table(self.dtype) if self.dtype.startswith("float") and DTYPE_BITS.get(self.dtype, 32) <= 16 else None

        def convert(part: np.ndarray[Any, Any]) -> Iterable[np.ndarray[Any, Any]]:
            if part.dtype == self.computed_in and part.flags.c_contiguous and part.dtype.isnative:
                return [part]
            return converted(part)

        def converted(whole: np.ndarray[Any, Any]) -> Iterator[np.ndarray[Any, Any]]:
            nonlocal buffer
            if not buffer.size:
                buffer = np.empty(_CONVERTED_AT_ONCE, self.computed_in)
            for first in range(0, whole.size, _CONVERTED_AT_ONCE):
                part = whole[first : first + _CONVERTED_AT_ONCE]
                out = buffer[: part.size]
                with np.errstate(all="ignore"):  # a signalling NaN is counted, not warned of
                    if part.dtype.kind == "c":
                        np.abs(part.astype(np.complex128, copy=False), out=out)
                    elif table is not None and part.dtype.isnative:
                        table.take(part.view(f"u{part.itemsize}"), out=out, mode="clip")
                    else:
                        np.copyto(out, part, casting="unsafe")
                yield out

        return convert


class _Extremes:
    """The least and the greatest of integers."""

    def __init__(self) -> None:
        self.low, self.high = math.inf, -math.inf

    def add(self, part: np.ndarray[Any, Any]) -> None:
        if part.size:
            self.low, self.high = min(self.low, part.min().item()), max(self.high, part.max().item())


def check_numbers(dtype: str) -> None:
    """Raise InputError if the elements of a dtype are no numbers."""
    if dtype not in DTYPE_BITS and not dtype.startswith(("float", "longdouble", "complex")):
        raise InputError(f"A tensor of {dtype} has no statistics: it holds no numbers. See its values with .numpy().")


def _form(dtype: str) -> _Form:
    check_numbers(dtype)
    narrow = DTYPE_BITS.get(dtype, 64) <= 16 or dtype == "float32"
    integers = dtype.startswith(("int", "uint"))
    return _Form(dtype, np.dtype(np.float32 if narrow else np.float64), integers and DTYPE_BITS[dtype] == 64)


@cache
def _table(dtype: str) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return all values of a narrow dtype by their bits: faster than the conversion that ml_dtypes and NumPy have."""
    narrow = numpy_dtype(dtype)
    codes = np.arange(1 << (8 * narrow.itemsize)).astype(f"u{narrow.itemsize}")
    return codes.view(narrow).astype(np.float32)
