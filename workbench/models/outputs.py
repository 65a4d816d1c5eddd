"""What a run gives back: its outputs by name, and what computed them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class Outputs(dict[str, Any]):
    """The outputs of one run by name, with a note of what computed them.

    Parameters
    ----------
    names, values
        The outputs in order.
    provider
        ``"cpu"``, ``"cuda"`` or ``"tensorrt"`` for ONNX Runtime there; ``"reference"`` for onnx's reference evaluator.
    reason
        Why it was the reference evaluator though that was not asked for; else empty.

    Examples
    --------
    >>> import numpy as np, workbench as wb
    >>> wb.load("sample:mlp", provider="auto").run({"x": np.zeros((1, 16), np.float32)}).provider
    'cpu'
    """

    __slots__ = ("provider", "reason")

    def __init__(self, names: Iterable[str], values: Iterable[Any], provider: str, reason: str = "") -> None:
        super().__init__(zip(names, values, strict=True))
        self.provider = provider
        self.reason = reason
