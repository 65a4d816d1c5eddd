"""tensor_stats: what it is, how NumPy writes it, and what one call costs."""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from fused_kernels import trace
from fused_kernels.catalog import Cost, Inputs, Op, Shape, Tolerance
from fused_kernels.conversion import convert
from fused_kernels.dispatch import FLOAT32, FLOAT64, FLOATS, are_rows, as_rows, lazy_import
from fused_kernels.errors import DtypeError, KernelError

from . import grid, peers
from .result import TensorStats
from .state import State

if TYPE_CHECKING:
    from . import cpu
else:
    cpu = lazy_import(f"{__package__}.cpu")

MOST_BINS = 1 << 16
_IN_PIECES = {"float16": FLOAT32, "bfloat16": FLOAT32, "float32": FLOAT32}
_PIECE = 1 << 16
"""Elements that are converted or gathered at once, small enough for the second-level cache."""
_LONG_ROW = 1024
"""Elements of a row from which it is measured where it lies; shorter ones are gathered first."""
_EXTREME = 480
"""Power of two beyond which squares leave float64."""


def tensor_stats(x: Any, *, bins: int = 64) -> TensorStats:
    """Minimum, maximum, mean, standard deviation, zeros, NaN, inf and a histogram, in one pass over memory.

    Parameters
    ----------
    x
        Array of any shape, layout and real dtype. float32 and float64 are read where they lie if their rows are
        contiguous; all else piece by piece: float16 and bfloat16 as float32, integers and booleans as float64.
    bins
        The greatest number of bins of the histogram, 2 to 65536; 0 for none. Up to 64 cost next to nothing.

    Returns
    -------
    TensorStats
        Statistics of the finite values: ``count, min, max, mean, std, absmax, zeros, nan, inf, counts, edges``. With no
        finite value the first five after ``count`` are NaN, and the histogram is empty.

    Raises
    ------
    DtypeError
        For complex, text, object or masked arrays and tensors that require grad, and ``bins`` that is no integer.
    KernelError
        If ``bins`` is negative, 1, or above 65536.

    Notes
    -----
    The width of the bins is a power of two, and the edges are multiples of it: the narrowest such grid of which at most
    ``bins`` bins cover the range, a function of ``min``, ``max`` and ``bins`` alone. No bin is narrower than twice the
    spacing of the dtype's numbers at ``absmax``, or than its smallest normal number; where all values are one, the
    bin reaches from a power of two to the next. ``numpy.histogram(x, stats.edges)`` counts the same. ``mean`` and
    ``std`` are joined from those of tiles (Chan, Golub and LeVeque, Updating Formulae and a Pairwise Algorithm for
    Computing Sample Variances, 1979); their last digits depend on the number of threads, all else does not.

    Examples
    --------
    >>> stats = tensor_stats([0.0, 1.0, 1.5, float("nan")], bins=4)
    >>> stats
    4 values: 1 zeros, 1 NaN, 0 infinite
      min 0, max 1.5, absmax 1.5
      mean 0.833333, std 0.62361
      4 bins from 0 to 2, at most 1 values in one
    >>> stats.counts, stats.edges
    (array([1, 0, 1, 1]), array([0. , 0.5, 1. , 1.5, 2. ]))
    """
    if type(bins) is not int:
        bins = _integer(bins)
    if bins < 0 or bins == 1 or bins > MOST_BINS:
        raise KernelError(
            f"tensor_stats: bins must be 0 or from 2 to {MOST_BINS}, and is {bins}. "
            "One bin cannot hold numbers on both sides of 0, since edges are multiples of its width."
        )
    dtype = _computed_in(x) if type(x) is np.ndarray else None
    in_place = dtype is not None and x.dtype == dtype and x.flags.aligned
    if dtype is None or (in_place and x.flags.c_contiguous and not x.flags.writeable):
        return convert(tensor_stats, {"x": x}, {"bins": bins})  # type: ignore[no-any-return]
    in_place = in_place and are_rows(x) and (x.flags.c_contiguous or x.shape[-1] >= _LONG_ROW)
    run = _where_it_lies if in_place else _in_pieces
    state = cpu.new_state(bins, dtype)
    if x.size:
        run(x, state, dtype)
    found = state.outcome()
    if not found.is_finite:
        return found.stats(x.size, (math.nan, math.nan))
    unit = unit_of(found.low, found.high)
    if unit == 1.0:
        return found.stats(x.size, found.moments())
    scaled = cpu.new_state(0, dtype, unit)
    run(x, scaled, dtype)
    return found.stats(x.size, scaled.outcome().moments())


def _computed_in(x: Any) -> np.dtype[Any] | None:
    """Return the dtype in which an array is measured, None if that is for `convert` to say."""
    if x.dtype in FLOATS:
        return x.dtype  # type: ignore[no-any-return]
    if x.dtype.kind in "biu" or x.dtype.name == "float64":
        return FLOAT64
    return _IN_PIECES.get(x.dtype.name)


def _where_it_lies(x: Any, state: State, dtype: np.dtype[Any]) -> None:
    rows = x.reshape(1, -1) if x.flags.c_contiguous else as_rows(x)
    cpu.add(rows, state)


def _in_pieces(x: Any, state: State, dtype: np.dtype[Any]) -> None:
    if trace.listeners:
        how = f"{x.dtype.name} computed in {dtype.name}" if x.dtype.newbyteorder("=") != dtype else "strided"
        if trace.launching("numba", "serial", f"x: {how}, {_PIECE} elements at a time"):
            return
    piece = np.empty(_PIECE, dtype)
    chunks = np.nditer(x, ["external_loop", "buffered", "zerosize_ok"], order="K", buffersize=_PIECE)
    with chunks, np.errstate(all="ignore"):
        for chunk in chunks:
            count = np.size(chunk)
            np.copyto(piece[:count], chunk, casting="unsafe")
            cpu.add_on_one_thread(piece[None, :count], state)


def unit_of(low: float, high: float) -> float:
    """Return the power of two by which values are multiplied so that squares of their differences can be summed."""
    greatest = math.frexp(max(abs(low), abs(high)))[1]
    if greatest > _EXTREME:
        return math.ldexp(1.0, -greatest)
    spread = math.frexp(high - low)[1]
    if low < high and spread < -_EXTREME:
        return math.ldexp(1.0, min(-spread, 1000))
    return 1.0


def _integer(bins: Any) -> int:
    try:
        return operator.index(bins)
    except TypeError as error:
        raise DtypeError(f"tensor_stats: bins must be one integer; received {bins!r}.") from error


def _reference(x: Any, *, bins: int = 64) -> TensorStats:
    x = np.asarray(x)
    dtype = x.dtype if x.dtype.kind == "f" else FLOAT64
    nan, inf = int(np.isnan(x).sum()), int(np.isinf(x).sum())
    zeros = x.size - int(np.count_nonzero(x))
    finite = x[np.isfinite(x)] if nan or inf else x
    if not finite.size:
        return TensorStats.without_values(x.size, nan, inf)
    low, high, absmax = float(finite.min()), float(finite.max()), float(np.abs(finite).max())
    counts, edges = np.zeros(0, np.int64), np.zeros(0)
    if bins:
        limits = grid.precision(FLOAT64 if dtype == np.longdouble else dtype)
        edges = grid.edges_of(low, high, grid.final_power(low, high, bins, *limits))
        # By the number and range of the bins, NumPy counts several times faster than by their edges.
        counts, _ = np.histogram(finite, bins=edges.size - 1, range=(float(edges[0]), float(edges[-1])))
    mean, std = float(finite.mean()), float(finite.std())
    return TensorStats(x.size, low, high, mean, std, absmax, zeros, nan, inf, counts, edges)


def _sample(shape: Shape, dtype: np.dtype[Any], rng: np.random.Generator) -> Inputs:
    return {"x": rng.standard_normal(shape).astype(dtype)}


def _cost(x: Any, *, bins: int = 64) -> Cost:
    # Two comparisons, subtract, square and add, add, one for zeros; scale, floor, count. NaN and inf show in the sums.
    return Cost(bytes_read=x.nbytes, bytes_written=8 * (2 * bins + 10), flops=(7 + 3 * (bins > 0)) * x.size)


OPERATIONS = (
    Op(
        name="tensor_stats",
        summary="min, max, mean, std, zeros, NaN, inf and a histogram, in one pass",
        family="elements",
        function=tensor_stats,
        reference=_reference,
        sample=_sample,
        cost=_cost,
        shapes=((512, 768), (8, 64), (1000, 1000), (4096, 4096)),
        dimensions=("rows", "columns"),
        tolerance={"float32": Tolerance(1e-5, 1e-6), "float64": Tolerance(1e-12, 1e-13)},
        peers={"torch": peers.torch},
    ),
)
