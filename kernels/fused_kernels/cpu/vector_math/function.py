"""How a function of scalars becomes one that kernels inline."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from fused_kernels.cpu.compile import INLINED, inline

Formula = Callable[..., Any]
_DTYPES = {types.float32: np.float32, types.float64: np.float64}


def compiled(make: Callable[[Any], Formula]) -> Callable[[Formula], Formula]:
    """Make a kernel function of the decorated one, of which only name, arguments (x, or x and y) and docstring count.

    Integers and booleans become floats: of the other argument's dtype, or else float64.

    Parameters
    ----------
    make
        Given ``numpy.float32`` or ``numpy.float64``, returns the formula in that dtype: a Python function with the
        decorated one's arguments. Its constants must be of the dtype, or float32 would be computed in float64.
    """

    def decorate(stub: Formula) -> Formula:
        @functools.wraps(stub)
        def only_compiled(*_args: Any, **_options: Any) -> Any:
            raise TypeError(
                f"vector_math.{stub.__name__} is compiled into kernels; from Python call the one of NumPy or SciPy"
            )

        @functools.cache
        def formula(dtype: Any) -> Formula:
            made = make(dtype)
            made.__annotations__.clear()  # Numba wants the same parameters as those of the lambdas below
            return made

        if len(inspect.signature(stub).parameters) == 1:
            overload(only_compiled, jit_options=INLINED)(lambda x: _select(formula, x))
        else:
            overload(only_compiled, jit_options=INLINED)(lambda x, y: _select(formula, x, y))
        return only_compiled

    return decorate


def _select(formula: Callable[[Any], Formula], *kinds: Any) -> Formula | None:
    if not all(kind in _DTYPES or isinstance(kind, types.Integer | types.Boolean) for kind in kinds):
        return None
    floats = [kind for kind in kinds if kind in _DTYPES]
    widest = max(floats, key=lambda kind: int(kind.bitwidth), default=types.float64)
    dtype = _DTYPES[widest]
    if all(kind == widest for kind in kinds):
        return formula(dtype)
    compute = inline(formula(dtype))
    if len(kinds) == 1:
        return lambda x: compute(dtype(x))
    return lambda x, y: compute(dtype(x), dtype(y))
