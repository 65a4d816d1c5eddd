"""PyTorch, compiled by its inductor to C++ for the CPU and to Triton for a GPU; derived from the eager peer.

The first call compiles, for seconds, and is no sample. Inductor keeps its results where torch keeps them.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from fused_kernels.catalog import Inputs, Op

from . import torch as eager
from .entry import Entry


def prepare(op: Op, inputs: Inputs, out: Any) -> Entry:
    """Return the entry; shapes are fixed, as compiled models have them, and what is no single graph is refused."""
    import torch

    function = _own_copy(op.peers["torch"]())
    return eager.entry(torch.compile(function, fullgraph=True, dynamic=False), inputs, out, _one_process)


def _own_copy(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function with a code object of its own.

    Dynamo counts the shapes that it has compiled for each code object, and after eight it runs the rest eagerly, with
    no more than a line in the log: a race of the ninth shape would be one of eager torch.
    """
    code = getattr(function, "__code__", None)
    if code is None:
        return function
    copy = types.FunctionType(
        code.replace(), function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


@contextmanager
def _one_process() -> Iterator[None]:
    """Compile, if need be, in this process: inductor's workers would stay behind and take time from the race."""
    import torch
    import torch._inductor.config as inductor

    with inductor.patch(compile_threads=1), torch.inference_mode():
        yield
