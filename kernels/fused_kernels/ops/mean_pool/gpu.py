"""mean_pool in CUDA."""

from __future__ import annotations

import math
from pathlib import Path

from fused_kernels.cuda.call import Call
from fused_kernels.cuda.dtypes import FLOATS, itemsize
from fused_kernels.cuda.launch import WARP, Launch, Plan, grid_of
from fused_kernels.cuda.rows import vector_of
from fused_kernels.cuda.source import Kernel, text_of

_WARPS = 8
"""Of a block."""
_VECTORS = {2: (8, 2, 1), 4: (4, 1), 8: (2, 1)}
"""By bytes of an element: how many columns a thread may take."""


def kernel(dtype: str, mask: str, vector: int) -> Kernel:
    """Return the kernel for values and a mask of these dtypes."""
    source = text_of(Path(__file__).with_name("gpu.cu"))
    kind = "bool" if mask == "bool" else "i64"
    body = f"mean_pool<{FLOATS[dtype]}, {kind}, {vector}>(a);"
    return Kernel(source, body, "PoolArguments", _WARPS * WARP, itemsize(dtype) == 2)


def variants(dtype: str) -> tuple[Kernel, ...]:
    """Return every kernel that a plan may have for a dtype."""
    return tuple(kernel(dtype, mask, vector) for mask in ("bool", "int64") for vector in _VECTORS[itemsize(dtype)])


def plan(call: Call) -> Plan:
    """Return what the GPU does."""
    x, mask = call.arrays["x"], call.arrays["mask"]
    assert x is not None
    copies = tuple(name for name, view in (("x", x), ("mask", mask)) if view is not None and not view.is_contiguous)
    if copies:
        return Plan("", "", copies=copies)
    tokens, width = x.shape[-2:]
    texts = math.prod(x.shape[:-2])
    vectors = _VECTORS[itemsize(call.dtype)]
    vector = vector_of(call.dtype, width, [x.address, call.outs[0].address], [], vectors)
    grid = grid_of(texts * -(-width // (WARP * vector)), call.card.blocks(_WARPS * WARP))
    reason = f"{WARP * vector} columns by {_WARPS} warps that share {tokens} tokens, {grid} blocks"
    made = kernel(call.dtype, mask.dtype if mask else "bool", vector)
    arguments = ("x", "mask" if mask else None, "out", texts, tokens, width)
    return Plan("tokens", reason, (Launch(made, grid, _WARPS * WARP, arguments),))
