"""softmax as other libraries write it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fused_kernels.catalog import OnnxGraph, OnnxNode


def torch() -> Callable[..., Any]:
    """Return torch's softmax on tensors."""
    from torch import softmax

    def call(x: Any, axis: int = -1, *, out: Any = None) -> Any:
        return softmax(x, axis, out=out)

    return call


def onnx(x: Any, axis: int = -1) -> OnnxGraph:
    """Return one Softmax node (opset 13)."""
    return OnnxGraph((OnnxNode("Softmax", ("x",), ("out",), {"axis": axis}),), {"x": x})
