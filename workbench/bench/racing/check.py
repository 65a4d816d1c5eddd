"""Whether a result is right: compared with the truth, element by element, and the inputs with what they were."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np

from fused_kernels.catalog import Tolerance

from .far import Far, far, near

Array = np.ndarray[Any, Any]
_BLOCK = 1 << 15
"""Elements that are compared at once, so that what is computed on the way stays in the cache."""


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
    now, then = leaves(inputs), leaves(pristine)
    return len(now) != len(then) or any(not same_bits(one, other) for one, other in zip(now, then, strict=True))


def same_bits(one: Array, other: Array) -> bool:
    """Tell whether two arrays have the same shape and the same bytes, NaN and the sign of zero included."""
    one, other = near(one), near(other)
    if one.shape != other.shape:
        return False
    if not (one.flags.c_contiguous and other.flags.c_contiguous) or one.dtype != other.dtype:
        return one.tobytes() == other.tobytes()
    word = np.uint64 if one.nbytes % 8 == 0 else np.uint8
    return np.array_equal(one.reshape(-1).view(word), other.reshape(-1).view(word))


def poison(out: Any) -> None:
    """Fill buffers with what no right result contains, so that a call that does not write is found out."""
    if isinstance(out, tuple):
        for each in out:
            poison(each)
    elif isinstance(out, np.ndarray) and (value := poison_of(out.dtype)) is not None:
        out.fill(value)
    elif (array := far(out)) is not None and (value := poison_of(array.dtype)) is not None:
        array.fill((), value)


def poison_of(dtype: np.dtype[Any]) -> float | int | None:
    """Return what no right result contains, as far as there is such a thing: NaN, or the largest integer."""
    if dtype.kind in "fc":
        return np.nan
    return int(np.iinfo(dtype).max) if dtype.kind in "iu" else None


@dataclass(frozen=True)
class Leaf:
    """One array in a value.

    Parameters
    ----------
    array
        As NumPy's, whatever library it came from; one of a GPU stays there until its values are needed.
    dtype
        What it was before, such as ``"bfloat16"``; empty for Python's own numbers.
    foreign
        The type's name where it is no array or number of NumPy, PyTorch, JAX or Python, but had to be asked for one.
    waits
        Whether it may be computed in the background, as JAX's arrays are.
    """

    array: Any
    dtype: str
    foreign: str = ""
    waits: bool = False


def leaves(value: Any) -> list[Any]:
    """Return the arrays in a value, in order: NumPy's, other libraries' and numbers; what is neither is left out.

    Those of a mapping, a tuple or a list, and of a dataclass by its fields.
    """
    return [leaf.array for leaf in typed_leaves(value)]


def typed_leaves(value: Any) -> list[Leaf]:
    """Return the same with the dtypes that the values had before NumPy took them."""
    if isinstance(value, np.ma.MaskedArray):  # what lies under the mask is nobody's result
        return [Leaf(value.filled(np.nan if value.dtype.kind in "fc" else 0), value.dtype.name)]
    if isinstance(value, np.ndarray):
        return [Leaf(np.asarray(value), value.dtype.name)]  # of a subclass the plain memory
    if isinstance(value, Mapping):
        return [leaf for item in value.values() for leaf in typed_leaves(item)]
    if isinstance(value, list | tuple):
        return [leaf for item in value for leaf in typed_leaves(item)]
    if is_dataclass(value) and not isinstance(value, type):
        return [leaf for item in fields(value) for leaf in typed_leaves(getattr(value, item.name))]
    if value is None or isinstance(value, str | bytes):
        return []
    if (array := far(value)) is not None:
        return [Leaf(array, array.name)] if array.dtype.kind in "biufc" else []
    given = str(getattr(value, "dtype", "")).removeprefix("torch.")
    waits = hasattr(value, "block_until_ready")
    library = waits or hasattr(value, "detach")
    if hasattr(value, "detach"):  # a torch tensor: NumPy takes it only without gradients, and from the CPU
        value = value.detach().cpu().resolve_conj().resolve_neg()
        value = value.float() if given in ("bfloat16", "float16") else value
    foreign = "" if library or isinstance(value, np.generic | complex | float | int) else type(value).__name__
    taken = np.asarray(value)
    if taken.dtype.name == "bfloat16":
        taken = taken.astype(np.float32)
    return [Leaf(taken, given, foreign, waits)] if taken.dtype.kind in "biufc" else []


def rounded(truth: Any) -> Any:
    """Return a truth with its long doubles as float64: half a unit in the last place off, and far faster."""
    if isinstance(truth, np.ndarray):
        return truth.astype(np.float64) if truth.dtype.kind == "f" else truth
    if isinstance(truth, tuple):
        return tuple(map(rounded, truth))
    return truth


def _compare(result: Array | Far, truth: Array, tolerance: Tolerance) -> Finding:
    if result.shape != truth.shape:
        return Finding(math.inf, f"returns the shape {result.shape} instead of {truth.shape}")
    if not truth.size:
        return Finding(0.0)
    count = _Count()
    given, expected = near(result).reshape(-1), truth.reshape(-1)
    for start in range(0, truth.size, _BLOCK):
        count.add(given[start : start + _BLOCK], expected[start : start + _BLOCK], tolerance)
    if count.misplaced:
        return Finding(math.inf, f"has {count.misplaced:,} numbers where the truth is infinite or not a number")
    if count.unbounded:
        return Finding(math.inf, f"has {count.unbounded:,} values that are infinite or not a number")
    error = count.difference / count.largest if count.largest else count.difference
    if count.outside:
        share = percent(count.outside / truth.size)
        return Finding(error, f"is off by {error:.1g} of the largest value, in {share} of the elements")
    return Finding(error)


class _Count:
    """What was found in the blocks so far."""

    def __init__(self) -> None:
        self.difference = self.largest = 0.0
        self.outside = self.misplaced = self.unbounded = 0

    def add(self, result: Array, truth: Array, tolerance: Tolerance) -> None:
        wide = np.result_type(truth.dtype, np.float64)
        given, expected = result.astype(wide, copy=False), truth.astype(wide, copy=False)
        with np.errstate(invalid="ignore", over="ignore"):
            difference = np.abs(given - expected)
        if not np.isfinite(difference.max()):
            finite = np.isfinite(expected)
            same = (given == expected) | (np.isnan(given) & np.isnan(expected))
            self.misplaced += int(np.count_nonzero(~same & ~finite))
            self.unbounded += int(np.count_nonzero(finite & ~np.isfinite(given)))
            both = finite & np.isfinite(given)
            expected, difference = expected[both], difference[both]
        size = np.abs(expected)
        self.largest = max(self.largest, float(size.max(initial=0)))
        self.difference = max(self.difference, float(difference.max(initial=0)))
        self.outside += int(np.count_nonzero(difference > tolerance.atol + tolerance.rtol * size))


def percent(share: float) -> str:
    """Return a share in words, such as ``12%``."""
    return f"{share:.0%}" if share >= 0.01 else "less than 1%"
