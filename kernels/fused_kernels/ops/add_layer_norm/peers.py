"""add_layer_norm as other libraries write it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fused_kernels.catalog import OnnxGraph, OnnxNode


def torch() -> Callable[..., Any]:
    """Return torch's two operations, the sum and layer_norm."""
    from torch.nn.functional import layer_norm

    def call(x: Any, residual: Any, weight: Any = None, bias: Any = None, *, eps: float = 1e-5) -> Any:
        total = x + residual
        return layer_norm(total, total.shape[-1:], weight, bias, eps), total

    return call


def jax() -> Callable[..., Any]:
    """Return the formula on JAX's arrays."""
    from jax import lax

    def call(x: Any, residual: Any, weight: Any = None, bias: Any = None, *, eps: float = 1e-5) -> Any:
        total = x + residual
        mean = total.mean(axis=-1, keepdims=True)
        variance = total.var(axis=-1, keepdims=True)
        result = (total - mean) * lax.rsqrt(variance + eps)
        result = result if weight is None else result * weight
        return result if bias is None else result + bias, total

    return call


def onnx(x: Any, residual: Any, weight: Any = None, bias: Any = None, *, eps: float = 1e-5) -> OnnxGraph:
    """Return Add and LayerNormalization, which ONNX Runtime fuses to one."""
    import numpy as np

    scale = np.ones(x.shape[-1], x.dtype) if weight is None else weight
    parameters = {"weight": scale} | ({} if bias is None else {"bias": bias})
    nodes = (
        OnnxNode("Add", ("x", "residual"), ("total",)),
        OnnxNode("LayerNormalization", ("total", *parameters), ("out",), {"axis": -1, "epsilon": eps}),
    )
    return OnnxGraph(nodes, {"x": x, "residual": residual, **parameters}, outputs=("out", "total"))
