"""Python's and NumPy's ways to choose between numbers, in a form that LLVM turns into one instruction each."""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import overload

from .compile import INLINED


def larger(x: Any, y: Any, z: Any = None) -> Any:
    """Python's ``max`` of two or three numbers."""


def smaller(x: Any, y: Any, z: Any = None) -> Any:
    """Python's ``min`` of two or three numbers."""


def where(condition: Any, x: Any, y: Any) -> Any:
    """``numpy.where`` of numbers."""


def clip(x: Any, low: Any, high: Any) -> Any:
    """``numpy.clip`` of numbers; NaN stays NaN."""


# Lambdas, since Numba wants the same parameters, without annotations, of an overload and of what it returns.
overload(larger, jit_options=INLINED)(
    lambda x, y, z=None: (
        (lambda x, y, z=None: y if y > x else x) if _is_missing(z) else (lambda x, y, z=None: larger(larger(x, y), z))
    )
)
overload(smaller, jit_options=INLINED)(
    lambda x, y, z=None: (
        (lambda x, y, z=None: y if y < x else x) if _is_missing(z) else (lambda x, y, z=None: smaller(smaller(x, y), z))
    )
)
overload(where, jit_options=INLINED)(lambda condition, x, y: lambda condition, x, y: x if condition else y)
overload(clip, jit_options=INLINED)(lambda x, low, high: lambda x, low, high: smaller(larger(x, low), high))


def _is_missing(kind: Any) -> bool:
    return kind is None or kind == types.none or isinstance(kind, types.Omitted)
