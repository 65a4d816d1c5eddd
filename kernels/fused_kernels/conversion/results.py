"""Where the result goes: what is asked of ``out``, and how the result gets there if the kernel cannot write it."""

from __future__ import annotations

from typing import Any

import numpy as np

from fused_kernels import trace
from fused_kernels.dispatch import explain_received, repeats, result
from fused_kernels.errors import DtypeError

from .layout import Layout, obstacle


def each(out: Any) -> tuple[Any, ...]:
    """Return the arrays of ``out``, or of a result: of None none, of a tuple all."""
    return () if out is None else out if isinstance(out, tuple) else (out,)


def as_keyword(out: Any) -> dict[str, Any]:
    """Return ``out=`` for a call; nothing for None, since not all functions have it."""
    return {} if out is None else {"out": out}


def check_number(operation: str, out: Any, results: int) -> None:
    """Raise DtypeError if ``out`` is given and is not as many arrays as there are results."""
    if out is not None and (isinstance(out, tuple) != (results > 1) or len(each(out)) != results):
        kind = "an array" if results == 1 else f"a tuple of {results} arrays"
        raise DtypeError(f"{operation}: out must be {kind}; received {explain_received(out=out)}.")


def check_dtypes(operation: str, out: Any, dtype: np.dtype[Any]) -> None:
    """Raise DtypeError if ``out`` is given and cannot receive results of ``dtype``."""
    for item in each(out):
        if not isinstance(item, np.ndarray):
            raise DtypeError(
                f"{operation}: out is a {type(item).__name__}; it must be a NumPy array, as the inputs are."
            )
        if isinstance(item, np.ma.MaskedArray):
            raise DtypeError(f"{operation}: out is a masked array, whose mask would not follow. Pass out.data.")
        if not np.can_cast(dtype, item.dtype, casting="same_kind"):
            raise DtypeError(
                f"{operation}: the result is {dtype} and out is {item.dtype}. Pass an out of dtype {dtype}."
            )
        if not item.flags.writeable:
            raise DtypeError(f"{operation}: out is read-only. Pass a writeable array, or none.")
        if repeats(item):
            raise DtypeError(f"{operation}: elements of out share memory, as in a broadcast array. Pass a new one.")


def check_shapes(operation: str, out: Any, planned: Any) -> None:
    """Raise ShapeError if ``out`` is given and has other shapes than the results in ``planned``."""
    for item, one in zip(each(out), each(planned) if out is not None else (), strict=True):
        result(operation, item, one.shape, item.dtype)


def is_direct(out: Any, dtype: np.dtype[Any], layout: Layout) -> bool:
    """Whether a kernel can write to ``out`` itself."""
    return out is not None and all(_obstacle(item, dtype, layout) is None for item in each(out))


def finished(
    operation: str, out: Any, found: Any, *, common: np.dtype[Any], computed: np.dtype[Any], layout: Layout
) -> Any:
    """Return what a kernel has computed elsewhere: in ``out``, checked for its shape, or as new arrays.

    Parameters
    ----------
    out, found
        As received, and as computed; in a dry run nothing is written.
    common, computed
        The dtype of the result, and that of the kernel.
    layout
        What the kernel could have written to.
    """
    if out is None:
        return found if trace.is_dry() else of_dtype(found, common)
    check_shapes(operation, out, found)
    reason = next(filter(None, (_obstacle(item, computed, layout) for item in each(out))))
    trace.note(f"out: copied to, {reason}")
    return out if trace.is_dry() else copied_to(out, found)


def copied_to(out: Any, found: Any) -> Any:
    """Cast results into ``out``, whose shapes are right, and return it."""
    for item, value in zip(each(out), each(found), strict=True):
        np.copyto(item, value, casting="same_kind")
    return out


def of_dtype(found: Any, dtype: np.dtype[Any]) -> Any:
    """Return arrays and NumPy's scalars, also in a tuple, in a dtype; 0-d arrays as scalars, all else as it is."""
    if isinstance(found, tuple):
        return tuple(of_dtype(item, dtype) for item in found)
    if not isinstance(found, np.ndarray | np.generic):
        return found
    cast: Any = found if found.dtype == dtype else found.astype(dtype)
    return cast[()]


def _obstacle(out: Any, dtype: np.dtype[Any], layout: Layout) -> str | None:
    reason = obstacle(out, dtype, layout)
    return f"a {type(out).__name__}" if reason is None and type(out) is not np.ndarray else reason
