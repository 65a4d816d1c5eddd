"""sum_of_squares as other libraries write it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fused_kernels.catalog import OnnxGraph, OnnxNode


def torch() -> Callable[..., Any]:
    """Return torch's scalar product of a tensor with itself, its fastest way; along an axis, the sum of the squares."""
    from torch import dot

    def call(x: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
        if axis is None:
            flat = x.reshape(-1)
            return dot(flat, flat).reshape((1,) * x.ndim if keepdims else ())
        return (x * x).sum(axis, keepdim=keepdims)

    return call


def onnx(x: Any, axis: Any = None, *, keepdims: bool = False) -> OnnxGraph:
    """Return one ReduceSumSquare node (opset 18)."""
    import numpy as np

    axes = range(x.ndim) if axis is None else np.atleast_1d(axis)
    node = OnnxNode("ReduceSumSquare", ("x", "axes"), ("out",), {"keepdims": int(keepdims)})
    return OnnxGraph((node,), {"x": x}, {"axes": np.asarray(list(axes), np.int64)})
