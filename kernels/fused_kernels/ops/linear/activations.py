"""What may follow a product: the formulas of `ops.elementwise`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from fused_kernels.ops import elementwise


class Activation(NamedTuple):
    """A function of each element.

    Parameters
    ----------
    formula
        As it is computed.
    idiom
        As NumPy code usually has it.
    flops
        What it takes.
    """

    formula: Callable[[Any], Any]
    idiom: Callable[[Any], Any]
    flops: int


def _nothing(x: Any) -> Any:
    return x


ACTIVATIONS: dict[str | None, Activation] = {
    None: Activation(_nothing, _nothing, 0),
    "relu": Activation(elementwise.relu, elementwise.relu, 1),
    "silu": Activation(elementwise.silu, elementwise.silu, 4),
    "gelu": Activation(elementwise.gelu_erf, elementwise.gelu_erf, 12),
    "gelu_tanh": Activation(elementwise.gelu_tanh, elementwise.usual_gelu_tanh, 8),
}
