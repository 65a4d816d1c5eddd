"""Whether a result is right: compared with the truth, element by element, and the inputs with what they were."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fused_kernels.catalog import Tolerance

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Parameters
    ----------
    error
        Largest ``|result - truth|`` over the largest ``|truth|``; infinite where they cannot be subtracted.
    fault
        What is wrong, in words; empty if nothing is.
    """

    error: float
    fault: str = ""


def compare_results(result: Any, truth: Any, tolerance: Tolerance) -> Finding:
    """Compare a result with the truth: structure, shape, and each element within ``atol + rtol * |truth|``.

    Parameters
    ----------
    result, truth
        Arrays, or nested tuples, lists and mappings of them. NaN is right where the truth is NaN, an infinity where the
        truth is the same infinity.
    """
    given, expected = leaves(result), leaves(truth)
    if len(given) != len(expected):
        return Finding(math.inf, f"returns {len(given)} arrays instead of {len(expected)}")
    findings = [_compare(one, other, tolerance) for one, other in zip(given, expected, strict=True)]
    fault = next((finding.fault for finding in findings if finding.fault), "")
    return Finding(max((finding.error for finding in findings), default=0.0), fault)


def changed(inputs: Any, pristine: Any) -> bool:
    """Tell whether any bit of the inputs' arrays differs from the pristine ones."""
    return any(
        one.shape != other.shape or one.tobytes() != other.tobytes()
        for one, other in zip(leaves(inputs), leaves(pristine), strict=True)
    )


def poison(out: Any) -> None:
    """Fill a buffer with what no right result contains, so that a call that does not write is found out."""
    if isinstance(out, np.ndarray) and out.dtype.kind in "fciu":
        out.fill(np.nan if out.dtype.kind in "fc" else np.iinfo(out.dtype).max)


def leaves(value: Any) -> list[Array]:
    """Return the arrays in a value, in order: NumPy's, other libraries' and numbers; what is neither is left out."""
    if isinstance(value, np.ndarray):
        return [value]
    if isinstance(value, Mapping):
        return [leaf for item in value.values() for leaf in leaves(item)]
    if isinstance(value, list | tuple):
        return [leaf for item in value for leaf in leaves(item)]
    if hasattr(value, "detach"):  # a torch tensor: NumPy takes it only without gradients, and from the CPU
        value = value.detach().cpu().resolve_conj().resolve_neg()
        value = value.float() if str(value.dtype) in ("torch.bfloat16", "torch.float16") else value
    if value is None or isinstance(value, str | bytes):
        return []
    array = np.asarray(value)
    return [array] if array.dtype.kind in "biufc" else []


def _compare(result: Array, truth: Array, tolerance: Tolerance) -> Finding:
    if result.shape != truth.shape:
        return Finding(math.inf, f"returns the shape {result.shape} instead of {truth.shape}")
    if not truth.size:
        return Finding(0.0)
    wide = np.result_type(truth.dtype, np.float64)
    given, expected = result.astype(wide), truth.astype(wide)
    finite = np.isfinite(expected)
    same = (given == expected) | (np.isnan(given) & np.isnan(expected))
    if not np.all(same | finite):
        return Finding(math.inf, f"has {_count(~same & ~finite)} numbers where the truth is infinite or not a number")
    if not np.all(np.isfinite(given) | ~finite):
        return Finding(math.inf, f"has {_count(finite & ~np.isfinite(given))} values that are infinite or not a number")
    difference = np.where(finite, np.abs(np.where(finite, given, 0) - np.where(finite, expected, 0)), 0)
    size = np.where(finite, np.abs(np.where(finite, expected, 0)), 0)
    largest = float(size.max())
    error = float(difference.max()) / largest if largest else float(difference.max())
    outside = difference > tolerance.atol + tolerance.rtol * size
    if outside.any():
        share = float(outside.mean())
        return Finding(error, f"is off by {error:.1g} of the largest value, in {_percent(share)} of the elements")
    return Finding(error)


def _count(mask: Array) -> str:
    return f"{int(np.count_nonzero(mask)):,}"


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 else "less than 1%"
