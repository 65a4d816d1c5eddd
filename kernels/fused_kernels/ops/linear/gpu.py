"""linear on a GPU: the product by cuBLAS, or cuBLASLt with its epilogue; what is left by one kernel in place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fused_kernels.cuda import elements
from fused_kernels.cuda.arrays import Library
from fused_kernels.cuda.call import Call
from fused_kernels.cuda.launch import Plan

from .activations import ACTIVATIONS


def plan(call: Call) -> Plan:
    """Return what the GPU does."""
    return Plan("library", "cuBLAS through the arrays' own library; bias and activation in its epilogue or in one pass")


def compute(library: Library, arrays: Mapping[str, Any], options: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the result of the layer, in a tuple."""
    x, weight, bias, activation = arrays["x"], arrays["weight"], arrays["bias"], options["activation"]
    fused = library.linear(x, weight, bias, activation)
    if fused is not None:
        return (fused,)
    if bias is None and activation is None:
        return (library.matmul(x, weight),)
    product = library.product(x, weight)
    formula, given = (_PLAIN, {"x": product}) if bias is None else (_BIASED, {"x": product, "bias": bias})
    view = library.view("linear", "x", x)
    narrow = library.view("linear", "x", product).dtype != view.dtype
    out = library.empty((*view.shape[:-1], weight.shape[-1]), view.dtype, view.device) if narrow else product
    return (elements.run(formula[activation], library, given, out),)


def _biased(name: str | None) -> Callable[..., Any]:
    activation = ACTIVATIONS[name].formula

    def linear(x: Any, bias: Any) -> Any:
        return activation(x + bias)

    return _as_formula(linear)


def _plain(name: str | None) -> Callable[..., Any]:
    activation = ACTIVATIONS[name].formula

    def linear(x: Any) -> Any:
        return activation(x)

    return _as_formula(linear)


def _as_formula(function: Any) -> Callable[..., Any]:
    function.formula = function
    taking: Callable[..., Any] = function
    return taking


_BIASED = {name: _biased(name) for name in ACTIVATIONS}
_PLAIN = {name: _plain(name) for name in ACTIVATIONS}
"""By the name of the activation: what is done with each element of the product."""
