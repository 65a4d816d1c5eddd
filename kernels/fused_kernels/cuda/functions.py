"""What functions of Python, NumPy, math and scipy.special are called in elementwise.cuh, and operators in C++."""

from __future__ import annotations

import builtins
import math
import operator
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from fused_kernels import special

_SAME = tuple(
    """
    exp exp2 expm1 log log2 log10 log1p sqrt cbrt sin cos tan sinh cosh tanh floor ceil trunc rint erf erfc lgamma gamma
    square reciprocal sign radians degrees maximum minimum fmax fmin hypot arctan2 copysign power fmod remainder
    floor_divide isnan isinf isfinite absolute arcsin arccos arctan arcsinh arccosh arctanh clip where sigmoid
    normal_cdf
    """.split()  # noqa: SIM905 (a list of words is easier to read)
)
_OTHERWISE = {
    "absolute": ("abs", "fabs"),
    "arcsin": ("asin",),
    "arccos": ("acos",),
    "arctan": ("atan",),
    "arcsinh": ("asinh",),
    "arccosh": ("acosh",),
    "arctanh": ("atanh",),
    "arctan2": ("atan2",),
    "power": ("pow", "float_power"),
    "radians": ("deg2rad",),
    "degrees": ("rad2deg",),
    "sigmoid": ("expit",),
    "normal_cdf": ("ndtr", "fast_normal_cdf"),
    "lgamma": ("gammaln",),
    "exp": ("fast_exp",),
}
WHOLE: dict[Any, str] = {
    math.floor: "floor",
    math.ceil: "ceil",
    math.trunc: "trunc",
    int: "trunc",
    round: "rint",
}
"""What gives an integer in Python; among floats it stays one, since an int64 has no NaN and ends at 9e18."""


def _functions() -> dict[Callable[..., Any], str]:
    found: dict[Any, str] = {builtins.max: "larger", builtins.min: "smaller", builtins.abs: "absolute"}
    for library in filter(None, (np, math, special, sys.modules.get("scipy.special"))):
        for name in _SAME:
            for theirs in (name, *_OTHERWISE.get(name, ())):
                # math's remainder is another one.
                if hasattr(library, theirs) and (library is not math or theirs != "remainder"):
                    found.setdefault(getattr(library, theirs), name)
    return {function: name for function, name in found.items() if function not in WHOLE}


FUNCTIONS = _functions()
"""Each function's name behind ``f_``."""

OPERATORS = {
    operator.add: "+",
    operator.sub: "-",
    operator.mul: "*",
    operator.and_: "&",
    operator.or_: "|",
    operator.xor: "^",
    operator.lshift: "<<",
    operator.rshift: ">>",
}
COMPARISONS = {
    operator.lt: "<",
    operator.le: "<=",
    operator.gt: ">",
    operator.ge: ">=",
    operator.eq: "==",
    operator.ne: "!=",
}
_INPLACE = {
    getattr(operator, f"i{name}"): getattr(operator, name)
    for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "lshift", "rshift")
}
_INPLACE |= {operator.iand: operator.and_, operator.ior: operator.or_, operator.ixor: operator.xor}


def operation_of(value: Any) -> Any:
    """Return the function that an expression of Numba's applies to two values."""
    return value.fn if value.op == "binop" else _INPLACE.get(value.fn, value.immutable_fn)
