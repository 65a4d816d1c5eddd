"""matmul in Numba: our own matrix product, one by one or over a stack."""

from __future__ import annotations

from fused_kernels.cpu.gemm import PLAIN, attempt, product
from fused_kernels.cpu.gemm.stack import stack_product

__all__ = ["PLAIN", "attempt", "product", "stack_product"]
