"""sum_of_squares as other libraries write it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fused_kernels.catalog import OnnxGraph, OnnxNode
from fused_kernels.ops._peers import numexpr as _numexpr
from fused_kernels.ops._peers import polyglot as _polyglot


def torch() -> Callable[..., Any]:
    """Return torch's scalar product of a tensor with itself, its fastest way; along an axis, the sum of the squares."""
    from torch import dot

    def call(x: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
        if axis is None:
            flat = x.reshape(-1)
            return dot(flat, flat).reshape((1,) * x.ndim if keepdims else ())
        return (x * x).sum(axis, keepdim=keepdims)

    return call


def jax() -> Callable[..., Any]:
    """Return the sum of the squares, which XLA computes in one pass."""
    from jax import numpy as jnp

    return lambda x, axis=None, *, keepdims=False: jnp.sum(x * x, axis=axis, keepdims=keepdims)


def numexpr() -> Callable[..., Any]:
    """Return the sum in a formula; along an axis numexpr has it for one axis only."""
    whole = _numexpr("sum(x * x)")()

    def call(x: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
        if axis is not None or keepdims:
            raise ValueError("the peer in numexpr sums over everything only")
        return whole(x=x)

    return call


def polyglot() -> Callable[..., Any]:
    """Return sum_of_squares_numpy, over everything."""
    whole = _polyglot("sum_of_squares_numpy", "x")()

    def call(x: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
        if axis is not None or keepdims:
            raise ValueError("sum_of_squares_numpy of polyglot-bridge sums over everything only")
        return whole(x=x)

    return call


def onnx(x: Any, axis: Any = None, *, keepdims: bool = False) -> OnnxGraph:
    """Return one ReduceSumSquare node (opset 18)."""
    import numpy as np

    axes = range(x.ndim) if axis is None else np.atleast_1d(axis)
    node = OnnxNode("ReduceSumSquare", ("x", "axes"), ("out",), {"keepdims": int(keepdims)})
    return OnnxGraph((node,), {"x": x}, {"axes": np.asarray(list(axes), np.int64)})
