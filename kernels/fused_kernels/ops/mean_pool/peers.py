"""mean_pool as other libraries write it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fused_kernels.catalog import OnnxGraph, OnnxNode


def torch() -> Callable[..., Any]:
    """Return what sentence-transformers computes; its mask multiplies, so a NaN under it spreads."""
    import torch as library

    def call(x: Any, mask: Any = None) -> Any:
        if mask is None:
            return x.mean(dim=-2)
        weights = (mask != 0).unsqueeze(-1).expand(x.shape).to(x.dtype)
        return library.sum(x * weights, -2) / library.clamp(weights.sum(-2), min=1e-9)

    return call


def jax() -> Callable[..., Any]:
    """Return the same on JAX's arrays."""
    from jax import numpy as jnp

    def call(x: Any, mask: Any = None) -> Any:
        if mask is None:
            return x.mean(axis=-2)
        weights = (mask != 0)[..., None].astype(x.dtype)
        return (x * weights).sum(axis=-2) / jnp.maximum(weights.sum(axis=-2), 1e-9)

    return call


def onnx(x: Any, mask: Any = None) -> OnnxGraph:
    """Return the graph that exporters write: the mask as numbers, a product, two sums and a quotient."""
    import numpy as np

    axes = np.asarray([-2])
    if mask is None:
        return OnnxGraph((OnnxNode("ReduceMean", ("x", "axes"), ("out",), {"keepdims": 0}),), {"x": x}, {"axes": axes})
    number = 1 if x.dtype == np.float32 else 11  # of the dtype, in ONNX
    nodes = (
        OnnxNode("Cast", ("mask",), ("kept",), {"to": 9}),
        OnnxNode("Cast", ("kept",), ("numbers",), {"to": number}),
        OnnxNode("Unsqueeze", ("numbers", "last"), ("weights",)),
        OnnxNode("Mul", ("x", "weights"), ("weighted",)),
        OnnxNode("ReduceSum", ("weighted", "axes"), ("total",), {"keepdims": 0}),
        OnnxNode("ReduceSum", ("weights", "axes"), ("count",), {"keepdims": 0}),
        OnnxNode("Max", ("count", "least"), ("bounded",)),
        OnnxNode("Div", ("total", "bounded"), ("out",)),
    )
    constants = {"axes": axes, "last": np.asarray([-1]), "least": np.asarray(1e-9, x.dtype)}
    return OnnxGraph(nodes, {"x": x, "mask": mask}, constants)
