"""Which kernel of rows.cuh turns rows into rows, and over which grid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .columns import plan_columns
from .columns import variants as column_variants
from .dtypes import FLOATS, computed_in, itemsize
from .launch import WARP, Argument, Card, Launch, Plan, grid_of, power_of_two
from .source import Kernel, text_of
from .views import View

_WARP_THREADS = 128
_BLOCK_THREADS = 512
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
_CUT_FROM = 16
"""Whole vectors from which a row is cut at its own: its edges, up to 14 elements, need as many lanes."""


class Description(NamedTuple):
    """An operation on rows.

    Parameters
    ----------
    functor
        The template in ``gpu.cu`` that describes one row.
    source
        The text of that file, and of what columns need.
    has_weights
        Whether each column has a weight or a bias: rows are then not cut at vectors of their own.
    other
        Name of the array that is added to ``x``; its sum is the second result.
    along_axes
        Whether rows may lie along any axis.
    """

    functor: str
    source: str
    has_weights: bool
    other: str | None
    along_axes: bool

    @classmethod
    def beside(
        cls, file: str, functor: str, other: str | None = None, *, has_weights: bool = False, along_axes: bool = False
    ) -> Description:
        """Return the description in the ``gpu.cu`` beside a module, named by its ``__file__``."""
        source = text_of(Path(file).with_name("gpu.cu")) + ('#include "columns.cuh"\n' if along_axes else "")
        return cls(functor, source, has_weights, other, along_axes)

    def kernel(
        self,
        template: str,
        dtype: str,
        *parameters: Any,
        threads: int = _BLOCK_THREADS,
        arguments: str = "RowArguments",
    ) -> Kernel:
        """Return one variant of a template of rows.cuh or columns.cuh."""
        text = ", ".join(map(str, (f"{self.functor}<{computed_in(dtype)}>", FLOATS[dtype], *parameters)))
        return Kernel(self.source, f"{template}<{text}>(a);", arguments, threads, itemsize(dtype) == 2)

    def warp(self, dtype: str, vector: int, values: int) -> Kernel:
        """Return the kernel for rows of some lanes of a warp."""
        return self.kernel("resident", dtype, vector, values // vector, "false", threads=_WARP_THREADS)

    def block(self, dtype: str, vector: int, values: int) -> Kernel:
        """Return the kernel for rows of a block."""
        return self.kernel("resident", dtype, vector, values // vector, "true")

    def vectors(self, dtype: str) -> list[int]:
        """Return how many elements an access may have, the most first."""
        found = sorted((vector for size, vector in _VALUES if size == itemsize(dtype)), reverse=True)
        return found if self.has_weights else [found[0], 1]

    def variants(self, dtype: str) -> Iterator[Kernel]:
        """Yield every kernel that a plan may have for a dtype."""
        for vector in self.vectors(dtype):
            of_lane, of_thread = _VALUES[itemsize(dtype), vector]
            yield from (self.warp(dtype, vector, values) for values in of_lane)
            yield from (self.block(dtype, vector, values) for values in of_thread)
            yield from (self.kernel(name, dtype, vector) for name in ("streaming", "partial"))
        if self.along_axes:
            yield from column_variants(self, dtype)


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


def vector_of(dtype: str, n: int, addresses: Sequence[int], steps: Sequence[int], vectors: Sequence[int]) -> int:
    """Return the first of ``vectors`` that an access may have: rows begin at a multiple of it, and none has a rest."""
    size = itemsize(dtype)
    for vector in vectors:
        if all(number % vector == 0 for number in (n, *steps)) and all(at % (vector * size) == 0 for at in addresses):
            return vector
    return 1


def can_be_cut(dtype: str, n: int, addresses: Sequence[int], steps: Sequence[int], vector: int) -> bool:
    """Whether rows of ``n`` can be cut where vectors of the first begin, and are then cut so in all arrays."""
    size = itemsize(dtype)
    return (
        n >= _CUT_FROM * vector
        and all(at % size == 0 and (at - addresses[0]) % (vector * size) == 0 for at in addresses)
        and all((step - steps[0]) % vector == 0 for step in steps)
    )


def plan_rows(call: Any, description: Description) -> Plan:
    """Return the plan for an operation over the last axis of ``x``.

    Parameters
    ----------
    call
        A `call.Call` whose arrays are of one dtype; ``weight`` and ``bias`` may be among them.
    description
        Of the operation.
    """
    x, dtype = call.arrays["x"], call.dtype
    long = {"x": x, **({description.other: call.arrays[description.other]} if description.other else {})}
    short = {key: call.arrays[key] for key in ("weight", "bias") if call.arrays.get(key) is not None}
    steps = {key: step_of_rows(view) for key, view in long.items()}
    copies = tuple(key for key, step in steps.items() if step is None)
    copies += tuple(key for key, view in short.items() if not view.is_contiguous)
    if copies:
        return Plan("", "", copies=copies)
    out_steps = [step_of_rows(view) for view in call.outs]
    n, rows = x.shape[-1], x.size // x.shape[-1]
    addresses = [view.address for view in (*long.values(), *short.values(), *call.outs)]
    all_steps = [step or 0 for step in (*steps.values(), *out_steps)] if rows > 1 else []
    vectors = description.vectors(dtype)
    vector = vector_of(dtype, n, addresses, all_steps, vectors)
    is_cut = vector < vectors[0] and not description.has_weights
    is_cut = is_cut and can_be_cut(dtype, n, addresses, all_steps, vectors[0])
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

    return _chosen(call, description, arguments, (rows, n), vectors[0] if is_cut else vector, is_cut=is_cut)


def _chosen(
    call: Any, description: Description, arguments: Any, shape: tuple[int, int], vector: int, *, is_cut: bool
) -> Plan:
    rows, n = shape
    dtype, card = call.dtype, call.card
    of_lane, of_thread = _VALUES[itemsize(dtype), vector]
    access = f"{vector * itemsize(dtype)}-byte accesses" + (", edges one by one" if is_cut else "")
    if n <= WARP * of_lane[-1]:
        team = min(WARP, power_of_two(-(-n // vector)))
        values = next(values for values in of_lane if team * values >= n)
        grid = grid_of(-(-rows * team // _WARP_THREADS), card.blocks(_WARP_THREADS))
        reason = f"{n} columns: {team} lanes of {values} values for each row, {grid} blocks, {access}"
        kernel = description.warp(dtype, vector, values)
        return Plan("warp", reason, (Launch(kernel, grid, _WARP_THREADS, arguments(team)),))
    if n <= _BLOCK_THREADS * of_thread[-1]:
        values = next(values for values in of_thread if _BLOCK_THREADS * values >= n)
        threads = -(-n // (values * WARP)) * WARP
        grid = grid_of(rows, card.blocks(threads))
        reason = f"{n} columns: {threads} threads of {values} values for each row, {grid} blocks, {access}"
        return Plan("block", reason, (Launch(description.block(dtype, vector, values), grid, threads, arguments(0)),))
    second = description.kernel("streaming", dtype, vector)
    if rows >= card.multiprocessors:
        grid = grid_of(rows, card.blocks(_BLOCK_THREADS))
        reason = f"{n} columns: more than registers hold, read twice by {grid} blocks, a row each, {access}"
        return Plan("streaming", reason, (Launch(second, grid, _BLOCK_THREADS, arguments(1)),))
    team = _shares(card, rows, n // (_BLOCK_THREADS * vector * 2))
    kernels = (description.kernel("partial", dtype, vector), second)
    launches = tuple(Launch(each, rows * team, _BLOCK_THREADS, arguments(team, "work")) for each in kernels)
    reason = f"{rows} rows of {n} columns: {team} blocks share each, {access}"
    # At most three values of 8 bytes are known of a piece, and one of a row.
    return Plan("several blocks", reason, launches, scratch=rows * team * 24 + rows * 8)


def _shares(card: Card, rows: int, at_most: int) -> int:
    """Return how many blocks share a row: enough to fill the card, as long as each has some loads to do."""
    return max(2, min(-(-card.blocks(_BLOCK_THREADS) // rows), at_most))


def plan_axis(call: Any, description: Description) -> Plan:
    """Return the plan for an operation over the axis in ``call.options``, which is the last or any other."""
    x = call.arrays["x"]
    axis = call.options["axis"] % len(x.shape)
    return plan_rows(call, description) if axis == len(x.shape) - 1 else plan_columns(call, description, axis)
