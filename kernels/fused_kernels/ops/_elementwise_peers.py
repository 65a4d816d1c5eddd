"""The formulas of `elementwise` as other libraries write them: in as few calls as each allows."""

# ruff: noqa: PLW0108 (other libraries name their arguments otherwise, or not at all)

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fused_kernels.catalog import OnnxGraph, OnnxNode

from ._peers import Peer, numexpr, polyglot


def _torch(make: Callable[[Any], Callable[..., Any]]) -> Peer:
    """Return the peer that ``make`` makes of the module torch."""

    def peer() -> Callable[..., Any]:
        import torch

        return make(torch)

    return peer


def _jax(make: Callable[[Any, Any], Callable[..., Any]]) -> Peer:
    """Return the peer that ``make`` makes of jax.numpy and jax.nn."""

    def peer() -> Callable[..., Any]:
        from jax import nn, numpy

        return make(numpy, nn)

    return peer


def _onnx(*nodes: tuple[str, str] | OnnxNode, constants: tuple[str, ...] = ()) -> Callable[..., OnnxGraph]:
    """Return the graph of nodes, each ``("Operator", "first second -> result")``; the last result is ``out``."""
    made = []
    for node in nodes:
        if isinstance(node, OnnxNode):
            made.append(node)
            continue
        operator, (inputs, outputs) = node[0], (part.split() for part in node[1].split("->"))
        made.append(OnnxNode(operator, tuple(inputs), tuple(outputs)))

    def graph(**inputs: Any) -> OnnxGraph:
        kind = next(value.dtype for value in inputs.values() if isinstance(value, np.ndarray))
        fixed = {name: np.asarray(inputs[name], kind) for name in constants}
        fed = {name: value for name, value in inputs.items() if isinstance(value, np.ndarray)}
        return OnnxGraph(tuple(made), fed, fixed)

    return graph


def _gelu_onnx(x: Any, *, approximate: str = "none") -> OnnxGraph:
    return OnnxGraph((OnnxNode("Gelu", ("x",), ("out",), {"approximate": approximate}),), {"x": x})


def _gelu_torch(torch: Any) -> Callable[..., Any]:
    return lambda x, *, approximate="none": torch.nn.functional.gelu(x, approximate=approximate)


def _gelu_jax(_numpy: Any, nn: Any) -> Callable[..., Any]:
    return lambda x, *, approximate="none": nn.gelu(x, approximate=approximate == "tanh")


PEERS: Mapping[str, Mapping[str, Callable[..., Any]]] = {
    "scale": {
        "torch": _torch(lambda torch: lambda x, factor, *, out=None: torch.mul(x, factor, out=out)),
        "onnx": _onnx(("Mul", "x factor -> out"), constants=("factor",)),
        "jax": _jax(lambda jnp, nn: lambda x, factor: x * factor),
        "numexpr": numexpr("x * factor"),
        "polyglot": polyglot("parallel_map_numpy", "x", "factor"),
    },
    "relu": {
        # clamp_min does the same as relu, which has no out.
        "torch": _torch(lambda torch: lambda x, *, out=None: torch.clamp_min(x, 0, out=out)),
        "onnx": _onnx(("Relu", "x -> out")),
        "jax": _jax(lambda jnp, nn: nn.relu),
        "numexpr": numexpr("where(x < 0, 0 * x, x)"),
        "polyglot": polyglot("relu_numpy", "x"),
    },
    "sigmoid": {
        "torch": _torch(lambda torch: lambda x, *, out=None: torch.sigmoid(x, out=out)),
        "onnx": _onnx(("Sigmoid", "x -> out")),
        "jax": _jax(lambda jnp, nn: nn.sigmoid),
        "numexpr": numexpr("1 / (1 + exp(-x))"),
        "polyglot": polyglot("sigmoid_numpy", "x"),
    },
    "tanh": {
        "torch": _torch(lambda torch: lambda x, *, out=None: torch.tanh(x, out=out)),
        "onnx": _onnx(("Tanh", "x -> out")),
        "jax": _jax(lambda jnp, nn: lambda x: jnp.tanh(x)),
        "numexpr": numexpr("tanh(x)"),
    },
    "silu": {
        "torch": _torch(lambda torch: lambda x: torch.nn.functional.silu(x)),
        "onnx": _onnx(("Sigmoid", "x -> gate"), ("Mul", "x gate -> out")),
        "jax": _jax(lambda jnp, nn: nn.silu),
        "numexpr": numexpr("x / (1 + exp(-x))"),
    },
    "gelu": {"torch": _torch(_gelu_torch), "onnx": _gelu_onnx, "jax": _jax(_gelu_jax)},
    "swiglu": {
        "torch": _torch(lambda torch: lambda gate, up: torch.nn.functional.silu(gate).mul_(up)),
        "onnx": _onnx(("Sigmoid", "gate -> s"), ("Mul", "gate s -> silu"), ("Mul", "silu up -> out")),
        "jax": _jax(lambda jnp, nn: lambda gate, up: nn.silu(gate) * up),
        "numexpr": numexpr("gate / (1 + exp(-gate)) * up"),
    },
    "dropout_add": {
        "torch": _torch(
            lambda torch: (
                lambda x, residual, mask, scale, *, out=None: torch.addcmul(residual, x, mask, value=scale, out=out)
            )
        ),
        "onnx": _onnx(
            ("Mul", "x mask -> kept"),
            ("Mul", "kept scale -> scaled"),
            ("Add", "scaled residual -> out"),
            constants=("scale",),
        ),
        "jax": _jax(lambda jnp, nn: lambda x, residual, mask, scale: x * mask * scale + residual),
        "numexpr": numexpr("x * mask * scale + residual"),
        "polyglot": polyglot("fused_dropout_add", "x", "residual", "mask", "scale", flat=False),
    },
}
