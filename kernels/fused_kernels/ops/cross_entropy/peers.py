"""cross_entropy as other libraries write it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fused_kernels.catalog import OnnxGraph, OnnxNode


def torch() -> Callable[..., Any]:
    """Return torch's cross_entropy on tensors, which wants logits of two axes."""
    from torch.nn.functional import cross_entropy

    def call(logits: Any, target: Any, *, reduction: str = "mean", **options: Any) -> Any:
        flat = logits.reshape(-1, logits.shape[-1])
        result = cross_entropy(flat, target.reshape(-1), reduction=reduction, **options)
        return result.reshape(target.shape) if reduction == "none" else result

    return call


def jax() -> Callable[..., Any]:
    """Return the formula on JAX's arrays; its own library has no cross_entropy."""
    from jax import numpy as jnp
    from jax.nn import log_softmax

    def call(
        logits: Any, target: Any, *, ignore_index: int = -100, reduction: str = "mean", label_smoothing: float = 0.0
    ) -> Any:
        kept = target != ignore_index
        chosen = jnp.where(kept, target, 0)[..., None]
        log_probabilities = log_softmax(logits)
        losses = -jnp.take_along_axis(log_probabilities, chosen, axis=-1)[..., 0]
        if label_smoothing:
            losses = (1 - label_smoothing) * losses - label_smoothing * log_probabilities.mean(axis=-1)
        losses = jnp.where(kept, losses, 0)
        if reduction == "none":
            return losses
        return losses.sum() / kept.sum() if reduction == "mean" else losses.sum()

    return call


def onnx(
    logits: Any, target: Any, *, ignore_index: int = -100, reduction: str = "mean", label_smoothing: float = 0.0
) -> OnnxGraph:
    """Return one SoftmaxCrossEntropyLoss node (opset 13), and what adds the label smoothing that it lacks."""
    classes = logits.shape[-1]
    inputs = {"logits": logits.reshape(-1, classes), "target": target.reshape(-1)}
    attributes = {"reduction": reduction, "ignore_index": ignore_index}
    loss = "SoftmaxCrossEntropyLoss"
    if not label_smoothing:
        return OnnxGraph((OnnxNode(loss, tuple(inputs), ("out",), attributes),), inputs)
    number = 1 if logits.dtype == np.float32 else 11  # of the dtype, in ONNX
    nodes = [
        OnnxNode(loss, tuple(inputs), ("hard", "log_probabilities"), attributes),
        OnnxNode("ReduceMean", ("log_probabilities", "last"), ("means",), {"keepdims": 0}),
        OnnxNode("Equal", ("target", "ignored"), ("left_out",)),
        OnnxNode("Where", ("left_out", "zero", "means"), ("even" if reduction == "none" else "each",)),
    ]
    if reduction != "none":
        nodes.append(OnnxNode("ReduceSum", ("each",), ("even" if reduction == "sum" else "sum",), {"keepdims": 0}))
    if reduction == "mean":
        nodes += [
            OnnxNode("Not", ("left_out",), ("kept",)),
            OnnxNode("Cast", ("kept",), ("numbers",), {"to": number}),
            OnnxNode("ReduceSum", ("numbers",), ("count",), {"keepdims": 0}),
            OnnxNode("Div", ("sum", "count"), ("even",)),
        ]
    nodes += [
        OnnxNode("Mul", ("hard", "weight"), ("first",)),
        OnnxNode("Mul", ("even", "smoothing"), ("second",)),
        OnnxNode("Sub", ("first", "second"), ("out",)),
    ]
    constants = {
        "last": np.asarray([-1]),
        "ignored": np.asarray(ignore_index),
        "zero": np.asarray(0, logits.dtype),
        "weight": np.asarray(1 - label_smoothing, logits.dtype),
        "smoothing": np.asarray(label_smoothing, logits.dtype),
    }
    return OnnxGraph(tuple(nodes), inputs, constants)
