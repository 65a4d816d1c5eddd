"""Fused kernels: NumPy in, NumPy out, in one pass and on all cores.

>>> import fused_kernels as fk
>>> fk.softmax([[0.0, 0.0]])
array([[0.5, 0.5]])
>>> fk.OPS["softmax"].summary
'exp(x) / sum(exp(x)) over an axis, without overflow'

Every operation of the catalogue :data:`OPS` is a function of this package. Numba is imported by the first call.
"""

from __future__ import annotations

from typing import Any

from .catalog import OPS, Catalog, Cost, Op, Tolerance
from .cpu.threads import get_num_threads, set_num_threads
from .errors import DtypeError, FormulaError, KernelError, ShapeError, UnknownOperationError
from .explanation import Explanation, explain
from .formula import elementwise
from .warmup import warmup

__all__ = [
    "OPS",
    "Catalog",
    "Cost",
    "DtypeError",
    "Explanation",
    "FormulaError",
    "KernelError",
    "Op",
    "ShapeError",
    "Tolerance",
    "UnknownOperationError",
    "elementwise",
    "explain",
    "get_num_threads",
    "set_num_threads",
    "warmup",
]


def __getattr__(name: str) -> Any:
    if name.startswith("_") or name not in OPS:
        known = ", ".join(OPS) if not name.startswith("_") else ""
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; its operations are: {known}")
    function = OPS[name].function
    if not OPS.is_added(name):
        globals()[name] = function
    return function


def __dir__() -> list[str]:
    return sorted({*globals(), *OPS})
