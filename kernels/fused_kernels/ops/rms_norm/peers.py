"""rms_norm as other libraries write it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fused_kernels.catalog import OnnxGraph, OnnxNode


def torch() -> Callable[..., Any]:
    """Return torch's rms_norm on tensors."""
    from torch.nn.functional import rms_norm

    def call(x: Any, weight: Any = None, *, eps: float = 1e-6) -> Any:
        return rms_norm(x, x.shape[-1:], weight, eps)

    return call


def jax() -> Callable[..., Any]:
    """Return the formula on JAX's arrays; its own library has no rms_norm."""
    from jax import lax

    def call(x: Any, weight: Any = None, *, eps: float = 1e-6) -> Any:
        result = x * lax.rsqrt((x * x).mean(axis=-1, keepdims=True) + eps)
        return result if weight is None else result * weight

    return call


def onnx(x: Any, weight: Any = None, *, eps: float = 1e-6) -> OnnxGraph:
    """Return one SimplifiedLayerNormalization node, ONNX Runtime's own; ONNX has RMSNormalization from opset 23 on."""
    import numpy as np

    inputs = {"x": x, "weight": np.ones(x.shape[-1], x.dtype) if weight is None else weight}
    node = OnnxNode("SimplifiedLayerNormalization", tuple(inputs), ("out",), {"axis": -1, "epsilon": eps})
    return OnnxGraph((node,), inputs)
