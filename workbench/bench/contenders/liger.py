"""Liger-Kernel: its Triton kernels, forward only; those that it has of the operations of the catalogue."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from fused_kernels.catalog import Inputs, Op

from .entry import Entry

OPS = ("cross_entropy", "layer_norm", "rms_norm", "softmax", "swiglu")


def prepare(op: Op, inputs: Inputs, out: Any) -> Entry:
    """Return the entry; gradients are switched off, and it makes a new result at each call."""
    import torch as library

    from .torch import entry

    # Not among our dependencies: a contender is raced where it is installed.
    functions = import_module("liger_kernel.ops")
    return entry(_FORMS[op.name](functions), inputs, None, library.no_grad)


def _cross_entropy(functions: Any) -> Callable[..., Any]:
    apply = functions.LigerCrossEntropyFunction.apply

    def call(
        logits: Any, target: Any, *, ignore_index: int = -100, reduction: str = "mean", label_smoothing: float = 0.0
    ) -> Any:
        return apply(logits, target, None, ignore_index, 0.0, label_smoothing, reduction, None, False)[0]

    return call


def _layer_norm(functions: Any) -> Callable[..., Any]:
    apply = functions.LigerLayerNormFunction.apply
    return lambda x, weight, bias, eps=1e-5: apply(x, weight, bias, eps)


def _rms_norm(functions: Any) -> Callable[..., Any]:
    apply = functions.LigerRMSNormFunction.apply
    return lambda x, weight=None, eps=1e-6: apply(x, weight, eps, 0.0, "llama", False)


def _softmax(functions: Any) -> Callable[..., Any]:
    apply = functions.LigerSoftmaxFunction.apply

    def call(x: Any) -> Any:
        return apply(x)  # which takes no names

    return call


def _swiglu(functions: Any) -> Callable[..., Any]:
    apply = functions.LigerSiLUMulFunction.apply

    def call(gate: Any, up: Any) -> Any:
        return apply(gate, up)

    return call


_FORMS: dict[str, Callable[[Any], Callable[..., Any]]] = {
    "cross_entropy": _cross_entropy,
    "layer_norm": _layer_norm,
    "rms_norm": _rms_norm,
    "softmax": _softmax,
    "swiglu": _swiglu,
}
