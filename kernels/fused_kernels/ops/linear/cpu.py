"""linear in Numba: our own matrix product, finished with bias and activation before it leaves the first cache."""

from __future__ import annotations

from fused_kernels.cpu.gemm import attempt, product

from .activations import ACTIVATIONS

__all__ = ["ACTIVATIONS", "KITS", "attempt", "product"]

KITS = {name: finish.kits for name, finish in ACTIVATIONS.items()}
"""What `attempt` takes, by the name of the activation."""
