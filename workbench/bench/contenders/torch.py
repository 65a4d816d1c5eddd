"""PyTorch, eager, on the CPU, with the threads that it chooses itself."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from fused_kernels.catalog import Inputs, Op

from .entry import Entry, takes_out


def prepare(op: Op, inputs: Inputs, out: Any) -> Entry:
    """Return the entry on tensors that share memory with ``inputs``; inference mode is entered outside the clock."""
    import torch

    function = op.peers["torch"]()
    tensors = {name: _tensor(value) for name, value in inputs.items()}
    if out is None or not takes_out(function):
        return Entry(partial(function, **tensors), inputs, None, _numpy, torch.inference_mode)
    return Entry(partial(function, **tensors, out=torch.from_numpy(out)), inputs, out, _numpy, torch.inference_mode)


def _tensor(value: Any) -> Any:
    import torch

    return torch.from_numpy(value) if isinstance(value, np.ndarray) else value


def _numpy(tensor: Any) -> Any:
    return tensor.detach().cpu().numpy()
