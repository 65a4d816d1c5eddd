"""PyTorch, eager, on the CPU, with the threads that it chooses itself."""

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
        call: Callable[..., Any] = partial(function, **{name: _tensor(value) for name, value in inputs.items()})
        if out is None or not writes:
            return Entry(call, inputs, around=around)
        written = tuple(map(_tensor, out)) if isinstance(out, tuple) else _tensor(out)
        return Entry(partial(call, out=written), inputs, out, around=around)

    return on_memory(bind, inputs, out)


def _tensor(value: Any) -> Any:
    import torch

    return torch.from_numpy(value) if isinstance(value, np.ndarray) else value
