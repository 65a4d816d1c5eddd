"""linear as other libraries write it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fused_kernels.catalog import OnnxGraph, OnnxNode
from fused_kernels.ops._peers import polyglot as _polyglot


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


def jax() -> Callable[..., Any]:
    """Return the product, the sum and jax.nn's activation."""
    from jax import nn

    activations: dict[str | None, Callable[[Any], Any]] = {
        None: lambda y: y,
        "relu": nn.relu,
        "silu": nn.silu,
        "gelu": lambda y: nn.gelu(y, approximate=False),
        "gelu_tanh": nn.gelu,
    }

    def call(x: Any, weight: Any, bias: Any = None, *, activation: str | None = None) -> Any:
        product = x @ weight
        return activations[activation](product if bias is None else product + bias)

    return call


def polyglot() -> Callable[..., Any]:
    """Return fused_linear and fused_linear_relu; a flat result, as those for float32 give, gets its shape."""
    functions = {
        name: _polyglot(function, "x", "weight", "bias", flat=False)()
        for name, function in ((None, "fused_linear"), ("relu", "fused_linear_relu"))
    }

    def call(x: Any, weight: Any, bias: Any, *, activation: str | None = None) -> Any:
        if activation not in functions:
            raise ValueError(f"polyglot-bridge has no linear with {activation}")
        return functions[activation](x=x, weight=weight, bias=bias).reshape(len(x), -1)

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
