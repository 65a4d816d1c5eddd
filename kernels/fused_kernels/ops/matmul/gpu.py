"""matmul on a GPU: by cuBLAS, which the arrays' library calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fused_kernels.cuda.arrays import Library
from fused_kernels.cuda.call import Call
from fused_kernels.cuda.launch import Plan


def plan(call: Call) -> Plan:
    """Return what the GPU does."""
    return Plan("library", "cuBLAS through the arrays' own library")


def compute(library: Library, arrays: Mapping[str, Any], options: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the product, in a tuple."""
    return (library.matmul(arrays["a"], arrays["b"]),)
