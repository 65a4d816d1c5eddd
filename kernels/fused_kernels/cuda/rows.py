"""Which kernel of rows.cuh turns rows into rows, and over which grid."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .arrays import ITEMSIZE, View
from .launch import WARP, Argument, Launch, Plan, grid_of, power_of_two
from .source import Kernel, text_of

TYPES = {"float16": "f16", "bfloat16": "bf16", "float32": "float", "float64": "double"}
"""The dtypes as common.cuh calls them."""
_WARP_THREADS = 128
_BLOCK_THREADS = 512
_RESIDENT_THREADS = 2048
"""Of a multiprocessor: a grid has as many blocks as fill them all once, and each block takes several jobs in turn."""
_VALUES = {
    # By bytes of an element and elements of an access: how many values a lane of a warp may hold, and one of a block.
    (4, 4): ((4, 8, 16, 32), (16, 32)),
    (4, 1): ((1, 8, 32), (16,)),
    (2, 8): ((8, 16, 32), (16, 32)),
    (2, 2): ((2, 8, 32), (16,)),
    (2, 1): ((1, 8, 32), (16,)),
    (8, 2): ((2, 8, 16), (8,)),
    (8, 1): ((1, 8, 16), (8,)),
}


class Description(NamedTuple):
    """An operation on rows.

    Parameters
    ----------
    functor
        The template in ``gpu.cu`` that describes one row.
    source
        The text of that file.
    other
        Name of the array that is added to ``x``; its sum is the second result.
    """

    functor: str
    source: str
    other: str | None = None

    @classmethod
    def beside(cls, file: str, functor: str, other: str | None = None) -> Description:
        """Return the description in the ``gpu.cu`` beside a module, named by its ``__file__``."""
        return cls(functor, text_of(Path(file).with_name("gpu.cu")), other)

    def kernel(self, template: str, dtype: str, *parameters: Any, threads: int = _BLOCK_THREADS) -> Kernel:
        """Return one variant of a template of rows.cuh."""
        functor = f"{self.functor}<{'double' if dtype == 'float64' else 'float'}>"
        text = ", ".join(map(str, (functor, TYPES[dtype], *parameters)))
        return Kernel(self.source, f"{template}<{text}>(a);", "RowArguments", threads, ITEMSIZE[dtype] == 2)

    def warp(self, dtype: str, vector: int, values: int) -> Kernel:
        """Return the kernel for rows of some lanes of a warp."""
        return self.kernel("resident", dtype, vector, values // vector, "false", threads=_WARP_THREADS)

    def block(self, dtype: str, vector: int, values: int) -> Kernel:
        """Return the kernel for rows of a block."""
        return self.kernel("resident", dtype, vector, values // vector, "true")

    def variants(self, dtype: str, *, columns: bool) -> Iterator[Kernel]:
        """Yield every kernel that a plan may have for a dtype."""
        for (size, vector), (of_lane, of_thread) in _VALUES.items():
            if size == ITEMSIZE[dtype]:
                yield from (self.warp(dtype, vector, values) for values in of_lane)
                yield from (self.block(dtype, vector, values) for values in of_thread)
                yield from (self.kernel(name, dtype, vector) for name in ("streaming", "partial", "complete"))
        if columns:
            yield self.kernel("columns", dtype)


def step_of_rows(view: View) -> int | None:
    """Return how far apart rows lie, in elements; None if the last axis has gaps, or the others are no one axis."""
    if view.shape[-1] != 1 and view.strides[-1] != 1:
        return None
    found, expected = None, 0
    for length, step in zip(reversed(view.shape[:-1]), reversed(view.strides[:-1]), strict=True):
        if length == 1:
            continue
        if found is not None and step != expected:
            return None
        found, expected = step if found is None else found, step * length
    return view.shape[-1] if found is None else found


def vector_of(size: int, n: int, addresses: Sequence[int], steps: Sequence[int]) -> int:
    """Return how many elements of ``size`` bytes an access may have: rows begin at a multiple, and none has a rest."""
    for vector in sorted((vector for width, vector in _VALUES if width == size), reverse=True):
        if all(number % vector == 0 for number in (n, *steps)) and all(at % (vector * size) == 0 for at in addresses):
            return vector
    return 1


def plan_rows(call: Any, description: Description) -> Plan:
    """Return the plan for an operation over the last axis of ``x``.

    Parameters
    ----------
    call
        A `call.Call` whose arrays are of one dtype; ``weight`` and ``bias`` may be among them.
    description
        Of the operation.
    """
    x = call.arrays["x"]
    long = {"x": x, **({description.other: call.arrays[description.other]} if description.other else {})}
    short = {key: call.arrays[key] for key in ("weight", "bias") if call.arrays.get(key) is not None}
    steps = {key: step_of_rows(view) for key, view in long.items()}
    copies = tuple(key for key, step in steps.items() if step is None)
    copies += tuple(key for key, view in short.items() if not view.is_contiguous)
    if copies:
        return Plan("", "", copies=copies)
    out_steps = [step_of_rows(view) for view in call.outs]
    n, rows = x.shape[-1], x.size // x.shape[-1]
    views = (*long.values(), *short.values(), *call.outs)
    all_steps = [step or 0 for step in (*steps.values(), *out_steps)] if rows > 1 else []
    vector = vector_of(ITEMSIZE[call.dtype], n, [view.address for view in views], all_steps)
    other = description.other
    pointers: tuple[Argument, ...] = (
        "x",
        other,
        "weight" if "weight" in short else None,
        "bias" if "bias" in short else None,
        "out",
        "second" if other else None,
    )
    strides = (steps["x"] or 0, steps[other] or 0 if other else 0, out_steps[0] or 0, out_steps[1] or 0 if other else 0)

    def arguments(team: int, work: str | None = None) -> tuple[Argument, ...]:
        return (*pointers, work, rows, n, *strides, team, float(call.options.get("eps", 0.0)))

    return _chosen(call, description, arguments, (rows, n), vector)


def _chosen(call: Any, description: Description, arguments: Any, shape: tuple[int, int], vector: int) -> Plan:
    rows, n = shape
    dtype, size, cards = call.dtype, ITEMSIZE[call.dtype], call.multiprocessors
    of_lane, of_thread = _VALUES[size, vector]
    access = f"{vector * size}-byte accesses"
    if n <= WARP * of_lane[-1]:
        team = min(WARP, power_of_two(-(-n // vector)))
        values = next(values for values in of_lane if team * values >= n)
        grid = grid_of(-(-rows * team // _WARP_THREADS), cards * _RESIDENT_THREADS // _WARP_THREADS)
        reason = f"{n} columns: {team} lanes of {values} values for each row, {grid} blocks, {access}"
        kernel = description.warp(dtype, vector, values)
        return Plan("warp", reason, (Launch(kernel, grid, _WARP_THREADS, arguments(team)),))
    if n <= _BLOCK_THREADS * of_thread[-1]:
        values = next(values for values in of_thread if _BLOCK_THREADS * values >= n)
        threads = -(-n // (values * WARP)) * WARP
        grid = grid_of(rows, cards * _RESIDENT_THREADS // threads)
        reason = f"{n} columns: {threads} threads of {values} values for each row, {grid} blocks, {access}"
        return Plan("block", reason, (Launch(description.block(dtype, vector, values), grid, threads, arguments(0)),))
    if rows >= cards:
        grid = grid_of(rows, cards * _RESIDENT_THREADS // _BLOCK_THREADS)
        reason = f"{n} columns: more than registers hold, read twice by {grid} blocks, a row each, {access}"
        kernel = description.kernel("streaming", dtype, vector)
        return Plan("streaming", reason, (Launch(kernel, grid, _BLOCK_THREADS, arguments(0)),))
    # Enough blocks to fill the card, as long as each has some loads to do.
    team = max(2, min(-(-cards * _RESIDENT_THREADS // (_BLOCK_THREADS * rows)), n // (_BLOCK_THREADS * vector * 2)))
    launches = tuple(
        Launch(description.kernel(name, dtype, vector), rows * team, _BLOCK_THREADS, arguments(team, "work"))
        for name in ("partial", "complete")
    )
    reason = f"{rows} rows of {n} columns: {team} blocks share each, {access}"
    # At most three values of 8 bytes are known of a piece, and one of a row.
    return Plan("several blocks", reason, launches, scratch=rows * team * 24 + rows * 8)


def plan_axis(call: Any, description: Description) -> Plan:
    """Return the plan for an operation over the axis in ``call.options``, which is the last or any other."""
    x = call.arrays["x"]
    axis = call.options["axis"] % len(x.shape)
    if axis == len(x.shape) - 1:
        return plan_rows(call, description)
    if not x.is_contiguous:
        return Plan("", "", copies=("x",))
    outer, inner = math.prod(x.shape[:axis]), math.prod(x.shape[axis + 1 :])
    n = x.shape[axis]
    # Whole warps read neighbours where there are so many, and the rest of a block shares their columns.
    team = min(WARP, power_of_two(inner))
    threads = max(WARP, min(_BLOCK_THREADS, team * power_of_two(n)))
    jobs = outer * -(-inner // team)
    grid = grid_of(jobs, call.multiprocessors * _RESIDENT_THREADS // threads)
    eps = float(call.options.get("eps", 0.0))
    pointers: tuple[Argument, ...] = ("x", None, None, None, "out", None, None)
    arguments = (*pointers, outer, n, inner, 0, inner, 0, team, eps)
    reason = f"axis {axis}: {team} columns side by side by {threads // team} threads each, {grid} blocks"
    return Plan("columns", reason, (Launch(description.kernel("columns", call.dtype), grid, threads, arguments),))
