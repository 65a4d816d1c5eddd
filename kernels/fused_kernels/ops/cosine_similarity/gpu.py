"""cosine_similarity on a GPU: rows of length 1 by our kernel, their products by cuBLAS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fused_kernels.cuda.arrays import Library
from fused_kernels.cuda.call import Call
from fused_kernels.cuda.launch import Plan
from fused_kernels.ops.l2_normalize.op import l2_normalize


def plan(call: Call) -> Plan:
    """Return what the GPU does."""
    return Plan("library", "l2_normalize of the rows, then cuBLAS through the arrays' own library")


def compute(library: Library, arrays: Mapping[str, Any], options: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the similarities, in a tuple."""
    a, b = arrays["a"], arrays["b"]
    rows = l2_normalize(a, eps=options["eps"])
    others = rows if b is None else l2_normalize(b, eps=options["eps"])
    return (library.matmul(rows, others.T),)
