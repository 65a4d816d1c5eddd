"""l2_normalize as other libraries write it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fused_kernels.catalog import OnnxGraph, OnnxNode


def torch() -> Callable[..., Any]:
    """Return torch's normalize on tensors."""
    from torch.nn.functional import normalize

    def call(x: Any, axis: int = -1, *, eps: float = 1e-12, out: Any = None) -> Any:
        return normalize(x, dim=axis, eps=eps, out=out)

    return call


def jax() -> Callable[..., Any]:
    """Return the formula on JAX's arrays; its own library has no such function."""
    from jax import numpy as jnp

    def call(x: Any, axis: int = -1, *, eps: float = 1e-12) -> Any:
        return x / jnp.maximum(jnp.linalg.norm(x, axis=axis, keepdims=True), eps)

    return call


def onnx(x: Any, axis: int = -1, *, eps: float = 1e-12) -> OnnxGraph:
    """Return one LpNormalization node, which has no eps: a row of zeros becomes NaN or 0."""
    return OnnxGraph((OnnxNode("LpNormalization", ("x",), ("out",), {"axis": axis, "p": 2}),), {"x": x})
