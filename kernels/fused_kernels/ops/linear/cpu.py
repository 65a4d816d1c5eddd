"""linear in Numba: our own matrix product, whose epilogue is the activation."""

from __future__ import annotations

from fused_kernels.cpu.gemm import PLAIN, RELU, Epilogue, attempt, product

from .activations import ACTIVATIONS

__all__ = ["EPILOGUES", "attempt", "product"]

EPILOGUES: dict[str | None, Epilogue] = {
    **{name: Epilogue(str(name), formula=activation.formula) for name, activation in ACTIVATIONS.items()},
    # These cost nothing: they are done in registers.
    None: PLAIN,
    "relu": RELU,
}
"""By the name of the activation."""
