"""How a matrix product is started: with threads, from a cut made before; or at once, if it is small."""

# ruff: noqa: PLR0917 (kernels take their arguments by position)

from __future__ import annotations

from typing import NamedTuple

from numba import types

from fused_kernels.cpu import atomic
from fused_kernels.cpu.addresses import call, on_stack, record
from fused_kernels.cpu.array_objects import (
    axes_of,
    data_of,
    float_size,
    given,
    is_none,
    is_row,
    is_target,
    matrix_of,
    nothing,
    shared,
)
from fused_kernels.cpu.compile import entry, inline, kernel
from fused_kernels.cpu.fork_join import run
from fused_kernels.cpu.new_objects import new_array

from . import rules
from .plan import (
    KIT_BYTES,
    NEXT_PIECE,
    NEXT_UNIT,
    OPERANDS,
    PIECES_DONE,
    PLAN,
    PLAN_BYTES,
    Operands,
    Plan,
    load_kit,
    store_operands,
    store_plan,
)

SMALL_BYTES = 1 << 16
"""Of a packed right side, that lies on the stack."""
_plan_room, _packed_room, _shape_room = on_stack(PLAN_BYTES), on_stack(SMALL_BYTES), on_stack(16)
_is_for_blas, _is_for_one_thread = inline(rules.is_for_blas), inline(rules.is_for_one_thread)
_is_flat, _columns_in_place = inline(rules.is_flat), inline(rules.columns_in_place)
_padded_columns = inline(rules.padded_columns)


class Settings(NamedTuple):
    """How a product is cut, for `launch`: see `Plan`; ``slab_terms`` and ``slab_columns`` are packed at once."""

    threads: int
    depth: int
    block: int
    in_place: int
    slab_terms: int
    slab_columns: int
    resumed: int
    mirrored: int


load_settings, _ = record(Settings)


@inline
def write_plan(at, settings, kit_at, x, weight, out, bias, down, across, packed, k0, terms, first_column, columns):  # type: ignore[no-untyped-def]
    """Write down the product of a slab: ``terms`` from ``k0`` on, ``columns`` from ``first_column`` on."""
    size = load_kit(kit_at).size
    bias_here = bias + first_column * size if bias != 0 else 0
    for counter in (NEXT_PIECE, PIECES_DONE, NEXT_UNIT):
        atomic.store(at + counter, 0)
    store_operands(
        at + OPERANDS,
        Operands(
            x=x.data + k0 * x.column_stride,
            x_row=x.row_stride,
            x_column=x.column_stride,
            weight=weight.data + k0 * weight.row_stride + first_column * weight.column_stride,
            weight_row=weight.row_stride,
            weight_column=weight.column_stride,
            out=out.data + first_column * size,
            out_row=out.row_stride,
            bias=bias_here,
            down=down,
            across=across + first_column * size,
            packed=packed,
        ),
    )
    store_plan(
        at + PLAN,
        Plan(
            kit=kit_at,
            m=out.rows,
            k=terms,
            n=columns,
            depth=settings.depth,
            block=settings.block,
            in_place=settings.in_place,
            threads=settings.threads,
            first=int(k0 == 0 and settings.resumed == 0),
            last=int(settings.resumed != 0 or k0 + terms >= x.columns),
            mirrored=settings.mirrored,
        ),
    )


@kernel("gemm.launch")
def _launch(state, settings, x, weight, out, bias, down, across, kit, packed):  # type: ignore[no-untyped-def]
    settings, left, right, result = (
        load_settings(data_of(settings)), matrix_of(x), matrix_of(weight), matrix_of(out)
    )  # fmt: skip
    kit_at, shift, at = data_of(kit), data_of(bias), _plan_room()
    n, k = result.columns, 0 if settings.resumed != 0 else left.columns
    if k != 0 and _overlap(result, left, right, shift, load_kit(kit_at).size):
        return False
    for first_column in range(0, n, settings.slab_columns):
        for k0 in range(0, max(k, 1), settings.slab_terms):
            terms, columns = min(settings.slab_terms, k - k0), min(settings.slab_columns, n - first_column)
            write_plan(
                at, settings, kit_at, left, right, result, shift, data_of(down), data_of(across),
                data_of(packed), k0, terms, first_column, columns,
            )  # fmt: skip
            run(state, settings.threads, load_kit(kit_at).core, at)
    return True


# It keeps Python's lock, since it makes new arrays, and takes less time than another thread would need to get it.
@kernel("gemm.attempt", nogil=False)
def _attempt(x, weight, out, bias, compiled):  # type: ignore[no-untyped-def]
    size = float_size(x)
    if size == 0 or axes_of(x) != 2 or axes_of(weight) != 2 or float_size(weight) != size:
        return nothing()
    left, right = matrix_of(x), matrix_of(weight)
    m, k, n = left.rows, left.columns, right.columns
    kit_at = data_of(compiled) + (KIT_BYTES if size == 8 else 0)
    kit = load_kit(kit_at)
    if m * k * n == 0 or not _is_for_one_thread(m, k, n) or _is_for_blas(m, k, n):
        return nothing()
    if kit.size != size or k > kit.depth or k != right.rows:
        return nothing()
    if not is_none(bias) and (float_size(bias) != size or not is_row(bias, n)):
        return nothing()
    row_major = right.column_stride == size
    if _is_flat(m, n, kit.flat_height, kit.flat_width, row_major):
        return nothing()
    padded = _padded_columns(n, kit.width)
    in_place = _columns_in_place(m, k, n, size, kit.height, kit.width, kit.masks, row_major)
    if (padded - in_place) * k * size > SMALL_BYTES:
        return nothing()
    if not is_none(out) and not _is_place(out, m, n, size, left, right, data_of(bias)):
        return nothing()
    shape = _shape_room()
    atomic.store(shape, m)
    atomic.store(shape + 8, n)
    result = new_array(size, 2, shape) if is_none(out) else shared(out)
    if is_none(result):  # for want of memory
        return result
    at = _plan_room()
    write_plan(
        at, Settings(1, k, padded, in_place, k, n, 0, 0), kit_at, left, right, matrix_of(result), data_of(bias),
        0, 0, _packed_room(), 0, k, 0, n,
    )  # fmt: skip
    call(kit.core, (at, 0, 1))
    return result


@inline
def _is_place(out, m, n, size, left, right, bias):  # type: ignore[no-untyped-def]
    """Whether the result can be written there."""
    if axes_of(out) != 2 or float_size(out) != size or not is_target(out):
        return False
    place = matrix_of(out)
    return place.rows == m and place.columns == n and not _overlap(place, left, right, bias, size)


@inline
def _overlap(out, x, weight, bias, size):  # type: ignore[no-untyped-def]
    end = out.data + out.rows * out.row_stride
    return (
        _meets(out.data, end, x.data, x.rows, x.row_stride, x.columns, x.column_stride, size)
        or _meets(
            out.data, end, weight.data, weight.rows, weight.row_stride, weight.columns, weight.column_stride, size
        )
        or (bias != 0 and _meets(out.data, end, bias, 1, 0, out.columns, size, size))
    )


@inline
def _meets(start, end, address, rows, row_stride, columns, column_stride, size):  # type: ignore[no-untyped-def]
    """Whether bytes ``start:end`` have any between the first and the last of a matrix."""
    down, across = (rows - 1) * row_stride, (columns - 1) * column_stride
    first = address + min(down, 0) + min(across, 0)
    last = address + max(down, 0) + max(across, 0) + size
    return start < last and first < end


launch = entry(_launch, types.int64, *[given] * 9)
"""``launch(state, settings, x, weight, out, bias, down, across, kit, packed)``, all but the first arrays or None.

False, and nothing is done, if ``out`` may overlap an input: rows that are still needed would be overwritten. Only with
`Settings.resumed`, when the sums stand in ``out`` already, nothing is looked at.
"""
attempt = entry(_attempt, *[given] * 5)
"""``attempt(x, weight, out, bias, compiled)``, arrays of NumPy of any kind, ``out`` and ``bias`` or None.

Returns ``x @ weight + bias``, in ``out`` or a new array, with all the checks made itself, if it is small, of one native
float dtype, and each shape fits. Else it returns None, and nothing is done. ``compiled`` is that of an `Epilogue` that
is not scaled.
"""
