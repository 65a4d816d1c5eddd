"""Small calls of the operations on rows go to machine code in one step, which takes what fits and refuses the rest."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fused_kernels as fk
from fused_kernels.trace import tracing

Array = np.ndarray[Any, Any]
DTYPES = ("float32", "float64")
rng = np.random.default_rng(7)


def attempt(name: str, x: Any, out: Any = None, weight: Any = None, bias: Any = None, eps: Any = 1e-5) -> Any:
    """Call what the public function tries first; None if it refuses."""
    cpu = importlib.import_module(f"fused_kernels.ops.{name}.cpu")
    fk.OPS[name].function(np.ones((2, 3), np.float32))
    fk.OPS[name].function(np.ones((2, 3)))
    forms = cpu.rows if hasattr(cpu, "rows") else cpu.plain
    if weight is not None or bias is not None:
        fk.layer_norm(np.ones((2, 3), x.dtype), np.ones(3, x.dtype))
        forms = cpu.affine
    return cpu.attempt(forms.kit, x, out, weight, bias, eps)


def slow(name: str, x: Array, **options: float) -> Array:
    """Return what the other path gives, which a trace makes a call take."""
    with tracing():
        result: Array = fk.OPS[name].function(x, **options)
    return result


def aside(shape: tuple[int, ...], dtype: str) -> Array:
    """Rows that do not lie side by side."""
    return rng.standard_normal((shape[0], shape[1] + 5)).astype(dtype)[:, 2 : 2 + shape[1]]


TAKEN: dict[str, Callable[[str], Array]] = {
    "a matrix": lambda dtype: rng.standard_normal((8, 64)).astype(dtype),
    "one row": lambda dtype: rng.standard_normal(17).astype(dtype),
    "one column": lambda dtype: rng.standard_normal((5, 1)).astype(dtype),
    "four axes": lambda dtype: rng.standard_normal((2, 1, 3, 33)).astype(dtype),
    "rows apart": lambda dtype: aside((6, 40), dtype),
    "rows backwards": lambda dtype: aside((6, 40), dtype)[::-1],
    "one row for all": lambda dtype: np.broadcast_to(rng.standard_normal(9).astype(dtype), (4, 9)),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("what", TAKEN)
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "l2_normalize", "rms_norm", "layer_norm"])
def test_what_fits_is_taken(name: str, what: str, dtype: str) -> None:
    x = TAKEN[what](dtype)
    x.flags.writeable = False
    done, expected = attempt(name, x), slow(name, x, **({} if "softmax" in name else {"eps": 1e-5}))
    assert type(done) is np.ndarray
    assert done.dtype == x.dtype
    assert done.flags.carray
    assert done.flags.owndata
    # Not to the last bit: rows that lie within a few vectors of one another go through the loop without vectors.
    near = {"rtol": 8 * np.finfo(x.dtype).eps, "atol": 8 * np.finfo(x.dtype).eps}
    np.testing.assert_allclose(done, expected, **near)
    out = np.empty_like(expected)
    assert attempt(name, x, out) is out
    np.testing.assert_allclose(out, expected, **near)
    in_place = np.array(x, order="C")
    assert attempt(name, in_place, in_place) is in_place
    np.testing.assert_allclose(in_place, expected, **near)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("given", ["weight", "bias"])
def test_a_weight_or_a_bias_alone_is_taken(given: str, dtype: str) -> None:
    # The longest row that is taken, and one of few elements.
    for shape in ((8, 64), (1, 32768 // np.dtype(dtype).itemsize)):
        x, vector = rng.standard_normal(shape).astype(dtype), rng.standard_normal(shape[1]).astype(dtype)
        done = attempt("layer_norm", x, **{given: vector})
        tolerance = fk.OPS["layer_norm"].tolerance[dtype]
        truth = fk.OPS["layer_norm"].truth(x=x, **{given: vector})
        np.testing.assert_allclose(done, truth, tolerance.rtol, tolerance.atol)
        both = fk.add_layer_norm(x, np.zeros_like(x), **{given: vector})
        np.testing.assert_allclose(both[0], truth, tolerance.rtol, tolerance.atol)


def test_results_that_lie_apart_leave_what_is_between() -> None:
    whole = np.full((6, 12), 7.0)
    x = rng.standard_normal((6, 8))
    assert attempt("softmax", x, whole[:, 2:10]) is not None
    np.testing.assert_allclose(whole[:, 2:10], slow("softmax", x), rtol=1e-14)
    np.testing.assert_array_equal(whole[:, [0, 1, 10, 11]], 7.0)


class Mine(np.ndarray[Any, Any]):
    """A subclass, which has its own ideas."""


X = rng.standard_normal((4, 6))
OTHER = np.empty_like(X)
READ_ONLY = np.empty_like(X)
READ_ONLY.flags.writeable = False
BUFFER = np.zeros((6, 6))
REFUSED: dict[str, tuple[Any, ...]] = {
    "no array": (X.tolist(),),
    "None": (None,),
    "a subclass": (X.view(Mine),),
    "masked": (np.ma.masked_array(X),),
    "another dtype": (X.astype(np.float16),),
    "integers": (np.ones((4, 6), int),),
    "complex": (X.astype(complex),),
    "byte order": (X.astype(X.dtype.newbyteorder()),),
    "elements apart": (np.asfortranarray(X),),
    "axes apart": (np.ones((2, 4, 6))[:, ::2],),
    "not aligned": (np.zeros(8 * 6 * 4 + 1, np.uint8)[1:].view(float).reshape(4, 6),),
    "no axis": (np.float64(3.0), np.empty(())),
    "nothing in it": (np.empty((0, 6)),),
    "empty rows": (np.empty((4, 0)),),
    "many bytes": (np.ones((400, 600)),),
    "a long row": (np.ones((1, 5000)),),
    "out of another shape": (X, np.empty((4, 7))),
    "out of more axes": (X, np.empty((1, 4, 6))),
    "out of another dtype": (X, np.empty((4, 6), np.float32)),
    "out is no array": (X, X.tolist()),
    "out is a subclass": (X, OTHER.view(Mine)),
    "out is read-only": (X, READ_ONLY),
    "out repeats": (X, np.broadcast_to(np.empty(6), (4, 6))),
    "out overlaps": (BUFFER[:4], BUFFER[1:5]),
    "out is x by another name": (X, X[:]),
    "eps is an integer": (X, None, None, None, 1),
    "eps is negative": (X, None, None, None, -1.0),
    "eps is NaN": (X, None, None, None, float("nan")),
    "eps is NumPy's": (X, None, None, None, np.float64(1e-5)),
    "eps is None": (X, None, None, None, None),
    "a short weight": (X, None, np.ones(5), np.ones(6)),
    "a weight of two axes": (X, None, np.ones((1, 6)), np.ones(6)),
    "a strided bias": (X, None, np.ones(6), np.ones(12)[::2]),
    "a bias of another dtype": (X, None, np.ones(6), np.ones(6, np.float32)),
    "a bias that is no array": (X, None, np.ones(6), 1.0),
    "out overlaps the weight": (X, BUFFER[:4], BUFFER[2], np.ones(6)),
}


@pytest.mark.parametrize("what", REFUSED)
def test_the_rest_is_refused_and_nothing_written(what: str) -> None:
    arguments = REFUSED[what]
    before = [np.array(value) if isinstance(value, np.ndarray) else value for value in arguments]
    assert attempt("layer_norm", *arguments) is None
    for value, copy in zip(arguments, before, strict=True):
        np.testing.assert_array_equal(value, copy)


def test_no_reference_is_lost_or_kept() -> None:
    x, y, out, second, row = (np.ones(shape, np.float32) for shape in ((4, 6),) * 4 + ((6,),))
    kept: tuple[Any, ...] = (x, y, out, second, row, None, fk.layer_norm)
    calls: tuple[Callable[[], Any], ...] = (
        lambda: fk.layer_norm(x, row, row),
        lambda: fk.layer_norm(x, row, row, out=out),
        lambda: fk.softmax(x, out=x),
        lambda: fk.add_layer_norm(x, y, row, row),
        lambda: fk.add_layer_norm(x, y, out=(out, second)),
    )
    for call in calls:
        call()
    before = [sys.getrefcount(value) for value in kept]
    for _ in range(2000):
        for call in calls:
            call()
    after = [sys.getrefcount(value) for value in kept]
    assert max(abs(one - two) for one, two in zip(before, after, strict=True)) < 1000
    # Outside of an assert, in which pytest holds references of its own.
    made = fk.add_layer_norm(x, y, row, row)
    counts = sys.getrefcount(made[0]), sys.getrefcount(made[1]), sys.getrefcount(fk.layer_norm(x, row, row))
    assert counts == (2, 2, 1)
