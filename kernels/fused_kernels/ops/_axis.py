"""Operations that map an array to one of its shape along an axis: rows for the last one, columns for any other."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fused_kernels import trace
from fused_kernels.conversion import convert
from fused_kernels.dispatch import as_rows, axis_of, ready, ready_rows, result
from fused_kernels.memory import empty_like
from fused_kernels.ops._rows import simple


def along_axis(
    function: Callable[..., Any], cpu: Any, x: Any, axis: Any, out: Any, *parameters: Any, **options: Any
) -> Any:
    """Run an operation's compiled forms over an axis.

    Parameters
    ----------
    function
        The public function, called again with what has been made ready.
    cpu
        The module with the forms ``rows`` and ``columns``, each a `Forms`.
    x, axis, out
        As received.
    parameters
        Scalars that the forms take.
    options
        What ``function`` takes by name beside ``axis``.
    """
    if axis == -1 and simple(x, None, (), () if out is None else (out,)):
        target = empty_like(x) if out is None else out
        cpu.rows.run(x.nbytes, out is x, x, target, *parameters)
        return target
    name = function.__name__
    last = axis == -1 or (isinstance(x, np.ndarray) and axis == x.ndim - 1)
    if not (ready_rows(x, out) if last else ready(x, out)):
        return convert(function, {"x": x}, {"axis": axis, **options}, out, rows=("x", "out") if last else ())
    axis = axis_of(name, axis, x)
    shape = x.shape
    target = result(name, out, shape, x.dtype)
    if not x.size:
        return target
    if axis == len(shape) - 1:
        cpu.rows.run(x.nbytes, out is x, as_rows(x), as_rows(target), *parameters)
        return target
    blocks = (math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :]))
    if out is x:
        trace.note("x: copied, each column is read and written in several passes")
    source = x.copy() if out is x else x
    cpu.columns.run(x.nbytes, False, source.reshape(blocks), target.reshape(blocks), *parameters)
    return target
