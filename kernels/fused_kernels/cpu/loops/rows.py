"""Operations that turn each row of a matrix into a row of the result: written once for a row, compiled once.

The machine code goes by addresses, so that the same serves rows side by side or apart, one thread and many, and a
result that overlaps an input.
"""
# ruff: noqa: PLR0917 (kernels take their arguments by position)

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
from numba import types

from fused_kernels.cpu import threads
from fused_kernels.cpu.addresses import elements_at
from fused_kernels.cpu.compile import Kernel, inline, inline_reduction, kernel, machine_code
from fused_kernels.cpu.views import LIKE, array_at
from fused_kernels.dispatch import FLOATS

from .forms import shares_of, skipped
from .launch import ROW_BYTES, Kit, launch, load_task

BLOCK = 4096
"""Elements of a row that are summed apart: the error of one long float32 sum grows with its length."""


class RowForms:
    """The loop over rows of one operation, with as many threads as pay for its size.

    There is no streaming: a row finished in the first-level cache and then streamed out was between 12 % faster and
    7 % slower at 64 MB, and 15 to 20 % slower with two results, measured on Zen 5.

    Parameters
    ----------
    name, row, parallel_from
        As `row_forms` and `pair_forms` take them.
    matrices
        The number of matrices that go in, and out.

    Attributes
    ----------
    kit
        What `launch.attempt` takes; it serves a dtype once `run` was called for it.
    cores
        The kernels ``core(task, share, shares)`` that are compiled, by dtype.
    """

    def __init__(self, name: str, row: Kernel, matrices: int, parallel_from: int) -> None:
        self._name, self._row, self._matrices, self._parallel_from = name, row, matrices, parallel_from
        parameters = list(inspect.signature(row).parameters)[2 * matrices :]
        vectors = len(parameters) - ("eps" in parameters)
        self._parameters = _PARAMETERS[len(parameters)]
        self.cores: dict[Any, Any] = {}
        absent = (value.ctypes.data for value in _ABSENT)
        self.kit = np.array(Kit(0, 0, parallel_from, threads.board, 0, vectors, *absent))

    def run(
        self,
        nbytes: int,
        overlap: bool,
        x: Any,
        out: Any,
        weight: Any = None,
        bias: Any = None,
        eps: float | None = None,
        *,
        y: Any = None,
        second: Any = None,
    ) -> None:
        """Run the loop for a result of ``nbytes``, which overlaps an input or not.

        The matrices are of shape (rows, columns), each row contiguous; the parameters are those of the operation.
        """
        shares = shares_of(nbytes, self._parallel_from)
        if skipped(nbytes, shares, overlap=overlap, parallel_from=self._parallel_from):
            return
        scratch = np.empty((shares, self._matrices, x.shape[1]), x.dtype) if overlap else None
        launch(threads.state(shares), shares, self._code(x.dtype), x, y, out, second, weight, bias, eps, scratch)

    def _code(self, dtype: Any) -> int:
        index = FLOATS.index(dtype)
        if not self.kit[index]:
            make = _core if self._matrices == 1 else _pair_core
            core = kernel(f"{self._name}.{dtype}")(make(self._row, self._parameters, LIKE[dtype]))
            self.cores[dtype], self.kit[index] = core, machine_code(core, 3)
        return int(self.kit[index])


def row_forms(name: str, row: Kernel, *, parallel_from: int) -> RowForms:
    """Make the loop of an operation on rows.

    Parameters
    ----------
    name
        Of the operation, unique; the compiled code is kept under it.
    row
        ``row(x, out, *parameters)``: computes one row of the result; ``x`` and ``out`` are contiguous and do not
        overlap. Every pass over the row finds it in the first-level cache. The parameters are none, ``eps``,
        ``weight, eps`` or ``weight, bias, eps``.
    parallel_from
        Bytes of the result from which threads pay.
    """
    return RowForms(name, row, 1, parallel_from)


def pair_forms(name: str, row: Kernel, *, parallel_from: int) -> RowForms:
    """Make the loop of an operation that turns a row of each of two matrices into a row of each of two results.

    Parameters
    ----------
    name, parallel_from
        As in `row_forms`; the bytes are those of one result.
    row
        ``row(x, y, out, second, *parameters)``, of which the results overlap neither each other nor an input.
    """
    return RowForms(name, row, 2, parallel_from)


def _core(row: Kernel, parameters: Kernel, like: Any) -> Kernel:
    # Inlined, so that no call and no reference count is left in the loop; a call into cached code would stay one.
    one_row = inline_reduction(row)

    def core(at: int, share: int, shares: int) -> None:
        task = load_task(at)
        columns, rest = task.columns, parameters(like, task)
        scratch = task.scratch + share * columns * like.itemsize
        for i in range(share * task.rows // shares, (share + 1) * task.rows // shares):
            out = task.out + i * task.out_step
            result = array_at(like, out if task.scratch == 0 else scratch, columns)
            one_row(array_at(like, task.x + i * task.x_step, columns), result, *rest)
            if task.scratch != 0:
                _copy(result, array_at(like, out, columns))

    return core


def _pair_core(row: Kernel, parameters: Kernel, like: Any) -> Kernel:
    one_row = inline_reduction(row)

    def core(at: int, share: int, shares: int) -> None:
        task = load_task(at)
        columns, rest = task.columns, parameters(like, task)
        size = columns * like.itemsize
        scratch = task.scratch + 2 * share * size
        for i in range(share * task.rows // shares, (share + 1) * task.rows // shares):
            x, y = task.x + i * task.x_step, task.y + i * task.y_step
            out, second = task.out + i * task.out_step, task.second + i * task.second_step
            result = array_at(like, out if task.scratch == 0 else scratch, columns)
            total = array_at(like, second if task.scratch == 0 else scratch + size, columns)
            one_row(array_at(like, x, columns), array_at(like, y, columns), result, total, *rest)
            if task.scratch != 0:
                _copy(result, array_at(like, out, columns))
                _copy(total, array_at(like, second, columns))

    return core


_double = elements_at(types.float64)


@inline
def _none(like: Any, task: Any) -> Any:
    return ()


@inline
def _eps(like: Any, task: Any) -> Any:
    return (_double(task.eps)[0],)


@inline
def _weight_and_eps(like: Any, task: Any) -> Any:
    return array_at(like, task.weight, task.columns), _double(task.eps)[0]


@inline
def _weight_bias_and_eps(like: Any, task: Any) -> Any:
    columns = task.columns
    return array_at(like, task.weight, columns), array_at(like, task.bias, columns), _double(task.eps)[0]


_ABSENT = *(np.ones(ROW_BYTES // dtype.itemsize, dtype) for dtype in FLOATS), np.zeros(ROW_BYTES, np.uint8)
"""A weight of ones for each dtype, and a bias of zeros."""
_PARAMETERS = (_none, _eps, _weight_and_eps, _weight_bias_and_eps)
"""What a row takes beside the matrices, by its number."""


@inline
def _copy(source: Any, target: Any) -> None:
    for j in range(source.size):
        target[j] = source[j]
