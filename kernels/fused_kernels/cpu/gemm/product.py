"""Matrix products in our own code: cut into blocks that fit the caches, each finished with bias and activation.

Any strides will do: both sides are packed on the way. The right side is packed once, by all threads; a small one
of which each element is used a few times only is read where it is.
"""

from __future__ import annotations

import numpy as np

from fused_kernels import memory, trace
from fused_kernels.cpu import threads
from fused_kernels.dispatch import Array

from .cut import cut_of
from .epilogue import PLAIN, Epilogue
from .launch import attempt, launch
from .rules import is_for_one_thread


def product(  # noqa: PLR0917, by position for speed
    x: Array,
    weight: Array,
    out: Array,
    bias: Array | None = None,
    epilogue: Epilogue = PLAIN,
    factors: tuple[Array, Array] | tuple[None, None] = (None, None),
) -> None:
    """Set ``out`` to ``epilogue(x @ weight + bias)``.

    Parameters
    ----------
    x
        (m, k), nothing empty, float32 or float64, native and aligned, any strides, perhaps read-only.
    weight
        (k, n) in the same dtype, likewise.
    out
        (m, n), C-contiguous; inputs that it overlaps are copied.
    bias
        (n,) in the same dtype, or None.
    epilogue
        What follows the sum.
    factors
        For an epilogue that is scaled: of the rows, (m,), and of the columns, (n,), contiguous.
    """
    if not trace.listeners and not epilogue.scaled and attempt(x, weight, out, bias, epilogue.compiled) is not None:
        return
    m, k = x.shape
    n = weight.shape[1]
    if bias is not None and not bias.flags.c_contiguous:
        bias = bias.copy()
    size = x.itemsize
    count, mirrored = 1, False
    if not is_for_one_thread(m, k, n):
        count = threads.count()
        mirrored = bias is None and factors[0] is factors[1] and _is_transpose(x, weight)
    cut = cut_of(m, k, n, size, count, weight.strides[1] == size, mirrored)
    bare = cut.form == "blas" and bias is None and epilogue is PLAIN
    if trace.listeners and trace.launching("numpy" if bare else "numba", cut.form, cut.reason):
        return
    if cut.form == "blas":
        if bias is not None and np.may_share_memory(bias, out):
            bias = bias.copy()
        np.matmul(x, weight, out=out)
        if bare:
            return
    workspace = take_workspace(cut.packed_bytes)
    kit, state = epilogue.kit(size, cut.flat), threads.state(cut.threads)
    done = launch(state, cut.settings, x, weight, out, bias, *factors, kit, workspace)
    give_workspace(workspace)
    if not done:
        result = np.empty_like(out)
        product(x, weight, result, bias, epilogue, factors)
        np.copyto(out, result)


def take_workspace(nbytes: int) -> Array | None:
    """Return memory for a packed right side, that begins on a cache line; None for nothing."""
    if not nbytes:
        return None
    try:
        workspace = _idle.pop()
    except IndexError:
        pass
    else:
        if workspace.size >= nbytes:
            return workspace
    if nbytes >= memory.POOLED_FROM // 4:
        return memory.empty((max(nbytes, memory.POOLED_FROM),), _BYTE)
    return memory.aligned((nbytes,), _BYTE, nbytes)


def give_workspace(workspace: Array | None) -> None:
    """Keep it for the next call: new memory would cost a page fault for every 4 KiB."""
    if workspace is not None:
        _idle.append(workspace)


_BYTE = np.dtype(np.uint8)
_idle: list[Array] = []
"""Workspaces that no call uses; `list.pop` is atomic, so calls in several Python threads never share one."""


def _is_transpose(x: Array, weight: Array) -> bool:
    """Whether the one is a view of the other, so that the product is symmetric."""
    if x.shape != weight.shape[::-1] or x.strides != weight.strides[::-1]:
        return False
    first, second = x.__array_interface__, weight.__array_interface__
    return bool(first["data"][0] == second["data"][0])
