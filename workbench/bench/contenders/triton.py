"""Triton: the operation as Triton's own tutorials write such kernels, a row for each program; see `triton_kernels`."""

from __future__ import annotations

from typing import Any

from fused_kernels.catalog import Inputs, Op

from .entry import Entry

OPS = (
    *("add_layer_norm", "cross_entropy", "dropout_add", "gelu", "layer_norm", "log_softmax", "relu", "rms_norm"),
    *("scale", "sigmoid", "silu", "softmax", "swiglu"),
)


def prepare(op: Op, inputs: Inputs, out: Any) -> Entry:
    """Return the entry; the kernel is compiled by the first call, and writes into ``out`` where there is one."""
    import torch as library

    from . import triton_kernels
    from .torch import entry

    return entry(triton_kernels.FORMS[op.name], inputs, out, library.inference_mode)
