"""Each form of a kernel runs where it should, and gives the same result as the others."""

from __future__ import annotations

import importlib
import pickle
from collections.abc import Callable

import numpy as np
import pytest

import fused_kernels as fk
from fused_kernels import formula_call
from fused_kernels.cpu.loops import forms
from fused_kernels.trace import tracing

ROWS = ["layer_norm", "softmax"]


def form_of(name: str, *args: object, **kwargs: object) -> tuple[str, np.ndarray]:
    with tracing() as found:
        result = fk.OPS[name].function(*args, **kwargs)
    assert found.implementation == "numba"
    return found.form, result


@pytest.fixture
def two_threads(use_threads: Callable[[int], None]) -> None:
    use_threads(2)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [*ROWS, "scale"])
def test_small_is_serial_large_is_parallel_and_rows_in_place_are_staged(name: str, dtype: str) -> None:
    rng = np.random.default_rng(0)
    more = (1.5,) if name == "scale" else ()
    small, large = rng.standard_normal((3, 65)).astype(dtype), rng.standard_normal((777, 301)).astype(dtype)
    assert form_of(name, small, *more)[0] == "serial"
    form, expected = form_of(name, large, *more)
    assert form == "parallel"
    form, in_place = form_of(name, large, *more, out=large)
    assert form == ("parallel" if name == "scale" else "staged")
    np.testing.assert_allclose(in_place, expected, rtol=1e-6, atol=1e-6)
    form, in_place = form_of(name, small, *more, out=small.copy())
    assert form == "serial"


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [132_000, 132_001, 140_037])
def test_results_beyond_the_last_cache_are_streamed(monkeypatch: pytest.MonkeyPatch, dtype: str, size: int) -> None:
    monkeypatch.setattr(forms, "last_level_cache", lambda: 1 << 18)
    x = np.random.default_rng(0).standard_normal(size).astype(dtype)
    for offset in (0, 1, 3):  # the target starts on a cache line, or not
        out = np.zeros(size + 8, dtype)[offset : offset + size]
        form, _ = form_of("scale", x, 1.5, out=out)
        assert form == "streaming"
        np.testing.assert_array_equal(out, x * np.dtype(dtype).type(1.5))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fk.layer_norm(np.float32(1)), r"layer_norm: the last axis .* \(\)"),
        (lambda: fk.layer_norm(np.zeros((2, 0))), r"\(2, 0\)"),
        (lambda: fk.layer_norm(np.zeros((2, 3)), np.zeros(2)), r"\(3,\).*weight: float64 \(2,\)"),
        (lambda: fk.softmax(np.zeros((2, 3)), axis=2), "axis 2 is not an axis .* from -2 to 1"),
        (lambda: fk.softmax(5.0), r"Reshape x to \(1,\)"),
    ],
)
def test_shapes_that_do_not_fit_are_explained(call: object, message: str) -> None:
    with pytest.raises(fk.ShapeError, match=message):
        call()


def test_mixed_dtypes_promote_as_in_numpy() -> None:
    x, weight = np.ones((2, 3), "f4"), np.ones(3, "f8")
    assert fk.layer_norm(x, weight).dtype == np.float64


def test_an_unknown_operation_is_answered_with_the_nearest() -> None:
    with pytest.raises(fk.UnknownOperationError, match="Did you mean 'softmax'"):
        fk.explain("sofmax", np.zeros(3))
    with pytest.raises(AttributeError, match="softmax"):
        fk.sofmax  # noqa: B018


def test_explain_computes_nothing_and_names_copies() -> None:
    x = np.zeros((300, 200), np.float32).T
    out = np.full((200, 300), 7.0, np.float32)
    told = fk.explain("softmax", x, out=out)
    assert (out == 7).all()
    assert "x: copied, not C-contiguous" in told.notes
    assert str(told).startswith("softmax: numba, ")
    assert set(told.rejected) == {"numpy", "cuda"}
    assert "not cuda: the arrays lie on the CPU" in str(told)


def test_an_array_that_was_pickled_is_taken_as_it_is() -> None:
    """Its dtype equals NumPy's own and is another object."""
    x = pickle.loads(pickle.dumps(np.ones((8, 64), np.float32)))
    assert x.dtype is not np.dtype(np.float32)
    for name, more in (("softmax", ()), ("layer_norm", ()), ("scale", (2.0,))):
        with pytest.MonkeyPatch.context() as patch:
            if name == "scale":
                patch.setattr(formula_call, "convert_formula", None)
            else:
                home = {"softmax": "_axis", "layer_norm": "layer_norm.op"}[name]
                patch.setattr(importlib.import_module(f"fused_kernels.ops.{home}"), "convert", None)
            fk.OPS[name].function(x, *more, out=pickle.loads(pickle.dumps(x)))
