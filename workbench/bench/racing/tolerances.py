"""How far a right result may be from the truth, and which dtype it is due in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from fused_kernels.catalog import Inputs, Tolerance

from .check import leaves, typed_leaves

# What two ways of computing the same thing may differ by where no operation states it, relative to the largest value.
# By the bits of a number; of a bfloat16 fewer belong to its digits than of a float16.
_USUAL = {16: 1e-2, 32: 1e-4, 64: 1e-9}
_BRAIN = 5e-2
# What other libraries may be off by, relative to the largest value.
_OTHERS = {"float32": 1e-6, "float64": 1e-11}
_UNITS = {"float16": 2.0**-11, "bfloat16": 2.0**-8}
"""Half a unit in the last place of 1, by which one rounding may be off."""
_ENOUGH = 1_000_000
"""Elements of which a typical value is told."""
_LEAST_FLOAT16 = 2.0**-24
"""The least number that float16 has."""


def on_device(known: Mapping[str, Tolerance], dtype: str) -> Tolerance | None:
    """Return an operation's tolerance on a GPU, where there are narrow dtypes that the CPU's kernels do not have.

    Libraries round several times on the way to what we round once, so the relative part is four units in the last
    place; what cancels adds to the absolute part in :func:`for_all`.
    """
    if dtype in known or dtype not in _UNITS:
        return known.get(dtype)
    base = known["float32"]
    return Tolerance(base.rtol + 4 * _UNITS[dtype], base.atol + _LEAST_FLOAT16 * (dtype == "float16"))


def for_all(tolerance: Tolerance, dtype: str, truth: Any) -> Tolerance:
    """Widen an operation's tolerance, which our kernels are held to, for what other libraries cannot help.

    ONNX stores an attribute such as epsilon as float32, which moves a float64 layer norm by 1e-13; a gelu of torch is
    off by 3e-7 of the largest value where its erf cancels.
    """
    if dtype in _UNITS:
        # Of the typical value and not of the largest, beside which most of a softmax's are nothing.
        return Tolerance(tolerance.rtol, tolerance.atol + 4 * _UNITS[dtype] * _typical(truth))
    return Tolerance(tolerance.rtol, max(tolerance.atol, _OTHERS.get(dtype, 0.0) * _largest(truth)))


def usual(result: Any, truth: Any, inputs: Inputs, *, brain: bool = False) -> Tolerance:
    """Return what two ways of computing the same thing may differ by, by the coarsest dtype of a right result.

    A number of Python's own was as likely computed in the dtype of the inputs. ``brain`` tells of inputs in bfloat16,
    whose values NumPy has as float32.
    """
    if brain:
        return Tolerance(rtol=_BRAIN, atol=_BRAIN * _largest(truth))
    widest = _widest(inputs)
    kinds = [leaf.dtype or widest for leaf in typed_leaves(result) if leaf.array.dtype.kind in "fc"]
    if not kinds:
        return Tolerance(rtol=0.0, atol=0.0)
    coarsest = max(_USUAL.get(min(bits(kind), 64), _USUAL[64]) if kind != "bfloat16" else _BRAIN for kind in kinds)
    return Tolerance(rtol=coarsest, atol=coarsest * _largest(truth))


def _largest(truth: Any) -> float:
    finite = [np.abs(leaf[np.isfinite(leaf)]).max(initial=0) for leaf in leaves(truth) if leaf.dtype.kind in "fc"]
    return float(max(finite, default=0))


def _typical(truth: Any) -> float:
    """Return the root of the mean square of the array whose is the largest, of a million elements of each."""
    some = [leaf.reshape(-1)[:: max(1, leaf.size // _ENOUGH)] for leaf in leaves(truth) if leaf.dtype.kind == "f"]
    kept = [each[np.isfinite(each)].astype(np.float64, copy=False) for each in some]
    return max((float(np.sqrt(np.mean(np.square(each)))) for each in kept if each.size), default=0.0)


def due(result: Any, inputs: Inputs, floating: str | None = None) -> tuple[str, ...]:
    """Return the dtypes in which a result is due, by that of the trusted one.

    ``floating`` is the dtype of the floating-point numbers where the result at hand was computed in a wider one.

    A single number need not be wider than the inputs: ``float(x.sum())`` is a double in Python whatever ``x`` is.
    """
    if floating is not None:
        return tuple(floating if bits(leaf.dtype) else leaf.dtype for leaf in typed_leaves(result))
    widest = _widest(inputs)
    return tuple(
        widest if not leaf.array.ndim and bits(widest) < (bits(leaf.dtype) or 64) else leaf.dtype
        for leaf in typed_leaves(result)
    )


def narrower(given: str, expected: str) -> bool:
    """Tell whether one floating-point dtype holds fewer bits of each number than another.

    >>> narrower("float16", "float32"), narrower("float64", "float32"), narrower("int8", "float32")
    (True, False, False)
    """
    return 0 < bits(given) < bits(expected)


def bits(dtype: str) -> int:
    """Return the bits of a real floating-point number of a dtype, and 0 for what is none."""
    digits = re.search("(b?float|complex)(\\d+)", dtype)
    return 0 if digits is None else int(digits[2]) // (2 if digits[1] == "complex" else 1)


def _widest(inputs: Inputs) -> str:
    """Return the widest dtype of the floating-point numbers among the inputs; float64 if there are none."""
    kinds = [leaf.dtype for leaf in typed_leaves(inputs) if bits(leaf.dtype)]
    return max(kinds, key=bits, default="float64")
