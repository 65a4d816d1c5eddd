"""tensor_stats as torch writes it. ONNX has nothing like it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import grid
from .result import TensorStats


def torch() -> Callable[..., Any]:
    """Return the separate calls of torch, one for each statistic."""
    import torch as library

    def call(x: Any, *, bins: int = 64) -> Any:
        nan, inf = int(x.isnan().sum()), int(x.isinf().sum())
        zeros = x.numel() - int(x.count_nonzero())
        finite = x[x.isfinite()] if nan or inf else x
        low, high = (float(value) for value in finite.aminmax())
        std, mean = library.std_mean(finite, correction=0)
        counts, edges = np.zeros(0, np.int64), np.zeros(0)
        if bins:
            limits = grid.precision(np.dtype(str(x.dtype).removeprefix("torch.")))
            edges = grid.edges_of(low, high, grid.final_power(low, high, bins, *limits))
            histogram = library.histc(finite, edges.size - 1, float(edges[0]), float(edges[-1]))
            counts = histogram.numpy().astype(np.int64)
        absmax = max(abs(low), abs(high))
        return TensorStats(x.numel(), low, high, float(mean), float(std), absmax, zeros, nan, inf, counts, edges)

    return call
