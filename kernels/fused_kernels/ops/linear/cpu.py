"""linear in Numba: our own matrix product, finished with bias and activation before it leaves the registers."""

from __future__ import annotations

from fused_kernels.cpu.gemm import product

from .activations import ACTIVATIONS

__all__ = ["ACTIVATIONS", "product"]
