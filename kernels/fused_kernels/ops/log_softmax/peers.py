"""log_softmax as other libraries write it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fused_kernels.catalog import OnnxGraph, OnnxNode


def torch() -> Callable[..., Any]:
    """Return torch's log_softmax on tensors."""
    from torch import log_softmax

    def call(x: Any, axis: int = -1, *, out: Any = None) -> Any:
        return log_softmax(x, axis, out=out)

    return call


def jax() -> Callable[..., Any]:
    """Return jax.nn's log_softmax."""
    from jax.nn import log_softmax

    return lambda x, axis=-1: log_softmax(x, axis)


def onnx(x: Any, axis: int = -1) -> OnnxGraph:
    """Return one LogSoftmax node (opset 13)."""
    return OnnxGraph((OnnxNode("LogSoftmax", ("x",), ("out",), {"axis": axis}),), {"x": x})
