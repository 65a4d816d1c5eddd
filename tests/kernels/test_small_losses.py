"""Small calls of cross_entropy go to machine code in one step, which takes what fits and refuses the rest."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fused_kernels as fk
from fused_kernels.trace import tracing

Array = np.ndarray[Any, Any]
REDUCTIONS = ("mean", "sum", "none")
rng = np.random.default_rng(3)


def attempt(logits: Any, target: Any, out: Any = None, ignored: int = -100, reduction: str = "mean") -> Any:
    """Call what the public function tries first; None if it refuses."""
    from fused_kernels.ops.cross_entropy import cpu

    for dtype in (np.float32, np.float64):
        with tracing():
            fk.cross_entropy(np.ones((2, 3), dtype), np.zeros(2, int))
    return cpu.attempt(cpu.losses.kit, logits, target, out, ignored, REDUCTIONS.index(reduction))


LOGITS: dict[str, Callable[[], Array]] = {
    "a matrix": lambda: rng.standard_normal((8, 64)),
    "one row": lambda: rng.standard_normal(17),
    "one class": lambda: rng.standard_normal((5, 1)),
    "three axes": lambda: rng.standard_normal((2, 3, 33)),
    "rows apart": lambda: rng.standard_normal((6, 40))[:, 2:31],
    "rows backwards": lambda: rng.standard_normal((6, 40))[::-1],
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("what", LOGITS)
def test_what_fits_is_taken(what: str, reduction: str, dtype: str) -> None:
    whole = LOGITS[what]()
    logits = whole.astype(dtype) if whole.flags.c_contiguous else np.repeat(whole, 2, 0).astype(dtype)[::2]
    target = rng.integers(0, logits.shape[-1], logits.shape[:-1])
    if target.size > 1:
        target.reshape(-1)[1] = 7 - 100
    logits.flags.writeable = target.flags.writeable = False
    done = attempt(logits, target, None, 7 - 100, reduction)
    with tracing():
        expected = fk.cross_entropy(logits, target, ignore_index=7 - 100, reduction=reduction)
    assert type(done) is (np.ndarray if reduction == "none" else np.dtype(dtype).type)
    assert (done.dtype, done.shape) == (expected.dtype, expected.shape)
    near = 8 * np.finfo(dtype).eps
    np.testing.assert_allclose(done, expected, rtol=near, atol=near)
    if reduction != "none":
        out = np.empty((), dtype)
        assert attempt(logits, target, out, 7 - 100, reduction) is out
        assert out == done


def test_the_mean_over_no_rows_is_nan_and_their_sum_zero() -> None:
    logits, target = np.ones((3, 4)), np.full(3, -100)
    assert np.isnan(attempt(logits, target))
    assert attempt(logits, target, reduction="sum") == 0
    np.testing.assert_array_equal(attempt(logits, target, reduction="none"), np.zeros(3))


class Mine(np.ndarray[Any, Any]):
    """A subclass, which has its own ideas."""


X, T = rng.standard_normal((4, 6)), np.array([0, 5, 2, 1])
READ_ONLY = np.empty(())
READ_ONLY.flags.writeable = False
REFUSED: dict[str, tuple[Any, ...]] = {
    "no array": (X.tolist(), T),
    "a subclass": (X.view(Mine), T),
    "another dtype": (X.astype(np.float16), T),
    "byte order": (X.astype(X.dtype.newbyteorder()), T),
    "classes apart": (np.asfortranarray(X), T),
    "no axis": (np.float64(3.0), T),
    "no rows": (np.empty((0, 6)), np.empty(0, int)),
    "no classes": (np.empty((4, 0)), T),
    "many rows": (np.ones((1200, 1)), np.zeros(1200, int)),
    "no target": (X, None),
    "a list of targets": (X, T.tolist()),
    "targets of 32 bits": (X, T.astype(np.int32)),
    "unsigned targets": (X, T.astype(np.uint64)),
    "targets of another byte order": (X, T.astype(T.dtype.newbyteorder())),
    "targets apart": (X, np.repeat(T, 2)[::2]),
    "targets of another shape": (X, T[:3]),
    "targets of more axes": (X, T[:, np.newaxis]),
    "a target that is no class": (X, np.array([0, 6, 2, 1])),
    "a negative target": (X, np.array([0, -1, 2, 1])),
    "out of an axis": (X, T, np.empty(1)),
    "out of another dtype": (X, T, np.empty((), np.float32)),
    "out is no array": (X, T, 1.0),
    "out is read-only": (X, T, READ_ONLY),
    "out for each row": (X, T, np.empty(4), -100, "none"),
    "out without axes for each row": (X, T, np.empty(()), -100, "none"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_the_rest_is_refused(what: str) -> None:
    assert attempt(*REFUSED[what]) is None


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_no_reference_is_lost_or_kept(reduction: str) -> None:
    logits, target, out = X.astype(np.float32), T.copy(), np.empty((), np.float32)
    kept: tuple[Any, ...] = (logits, target, out, logits.dtype, np.float32, None)
    before = [sys.getrefcount(value) for value in kept]
    for _ in range(2000):
        fk.cross_entropy(logits, target, reduction=reduction)
        if reduction != "none":
            fk.cross_entropy(logits, target, reduction=reduction, out=out)
    after = [sys.getrefcount(value) for value in kept]
    assert max(abs(one - two) for one, two in zip(before, after, strict=True)) < 1000
    # Outside of an assert, in which pytest holds references of its own.
    count = sys.getrefcount(fk.cross_entropy(logits, target, reduction=reduction))
    assert count == 1
