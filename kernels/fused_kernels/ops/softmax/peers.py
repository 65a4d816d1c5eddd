"""softmax as other libraries write it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fused_kernels.catalog import OnnxGraph, OnnxNode
from fused_kernels.ops._peers import polyglot as _polyglot


def torch() -> Callable[..., Any]:
    """Return torch's softmax on tensors."""
    from torch import softmax

    def call(x: Any, axis: int = -1, *, out: Any = None) -> Any:
        return softmax(x, axis, out=out)

    return call


def jax() -> Callable[..., Any]:
    """Return jax.nn's softmax."""
    from jax.nn import softmax

    return lambda x, axis=-1: softmax(x, axis)


def polyglot() -> Callable[..., Any]:
    """Return fused_softmax, over the last axis of a float64 matrix."""
    function = _polyglot("fused_softmax", "x", flat=False)()

    def call(x: Any, axis: int = -1) -> Any:
        if axis not in (-1, x.ndim - 1):
            raise ValueError(f"fused_softmax of polyglot-bridge knows the last axis only, and got {axis}")
        return function(x=x)

    return call


def onnx(x: Any, axis: int = -1) -> OnnxGraph:
    """Return one Softmax node (opset 13)."""
    return OnnxGraph((OnnxNode("Softmax", ("x",), ("out",), {"axis": axis}),), {"x": x})
