"""matmul as other libraries write it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fused_kernels.catalog import OnnxGraph, OnnxNode
from fused_kernels.ops._peers import polyglot as _polyglot


def torch() -> Callable[..., Any]:
    """Return torch.matmul."""
    from torch import matmul

    return lambda a, b, out=None: matmul(a, b, out=out)


def jax() -> Callable[..., Any]:
    """Return jax.numpy.matmul."""
    from jax import numpy

    function: Callable[..., Any] = numpy.matmul
    return function


polyglot = _polyglot("matmul_numpy", "a", "b", flat=False)


def onnx(a: Any, b: Any) -> OnnxGraph:
    """Return MatMul of two inputs."""
    return OnnxGraph((OnnxNode("MatMul", ("a", "b"), ("out",)),), {"a": a, "b": b})
