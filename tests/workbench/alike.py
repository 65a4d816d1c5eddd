"""Whether two runs of a model gave the same: the order in which floats are summed is not promised, nor the last bit."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pytest


def same(found: Any, expected: Any) -> bool:
    """Tell whether arrays, answers of pipelines or lists of them are the same but for the rounding of float32."""
    if isinstance(found, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    if isinstance(found, np.ndarray):
        return (found.shape, found.dtype) == (expected.shape, expected.dtype) and np.allclose(
            found.astype(np.float64), expected.astype(np.float64), rtol=1e-5, atol=1e-5, equal_nan=True
        )
    if is_dataclass(found):
        names = [field.name for field in fields(found)]
        return type(found) is type(expected) and all(same(getattr(found, n), getattr(expected, n)) for n in names)
    return bool(found == (pytest.approx(expected, abs=1e-5) if isinstance(expected, float) else expected))
