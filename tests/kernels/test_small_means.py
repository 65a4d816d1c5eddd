"""Small calls of mean_pool go to machine code in one step, which takes what fits and refuses the rest."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

import fused_kernels as fk
from fused_kernels.trace import tracing

Array = np.ndarray[Any, Any]
rng = np.random.default_rng(3)


def attempt(x: Any, mask: Any = None, out: Any = None) -> Any:
    """Call what the public function tries first; None if it refuses."""
    from fused_kernels.ops.mean_pool import cpu

    for dtype in (np.float32, np.float64):
        with tracing():
            fk.mean_pool(np.ones((2, 3), dtype))
    return cpu.attempt(cpu.means.kit, x, mask, out)


@pytest.mark.parametrize("mask_dtype", [None, "bool", "int64"])
@pytest.mark.parametrize("shape", [(1, 16, 64), (3, 5, 7), (6, 9), (1, 1), (2, 300, 3), (2, 3, 1100)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_fits_is_taken(shape: tuple[int, ...], mask_dtype: str | None, dtype: str) -> None:
    x = rng.standard_normal(shape).astype(dtype)
    # Of integers any but 0 keeps a token.
    mask = None if mask_dtype is None else rng.integers(-1, 2, shape[:-1]).astype(mask_dtype)
    if mask is not None:
        x[mask == 0] = np.nan
        mask.flags.writeable = False
    x.flags.writeable = False
    done = attempt(x, mask)
    tolerance = fk.OPS["mean_pool"].tolerance[dtype]
    assert (type(done), done.dtype, done.shape) == (np.ndarray, x.dtype, (*shape[:-2], shape[-1]))
    truth = fk.OPS["mean_pool"].truth(x=x, mask=mask)
    np.testing.assert_allclose(done, truth, tolerance.rtol, tolerance.atol)
    out = np.empty_like(done)
    assert attempt(x, mask, out) is out
    np.testing.assert_array_equal(out, done)


class Mine(np.ndarray[Any, Any]):
    """A subclass, which has its own ideas."""


X, MASK = rng.standard_normal((3, 4, 6)), np.ones((3, 4), bool)
READ_ONLY = np.empty((3, 6))
READ_ONLY.flags.writeable = False
REFUSED: dict[str, tuple[Any, ...]] = {
    "no array": (X.tolist(),),
    "a subclass": (X.view(Mine),),
    "another dtype": (X.astype(np.float16),),
    "byte order": (X.astype(X.dtype.newbyteorder()),),
    "tokens apart": (X[:, ::2],),
    "one axis": (X[0, 0].copy(),),
    "four axes": (X[np.newaxis],),
    "no tokens": (np.empty((3, 0, 6)),),
    "no texts": (np.empty((0, 4, 6)),),
    "many means": (np.ones((200, 1, 600)),),
    "a list for a mask": (X, MASK.tolist()),
    "a mask of 32 bits": (X, MASK.astype(np.int32)),
    "a mask of bytes": (X, MASK.astype(np.int8)),
    "a mask of floats": (X, MASK.astype(float)),
    "a mask of another byte order": (X, MASK.astype(np.dtype(int).newbyteorder())),
    "a mask that lies apart": (X, np.ones((3, 8), bool)[:, ::2]),
    "a mask of another shape": (X, np.ones((3, 5), bool)),
    "a mask of more axes": (X, MASK[:, :, np.newaxis]),
    "out of another shape": (X, None, np.empty((3, 5))),
    "out of more axes": (X, None, np.empty((1, 3, 6))),
    "out of another dtype": (X, None, np.empty((3, 6), np.float32)),
    "out lies apart": (X, None, np.empty((3, 12))[:, ::2]),
    "out is no array": (X, None, 1.0),
    "out is read-only": (X, None, READ_ONLY),
    "out is part of x": (X, None, X.reshape(-1)[20:38].reshape(3, 6)),
}


@pytest.mark.parametrize("what", REFUSED)
def test_the_rest_is_refused(what: str) -> None:
    assert attempt(*REFUSED[what]) is None


def test_out_over_the_mask_is_refused_by_the_step_and_right_in_the_end() -> None:
    memory = np.ones(18)
    mask, out = memory[:12].view(np.int64).reshape(3, 4), memory.reshape(3, 6)
    assert attempt(X, mask, out) is None
    expected = fk.mean_pool(X, mask.copy())
    np.testing.assert_array_equal(fk.mean_pool(X, mask, out=out), expected)


def test_no_reference_is_lost_or_kept() -> None:
    x, mask, out = X.copy(), MASK.copy(), np.empty((3, 6))
    kept: tuple[Any, ...] = (x, mask, out, x.dtype, None)
    before = [sys.getrefcount(value) for value in kept]
    for _ in range(2000):
        fk.mean_pool(x), fk.mean_pool(x, mask), fk.mean_pool(x, mask, out=out)
    after = [sys.getrefcount(value) for value in kept]
    assert max(abs(one - two) for one, two in zip(before, after, strict=True)) < 1000
    # Outside of an assert, in which pytest holds references of its own.
    count = sys.getrefcount(fk.mean_pool(x, mask))
    assert count == 1
