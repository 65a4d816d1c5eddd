"""How far the outputs of two forms of one model lie apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.arrays import DTYPE_BITS, dtype_name


@dataclass(frozen=True)
class Difference:
    """One output of a model, in two forms of it, over all inputs that were tried.

    Parameters
    ----------
    output
        Its name.
    largest
        Largest absolute difference of two elements; infinite where one of the two alone is not finite.
    relative
        ``largest`` over the largest magnitude of the reference: the error on the output's own scale.
    cosine
        Cosine of the two as vectors, the smallest over the inputs: 1 where they point the same way.
    """

    output: str
    largest: float
    relative: float
    cosine: float

    def __str__(self) -> str:
        """Return one line.

        >>> print(Difference("logits", 2.4e-6, 7e-7, 1.0))
        logits: at most 2.4e-06 apart (7e-07 of its scale), cosine 1.00000
        """
        return (
            f"{self.output}: at most {self.largest:.2g} apart ({self.relative:.2g} of its scale), "
            f"cosine {format_cosine(self.cosine)}"
        )


def differences(pairs: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> tuple[Difference, ...]:
    """Return the worst of each output over pairs of results: the reference, and the other form's.

    An output that is no array of numbers is left out, and so is an element that is NaN in both.
    """
    worst: dict[str, Difference] = {}
    for reference, other in pairs:
        for name, expected in reference.items():
            if name in other and isinstance(expected, np.ndarray) and dtype_name(expected.dtype) in DTYPE_BITS:
                found = difference(name, expected, np.asarray(other[name]))
                before = worst.get(name, found)
                worst[name] = Difference(
                    name,
                    max(before.largest, found.largest),
                    max(before.relative, found.relative),
                    min(before.cosine, found.cosine),
                )
    return tuple(worst.values())


def unmasked(results: Mapping[str, Any], feeds: Mapping[str, Any]) -> dict[str, Any]:
    """Return results without the places of padding, whose values mean nothing: where ``attention_mask`` is 0."""
    mask = feeds.get("attention_mask")
    if mask is None or mask.ndim != 2 or mask.all():
        return dict(results)
    real = mask != 0
    return {
        name: value[real] if isinstance(value, np.ndarray) and value.shape[:2] == mask.shape else value
        for name, value in results.items()
    }


def difference(name: str, reference: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> Difference:
    """Return how far two arrays lie apart; infinitely where their shapes differ."""
    if reference.shape != other.shape:
        return Difference(name, np.inf, np.inf, -1.0)
    wide = np.complex128 if "c" in (reference.dtype.kind, other.dtype.kind) else np.float64
    a, b = reference.astype(wide).reshape(-1), other.astype(wide).reshape(-1)
    with np.errstate(invalid="ignore"):
        # equal infinities, and NaN in both, are no difference
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        apart = np.where(same, 0.0, np.abs(a - b))
    finite = np.isfinite(a) & np.isfinite(b)
    largest = float(np.where(finite, apart, np.where(same, 0.0, np.inf)).max(initial=0.0))
    a, b = a[finite], b[finite]
    scale = float(np.abs(a).max(initial=0.0))
    relative = largest / scale if scale else (0.0 if largest == 0 else np.inf)
    norms = float(np.linalg.norm(a) * np.linalg.norm(b))
    both_zero = not a.any() and not b.any()
    cosine = 1.0 if both_zero else float(np.vdot(a, b).real) / norms if norms else 0.0
    return Difference(name, largest, relative, min(cosine, 1.0))


def format_cosine(cosine: float) -> str:
    """Write a cosine with five decimals, rounded down: what reads as 1 is as good as 1.

    >>> format_cosine(0.999998), format_cosine(0.9937)
    ('0.99999', '0.99370')
    """
    return f"{np.floor(cosine * 1e5 + 1e-7) / 1e5:.5f}"
