"""NumPy computes where there is no kernel for the dtype: for long double."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fused_kernels import trace
from fused_kernels.dispatch import Array

from .results import check_shapes, copied_to, each, of_dtype


def by_reference(operation: str, compute: Callable[[], Any], *, planned: Any, out: Any, dtype: np.dtype[Any]) -> Any:
    """Return what ``compute()`` does, in ``out`` if that is given.

    Parameters
    ----------
    compute
        The reference of the operation, with its arguments.
    planned
        Arrays of the shapes of the results. Where they have no elements they are the results, since not all of NumPy's
        functions take empty arrays.
    out, dtype
        As received and checked for its dtype, and the dtype of the results.

    Raises
    ------
    ShapeError
        If ``out`` has another shape than the result.
    """
    check_shapes(operation, out, planned)
    if trace.listeners and trace.launching("numpy", "reference", f"no kernel for {dtype}"):
        return planned if out is None else out
    empty = all(0 in getattr(item, "shape", ()) for item in each(planned))
    found = of_dtype(planned if empty else compute(), dtype)
    return found if out is None else copied_to(out, found)


def dry_result(function: Callable[..., Any], arrays: Mapping[str, Array | None], options: Mapping[str, Any]) -> Any:
    """Return what an operation would in float64, not computed: arrays of the right shapes.

    It finds what is wrong with the arguments, in the operation's own words.
    """
    stand_ins = {key: None if value is None else np.empty(value.shape) for key, value in arrays.items()}
    with trace.tracing(dry=True):
        return function(**stand_ins, **options)
