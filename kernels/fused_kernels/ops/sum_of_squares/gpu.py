"""sum_of_squares in CUDA."""

from __future__ import annotations

from collections.abc import Iterator

from fused_kernels.cuda import sums
from fused_kernels.cuda.call import Call
from fused_kernels.cuda.launch import Plan
from fused_kernels.cuda.source import Kernel


def variants(dtype: str) -> Iterator[Kernel]:
    """Return every kernel that a plan may have for a dtype."""
    return sums.variants("Square", dtype)


def plan(call: Call) -> Plan:
    """Return what the GPU does."""
    x, axis = call.arrays["x"], call.options["axis"]
    assert x is not None
    axes = len(x.shape)
    named = range(axes) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return sums.plan_sums(call, "Square", tuple(sorted(each % axes for each in named)))
