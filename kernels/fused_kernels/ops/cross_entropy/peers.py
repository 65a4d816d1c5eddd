"""cross_entropy as other libraries write it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fused_kernels.catalog import OnnxGraph, OnnxNode


def torch() -> Callable[..., Any]:
    """Return torch's cross_entropy on tensors, which wants logits of two axes."""
    from torch.nn.functional import cross_entropy

    def call(logits: Any, target: Any, *, ignore_index: int = -100, reduction: str = "mean") -> Any:
        flat = logits.reshape(-1, logits.shape[-1])
        result = cross_entropy(flat, target.reshape(-1), ignore_index=ignore_index, reduction=reduction)
        return result.reshape(target.shape) if reduction == "none" else result

    return call


def jax() -> Callable[..., Any]:
    """Return the formula on JAX's arrays; its own library has no cross_entropy."""
    from jax import numpy as jnp
    from jax.nn import log_softmax

    def call(logits: Any, target: Any, *, ignore_index: int = -100, reduction: str = "mean") -> Any:
        kept = target != ignore_index
        chosen = jnp.where(kept, target, 0)[..., None]
        losses = jnp.where(kept, -jnp.take_along_axis(log_softmax(logits), chosen, axis=-1)[..., 0], 0)
        if reduction == "none":
            return losses
        return losses.sum() / kept.sum() if reduction == "mean" else losses.sum()

    return call


def onnx(logits: Any, target: Any, *, ignore_index: int = -100, reduction: str = "mean") -> OnnxGraph:
    """Return one SoftmaxCrossEntropyLoss node (opset 13)."""
    classes = logits.shape[-1]
    inputs = {"logits": logits.reshape(-1, classes), "target": target.reshape(-1)}
    attributes = {"reduction": reduction, "ignore_index": ignore_index}
    return OnnxGraph((OnnxNode("SoftmaxCrossEntropyLoss", tuple(inputs), ("out",), attributes),), inputs)
