"""Formulas of scalars on the card: the built-in ones and users', over any strides, shapes and dtypes."""

from __future__ import annotations

import math

import numpy as np
import pytest

import fused_kernels as fk
from fused_kernels.cuda.compile import ARCHITECTURES
from fused_kernels.ops import elementwise as built_in

from .cases import ROUNDING, kind, on

FORMULAS = tuple(op.name for op in built_in.OPERATIONS)


@pytest.mark.parametrize("dtype", ("float32", "float64", "float16", "bfloat16"))
@pytest.mark.parametrize("name", FORMULAS)
def test_built_in_formulas_are_right_in_every_dtype(card, on_card, name: str, dtype: str) -> None:
    op, tolerance = fk.OPS[name], fk.OPS[name].tolerance["float64" if dtype == "float64" else "float32"]
    inputs = op.sample((9, 64), np.dtype(np.float64), np.random.default_rng(2))
    inputs = {
        key: value.astype(kind(dtype)) if isinstance(value, np.ndarray) else value for key, value in inputs.items()
    }
    found = op.function(**on(on_card, inputs)).get()
    wide = {key: value.astype(np.float64) if isinstance(value, np.ndarray) else value for key, value in inputs.items()}
    assert found.dtype == kind(dtype)
    rounding = ROUNDING.get(dtype, 0.0)
    np.testing.assert_allclose(
        found.astype(np.longdouble), op.truth(**wide), rtol=tolerance.rtol + rounding, atol=tolerance.atol + rounding**2
    )
    (launch,) = card.started
    assert fk.explain(name, **on(on_card, inputs)).form == "vectors"
    assert f"store<{16 // kind(dtype).itemsize}>" in launch.kernel.source


@pytest.mark.parametrize("number", (2, 2.0, True, np.float32(2), np.float64(2), np.int64(2), np.float16(2)))
def test_numbers_of_python_take_the_dtype_and_numpys_have_one(card, on_card, number) -> None:
    x = np.linspace(-1, 1, 40, dtype=np.float32)
    for _ in range(2):  # the second time as a call that is known
        found = fk.scale(on_card(x), number).get()
        assert found.dtype == fk.scale(x, number).dtype == (x * number).dtype
        np.testing.assert_array_equal(found, x * number)


def test_arrays_broadcast_from_any_strides_and_dtypes(card, on_card) -> None:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((6, 5, 32)).astype(np.float32)
    for residual, form in (
        (rng.standard_normal(32).astype(np.float32), "strided"),
        (rng.standard_normal((6, 1, 1)).astype(np.float32), "strided"),
        (rng.standard_normal((5, 32)).astype(np.float16), "strided"),
        (rng.integers(-5, 5, (6, 5, 32)).astype(np.int8), "vectors"),
        (np.float32(2.0) * np.ones((1, 1, 1), np.float32), "vectors"),
    ):
        mask = rng.random((6, 5, 32)) < 0.5
        arguments = on_card(x), on_card(residual), on_card(mask), 1.25
        expected = x * mask * np.float32(1.25) + residual
        np.testing.assert_allclose(fk.dropout_add(*arguments).get(), expected, rtol=1e-6, atol=1e-6)
        assert fk.explain("dropout_add", *arguments).form == form
    for view in (lambda a: a[:, ::2], lambda a: a[::-1], lambda a: a.transpose(2, 0, 1), lambda a: a[..., 1:]):
        np.testing.assert_array_equal(fk.relu(view(on_card(x))).get(), np.maximum(view(x), 0))
        out = on_card(np.zeros_like(x))
        assert fk.scale(view(on_card(x)), 2, out=view(out)).get().shape == view(x).shape
        np.testing.assert_array_equal(view(out).get(), view(x) * 2)
    assert fk.scale(on_card(np.array(3.0, np.float32)), 2).get() == 6
    assert fk.relu(on_card(np.zeros((0, 4), np.float32))).get().shape == (0, 4)


def test_an_unaligned_array_is_read_in_narrower_pieces(card, on_card) -> None:
    x = np.arange(64, dtype=np.float32)
    np.testing.assert_array_equal(fk.scale(on_card(x, offset=1), 3).get(), x * 3)
    np.testing.assert_array_equal(fk.scale(on_card(x, offset=2), 3).get(), x * 3)
    assert ["store<1>" in card.started[0].kernel.source, "store<2>" in card.started[1].kernel.source] == [True, True]


@pytest.mark.parametrize("n", (1, 2, 3, 4, 5, 6, 7, 9, 127, 4099))
def test_what_is_left_of_vectors_is_done_one_by_one(card, on_card, n: int) -> None:
    x, mask = np.arange(n, dtype=np.float32), np.arange(n) % 3 == 0
    one = np.full(1, 5, np.float32)
    found = fk.dropout_add(on_card(x), on_card(one), on_card(mask), 2.0)
    np.testing.assert_array_equal(found.get(), x * mask * 2 + 5)
    vector = 4 if n >= 4 else 2 if n >= 2 else 1
    assert f"store<{vector}>" in card.started[0].kernel.source


def test_many_elements_are_shared_by_a_grid_that_fills_the_card_once(card, on_card) -> None:
    x = np.random.default_rng(4).standard_normal(100_003).astype(np.float32)
    np.testing.assert_array_equal(fk.relu(on_card(x)).get(), np.maximum(x, 0))
    assert card.started[0].grid == 16


def test_a_result_may_be_an_input_but_not_beside_one(card, on_card) -> None:
    x = np.arange(100, dtype=np.float32)
    mine = on_card(x)
    assert fk.scale(mine, 2, out=mine) is mine
    np.testing.assert_array_equal(mine.get(), x * 2)
    memory = on_card(x)
    fk.scale(memory[:-1], 2, out=memory[1:])
    np.testing.assert_array_equal(memory.get()[1:], x[:-1] * 2)
    for narrow in ("float16", "bfloat16"):
        half = on_card(np.zeros(100, kind(narrow)))
        fk.scale(on_card(x), 2.1, out=half)
        np.testing.assert_array_equal(half.get(), (x * np.float32(2.1)).astype(kind(narrow)))
        assert not any("copied" in note for note in fk.explain("scale", on_card(x), 2.1, out=half).notes)
    for inputs, out in (
        (x.astype(np.float16), np.zeros(100, np.float32)),
        (x.astype(np.float64), np.zeros(100, np.float32)),
    ):
        target = on_card(out)
        fk.scale(on_card(inputs), 2.1, out=target)
        np.testing.assert_array_equal(target.get(), fk.scale(on_card(inputs), 2.1).get().astype(np.float32))


OFFSET = 0.25


def _shifted(x):
    return x + OFFSET


def bent(x, alpha=0.5):
    total = 0.0
    for i in range(1, 4):
        if x > i:
            total += x**i * alpha
        elif x == 0 or not x < 5:
            continue
        else:
            total -= np.where(x > 0, math.sqrt(abs(x)), 2) / 3
    while total > 10:
        total = total - 3
    return max(total, -5.0, x // 2) if not (x < -1 and alpha > 0) else int(x) % 3


def many(x, y):
    a = np.exp(-x * x) + np.log1p(abs(y)) + np.tanh(x) * np.arctan2(y, x) + math.erf(x) - np.hypot(x, y)
    b = np.maximum(x, y) + np.minimum(x, 0) + np.clip(x, -1, 1) + np.floor(y) + round(x) + np.sign(y)
    return a + b * np.cos(x) + np.sin(y) ** 2 + x**-2 + abs(x) ** 0.5 + x % 3 + _shifted(x) + fk.silu(y) + np.pi


def bits(x):
    n = int(x)
    return (n & 3) + (n << 1) + (n // 3) - (n % 5)


@pytest.mark.parametrize("function", (bent, many, bits))
@pytest.mark.parametrize("dtype", (np.float32, np.float64))
def test_a_users_function_means_the_same_as_on_the_cpu(card, on_card, function, dtype) -> None:
    operation = fk.elementwise(function)
    rng = np.random.default_rng(5)
    arrays = [4 * rng.standard_normal((7, 40)).astype(dtype) for _ in operation.parameters]
    arrays = arrays[:1] if function is bent else arrays
    expected = operation(*arrays)
    exact = {"rtol": 2e-5, "atol": 2e-5} if dtype is np.float32 else {"rtol": 1e-12, "atol": 1e-12}
    np.testing.assert_allclose(operation(*map(on_card, arrays)).get(), expected, **exact)


def test_nan_and_infinities_mean_what_they_do_on_the_cpu(card, on_card) -> None:
    x = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-40, 3e38, -3e38] * 3, np.float32)

    @fk.elementwise
    def choices(x, y):
        return np.maximum(x, y) + max(x, y) * 0 + np.minimum(y, x) + min(y, x) * 0 + np.isfinite(x) + np.isnan(y)

    y = x[::-1].copy()
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(choices(on_card(x), on_card(y)).get(), choices(x, y))
        for name in ("relu", "sigmoid", "tanh", "gelu"):
            np.testing.assert_allclose(fk.OPS[name].function(on_card(x)).get(), fk.OPS[name].function(x), rtol=1e-6)


def test_what_a_gpu_cannot_do_is_refused_with_the_line(card, on_card) -> None:
    table = np.arange(10.0)

    @fk.elementwise
    def looked_up(x):
        return table[int(x)]

    with pytest.raises(fk.FormulaError, match=r"looked_up: line \d+: looking something up in an array"):
        looked_up(on_card(np.ones(3, np.float32)))
    for arguments, error in (
        ((None, 2.0), "x is .*NoneType|x is None"),
        ((on_card(np.ones(3, np.float32)), np.ones(3, np.float32)), "factor is a numpy ndarray"),
        ((on_card(np.ones(3, np.complex64)), 2.0), "complex64"),
    ):
        with pytest.raises(fk.DtypeError, match=error):
            fk.scale(*arguments)
    with pytest.raises(fk.ShapeError, match=r"do not broadcast; received x: float32 \(3,\), factor: float32 \(4,\)"):
        fk.scale(on_card(np.ones(3, np.float32)), on_card(np.ones(4, np.float32)))
    with pytest.raises(fk.ShapeError, match=r"the result has shape \(3,\) and out has \(4,\)"):
        fk.scale(on_card(np.ones(3, np.float32)), 2, out=on_card(np.ones(4, np.float32)))


def test_users_formulas_compile_without_a_warning(compiler, card, on_card) -> None:
    for function in (bent, many, bits):
        operation = fk.elementwise(function)
        operation(*[on_card(np.ones((4, 8), np.float32))] * (2 if function is many else 1))
    for place, launch in enumerate(card.started):
        warnings, _ = compiler.checked([launch.kernel], ARCHITECTURES[3 * place])
        assert not warnings
