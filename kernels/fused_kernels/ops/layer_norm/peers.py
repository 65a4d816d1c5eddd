"""layer_norm as other libraries write it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fused_kernels.catalog import OnnxGraph, OnnxNode
from fused_kernels.ops._peers import polyglot as _polyglot


def torch() -> Callable[..., Any]:
    """Return torch's layer_norm on tensors."""
    from torch.nn.functional import layer_norm

    def call(x: Any, weight: Any = None, bias: Any = None, *, eps: float = 1e-5) -> Any:
        return layer_norm(x, x.shape[-1:], weight, bias, eps)

    return call


def jax() -> Callable[..., Any]:
    """Return the formula on JAX's arrays; its own library has no layer_norm."""
    from jax import lax

    def call(x: Any, weight: Any = None, bias: Any = None, *, eps: float = 1e-5) -> Any:
        mean = x.mean(axis=-1, keepdims=True)
        variance = x.var(axis=-1, keepdims=True)
        result = (x - mean) * lax.rsqrt(variance + eps)
        result = result if weight is None else result * weight
        return result if bias is None else result + bias

    return call


def polyglot() -> Callable[..., Any]:
    """Return fused_layer_norm, which knows neither weight nor bias: they are applied with NumPy."""
    plain = _polyglot("fused_layer_norm", "x", "eps", flat=False)()

    def call(x: Any, weight: Any = None, bias: Any = None, *, eps: float = 1e-5) -> Any:
        result = plain(x=x, eps=eps)
        result = result if weight is None else result * weight
        return result if bias is None else result + bias

    return call


def onnx(x: Any, weight: Any = None, bias: Any = None, *, eps: float = 1e-5) -> OnnxGraph:
    """Return one LayerNormalization node (opset 17)."""
    import numpy as np

    scale = np.ones(x.shape[-1], x.dtype) if weight is None else weight
    inputs = {"x": x, "weight": scale} | ({} if bias is None else {"bias": bias})
    node = OnnxNode("LayerNormalization", tuple(inputs), ("out",), {"axis": -1, "epsilon": eps})
    return OnnxGraph((node,), inputs)
