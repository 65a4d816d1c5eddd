"""Operations that map an array to one of its shape along an axis: rows for the last one, columns for any other."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fused_kernels import trace
from fused_kernels.conversion import convert
from fused_kernels.dispatch import as_rows, axis_of, ready, ready_rows, result


def along_axis(function: Callable[..., Any], cpu: Any, x: Any, axis: Any, out: Any, *, eps: float | None = None) -> Any:
    """Run an operation's compiled forms over an axis.

    Parameters
    ----------
    function
        The public function, called again with what has been made ready.
    cpu
        The module with the forms ``rows``, of `row_forms`, and ``columns``, a `ColumnForms`.
    x, axis, out
        As received.
    eps
        A float of 0 or more, if the operation takes one.
    """
    name = function.__name__
    last = axis == -1 or (isinstance(x, np.ndarray) and axis == x.ndim - 1)
    if not (ready_rows(x, out) if last else ready(x, out)):
        options = {"axis": axis} if eps is None else {"axis": axis, "eps": eps}
        return convert(function, {"x": x}, options, out, rows=("x", "out") if last else ())
    axis = axis_of(name, axis, x)
    shape = x.shape
    target = result(name, out, shape, x.dtype)
    if not x.size:
        return target
    if axis == len(shape) - 1:
        cpu.rows.run(x.nbytes, out is x, as_rows(x), as_rows(target), eps=eps)
        return target
    blocks = (math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :]))
    if out is x:
        trace.note("x: copied, each column is read and written in several passes")
    source = x.copy() if out is x else x
    cpu.columns.run(source.reshape(blocks), target.reshape(blocks), *(() if eps is None else (eps,)))
    return target
