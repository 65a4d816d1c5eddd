"""Products of stacks of matrices: many small ones at once, or large ones one after another."""
# ruff: noqa: PLR0917 (kernels take their arguments by position)

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import types

from fused_kernels import trace
from fused_kernels.cpu import atomic, threads
from fused_kernels.cpu.addresses import call, on_stack, record, word_at
from fused_kernels.cpu.array_objects import Matrix, data_of, given, matrix_of
from fused_kernels.cpu.compile import entry, inline, kernel, machine_code
from fused_kernels.cpu.fork_join import run
from fused_kernels.dispatch import Array

from .cut import cut_of
from .epilogue import PLAIN
from .launch import load_settings, write_plan
from .plan import PLAN_BYTES, load_kit
from .product import give_workspace, product, take_workspace

_SMALL_WORK = 1 << 14
"""Multiply-adds of one product below which NumPy's own loop is faster: laying out a plan for each takes 0.1 µs."""
_LITTLE_WORK = 1 << 20
"""Multiply-adds of a whole stack below which NumPy's shorter way to its start decides."""
_ITEM_WORK = 1 << 24
"""Of one product, from which all threads work on the same: a thread would wait long for the last ones of the others."""
_CHUNKS_PER_THREAD = 8


def stack_product(x: Array, weight: Array, out: Array) -> None:
    """Set ``out`` to ``x @ weight`` for each matrix of the stack.

    Parameters
    ----------
    x
        (..., m, k), nothing empty, float32 or float64, native and aligned, any strides.
    weight
        (..., k, n) in the same dtype, likewise; the leading axes of both can be broadcast to those of ``out``.
    out
        (..., m, n), C-contiguous; inputs that it overlaps are copied.
    """
    m, k = x.shape[-2:]
    n, stack = weight.shape[-1], out.shape[:-2]
    items, work = math.prod(stack), m * k * n
    if m == 1 or n == 1 or work < _SMALL_WORK or items * work < _LITTLE_WORK:
        words = f"{items} products so small, or with a vector, that NumPy's way to them is the shorter"
        if not (trace.listeners and trace.launching("numpy", "blas", words)):
            np.matmul(x, weight, out=out)
        return
    x, weight, count = _broadcast(x, stack), _broadcast(weight, stack), threads.count()
    if work >= _ITEM_WORK and count > 1:
        if trace.listeners and trace.launching("numba", "one-by-one", f"{items} products, each on {count} threads"):
            return
        if np.may_share_memory(x, out) or np.may_share_memory(weight, out):
            x, weight = x.copy(), weight.copy()
        for index in np.ndindex(*stack):
            product(x[index], weight[index], out[index])
        return
    count = min(count, items)
    if trace.listeners:
        form = "stack-parallel" if count > 1 else "stack"
        if trace.launching("numba", form, f"{items} products, shared among {threads.in_words(count)}"):
            return
    if np.may_share_memory(x, out) or np.may_share_memory(weight, out):
        x, weight = x.copy(), weight.copy()
    cut = cut_of(m, k, n, x.itemsize, 1, weight.strides[-1] == x.itemsize)
    layout = np.array([stack, x.strides[:-2], weight.strides[:-2]], np.int64)
    packed = take_workspace(count * cut.packed_bytes)
    _launch(
        threads.state(count), count, _CORE, x, weight, out, cut.settings, PLAIN.kit(x.itemsize, cut.flat), packed,
        layout, cut.packed_bytes, len(stack), items, max(1, items // (_CHUNKS_PER_THREAD * count)),
    )  # fmt: skip
    give_workspace(packed)


def _broadcast(side: Array, stack: tuple[int, ...]) -> Array:
    # NumPy takes 4 µs for it, and it is seldom needed.
    return side if side.shape[:-2] == stack else np.broadcast_to(side, stack + side.shape[-2:])


class _Stack(NamedTuple):
    """What the threads share: addresses, sizes, and how many products are taken at once."""

    layout: int
    axes: int
    items: int
    chunk: int
    settings: int
    kit: int
    packed: int
    packed_bytes: int


_load_stack, _store_stack = record(_Stack)
_load_matrix, _store_matrix = record(Matrix)
_NEXT, _STACK, _X, _WEIGHT, _OUT, _BYTES = 0, 64, 128, 192, 256, 320
_stack_room, _plan_room = on_stack(_BYTES), on_stack(PLAN_BYTES)


@kernel("gemm.stack.core")
def _core(at: int, share: int, _shares: int) -> None:
    """Compute products of the stack until none is left."""
    stack = _load_stack(at + _STACK)
    x, weight, out = _load_matrix(at + _X), _load_matrix(at + _WEIGHT), _load_matrix(at + _OUT)
    settings, core = load_settings(stack.settings), load_kit(stack.kit).core
    plan, packed = _plan_room(), stack.packed + share * stack.packed_bytes
    first = atomic.add(at + _NEXT, stack.chunk)
    while first < stack.items:
        for item in range(first, min(first + stack.chunk, stack.items)):
            rest, here, there = item, 0, 0
            for axis in range(stack.axes - 1, -1, -1):
                place = stack.layout + 8 * axis
                size = word_at(place)
                step, rest = rest % size, rest // size
                here += step * word_at(place + 8 * stack.axes)
                there += step * word_at(place + 16 * stack.axes)
            write_plan(
                plan, settings, stack.kit, _moved(x, here), _moved(weight, there),
                _moved(out, item * out.rows * out.row_stride), 0, 0, 0, packed, 0, x.columns, 0, out.columns,
            )  # fmt: skip
            call(core, (plan, 0, 1))
        first = atomic.add(at + _NEXT, stack.chunk)


@inline
def _moved(matrix, distance):  # type: ignore[no-untyped-def]
    return Matrix(matrix.data + distance, matrix.rows, matrix.columns, matrix.row_stride, matrix.column_stride)


@kernel("gemm.stack.launch")
def _start(  # type: ignore[no-untyped-def]
    state, count, core, x, weight, out, settings, kit, packed, layout, packed_bytes, axes, items, chunk
):
    at = _stack_room()
    atomic.store(at + _NEXT, 0)
    places = data_of(layout), data_of(settings), data_of(kit), data_of(packed)
    _store_stack(
        at + _STACK,
        _Stack(
            layout=places[0],
            axes=axes,
            items=items,
            chunk=chunk,
            settings=places[1],
            kit=places[2],
            packed=places[3],
            packed_bytes=packed_bytes,
        ),
    )
    _store_matrix(at + _X, matrix_of(x))
    _store_matrix(at + _WEIGHT, matrix_of(weight))
    _store_matrix(at + _OUT, matrix_of(out))
    run(state, count, core, at)


_launch = entry(_start, *[types.int64] * 3, *[given] * 7, *[types.int64] * 4)
_CORE = machine_code(_core, 3)
