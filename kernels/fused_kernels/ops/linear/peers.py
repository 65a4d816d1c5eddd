"""linear as other libraries write it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fused_kernels.catalog import OnnxGraph, OnnxNode


def torch() -> Callable[..., Any]:
    """Return torch's linear on tensors, its activation in place."""
    from torch.nn import functional

    activations: dict[str | None, Callable[[Any], Any]] = {
        None: lambda y: y,
        "relu": lambda y: y.relu_(),
        "silu": lambda y: functional.silu(y, inplace=True),
        "gelu": functional.gelu,
        "gelu_tanh": lambda y: functional.gelu(y, approximate="tanh"),
    }

    def call(x: Any, weight: Any, bias: Any = None, *, activation: str | None = None) -> Any:
        return activations[activation](functional.linear(x, weight.T, bias))

    return call


def onnx(x: Any, weight: Any, bias: Any = None, *, activation: str | None = None) -> OnnxGraph:
    """Return MatMul, Add and the activation, as exporters write them, with a constant weight (Gelu is of opset 20)."""
    product = OnnxNode("MatMul", ("x", "weight"), ("product",))
    nodes, constants, last = [product], {"weight": weight}, "product"
    if bias is not None:
        nodes.append(OnnxNode("Add", ("product", "bias"), ("sum",)))
        constants["bias"], last = bias, "sum"
    if activation == "relu":
        nodes.append(OnnxNode("Relu", (last,), ("out",)))
    elif activation == "silu":
        nodes += [OnnxNode("Sigmoid", (last,), ("gate",)), OnnxNode("Mul", (last, "gate"), ("out",))]
    elif activation in ("gelu", "gelu_tanh"):
        kind = "tanh" if activation == "gelu_tanh" else "none"
        nodes.append(OnnxNode("Gelu", (last,), ("out",), {"approximate": kind}))
    else:
        nodes.append(OnnxNode("Identity", (last,), ("out",)))
    return OnnxGraph(tuple(nodes), {"x": x}, constants)
