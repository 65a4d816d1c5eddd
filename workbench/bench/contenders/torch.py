"""PyTorch, eager: on the CPU with the threads that it chooses itself, and on a GPU."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import numpy as np

from fused_kernels.catalog import Inputs, Op

from .entry import Entry, on_memory, takes_out


def prepare(op: Op, inputs: Inputs, out: Any) -> Entry:
    """Return the entry on tensors that share memory with ``inputs``; inference mode is entered outside the clock."""
    import torch

    return entry(op.peers["torch"](), inputs, out, torch.inference_mode)


def entry(
    function: Callable[..., Any], inputs: Inputs, out: Any, around: Callable[[], AbstractContextManager[Any]]
) -> Entry:
    """Return the entry that calls ``function`` on tensors."""
    writes = takes_out(function)

    def bind(inputs: Inputs, out: Any) -> Entry:
        call: Callable[..., Any] = partial(function, **{name: tensor(value) for name, value in inputs.items()})
        if out is None or not writes:
            return Entry(call, inputs, around=around)
        written = tuple(map(tensor, out)) if isinstance(out, tuple) else tensor(out)
        return Entry(partial(call, out=written), inputs, out, around=around)

    return on_memory(bind, inputs, out)


def tensor(value: Any) -> Any:
    """Return the tensor on an array's memory, NumPy's or that of another library on a GPU; anything else as it is."""
    import torch

    if isinstance(value, np.ndarray):
        return torch.from_numpy(value)
    return (
        torch.utils.dlpack.from_dlpack(value) if hasattr(value, "__dlpack__") and not torch.is_tensor(value) else value
    )
