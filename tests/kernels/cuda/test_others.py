"""Sums, losses, means of tokens and matrices on the card: every kernel against the float64 truth."""

from __future__ import annotations

import numpy as np
import pytest

import fused_kernels as fk

from .cases import DTYPES, assert_right, kind, on, sample, variants


@pytest.mark.parametrize("dtype", DTYPES)
def test_sums_over_any_axes(card, on_card, dtype: str) -> None:
    forms = set()
    for place, (shape, axis) in enumerate(
        [
            ((70_003,), None),
            ((50_000,), 0),
            ((5, 64), 1),
            ((300, 33), -1),
            ((2, 20_000), 1),
            ((40, 50), 0),
            ((40, 64), 0),
            ((9000, 8), 0),
            ((9001, 3), 0),
            ((3, 30, 6), 1),
            ((4, 5, 6, 7), (0, 2)),
            ((4, 5, 6), (1, 2)),
            ((4, 5, 6), (0, 1)),
            ((4, 1, 6), 1),
            ((), None),
        ]
    ):
        card.order = place
        inputs = sample("sum_of_squares", shape or (1,), dtype, scale=0.3)
        inputs["x"] = inputs["x"].reshape(shape)
        values = on(on_card, inputs)
        assert_right("sum_of_squares", inputs, fk.sum_of_squares(**values, axis=axis), dtype, axis=axis)
        forms.add(fk.explain("sum_of_squares", **values, axis=axis).form)
    assert forms == {"rows", "several blocks", "columns", "shared columns", "strided"}
    assert {launch.kernel for launch in card.started} == set(variants("sum_of_squares", dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_sums_begin_anywhere_and_pass_on_what_is_not_finite(card, on_card, dtype: str) -> None:
    for n in (1, 3, 15, 16, 17, 100, 1001, 20_003):
        for offset in (0, 1, 3):
            inputs = sample("sum_of_squares", (n,), dtype, scale=0.3)
            found = fk.sum_of_squares(on_card(inputs["x"], offset=offset))
            assert_right("sum_of_squares", inputs, found, dtype, (n, offset))
    for special in (np.nan, np.inf, -np.inf):
        for axis in (0, 1):
            x = np.ones((30, 40), kind(dtype))
            x[29, 39] = special
            assert_right("sum_of_squares", {"x": x}, fk.sum_of_squares(on_card(x), axis=axis), dtype, axis=axis)


def test_sums_of_strided_arrays_and_of_nothing(card, on_card) -> None:
    x = np.random.default_rng(6).standard_normal((12, 10, 8)).astype(np.float32)
    for view in (lambda a: a[::2], lambda a: a.transpose(2, 0, 1), lambda a: a[:, ::-1], lambda a: a[:, 1:, 1:]):
        for axis in (None, 0, (0, 2)):
            found = fk.sum_of_squares(view(on_card(x)), axis=axis, keepdims=True).get()
            np.testing.assert_allclose(found, (view(x) ** 2).sum(axis=axis, keepdims=True), rtol=1e-5)
    assert fk.sum_of_squares(on_card(np.zeros((0, 3), np.float32))).get() == 0
    np.testing.assert_array_equal(fk.sum_of_squares(on_card(np.zeros((0, 3), np.float32)), axis=0).get(), np.zeros(3))
    out = on_card(np.zeros(3, np.float64))
    assert fk.sum_of_squares(on_card(np.ones((5, 3), np.float32)), axis=0, out=out).get().tolist() == [5, 5, 5]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("smoothing", (0.0, 0.1))
def test_losses(card, on_card, dtype: str, smoothing: float) -> None:
    for place, shape in enumerate(((7, 5), (3, 4, 64), (40, 1000), (5, 3001), (2, 12_000))):
        card.order = place
        for reduction in ("mean", "sum", "none"):
            inputs = sample("cross_entropy", shape, dtype)
            found = fk.cross_entropy(**on(on_card, inputs), reduction=reduction, label_smoothing=smoothing)
            options = {"reduction": reduction, "label_smoothing": smoothing}
            assert_right("cross_entropy", inputs, found, dtype, **options)
            apart = fk.cross_entropy(on_card(inputs["logits"], offset=1), on_card(inputs["target"]), **options)
            assert_right("cross_entropy", inputs, apart, dtype, **options)
    assert {launch.kernel for launch in card.started} == set(variants("cross_entropy", dtype))


def test_losses_without_a_number(card, on_card) -> None:
    inputs = sample("cross_entropy", (6, 20), "float32")
    inputs["target"][:] = [0, 1, 20, -1, -100, 5]
    inputs["logits"][5, 3] = np.nan
    inputs["logits"][1, 2] = -np.inf
    each = fk.cross_entropy(**on(on_card, inputs), reduction="none").get()
    assert np.isnan(each).tolist() == [False, False, True, True, False, True]
    assert each[4] == 0
    nobody = {"logits": np.zeros((0, 4), np.float32), "target": np.zeros(0, np.int64)}
    assert np.isnan(fk.cross_entropy(**on(on_card, nobody)).get())
    narrow = inputs | {"target": np.zeros(6, np.uint8)}
    assert_right("cross_entropy", narrow, fk.cross_entropy(**on(on_card, narrow)), "float32")
    with pytest.raises(fk.DtypeError, match="target must hold integers"):
        fk.cross_entropy(on_card(inputs["logits"]), on_card(np.zeros(6, np.float32)))
    with pytest.raises(fk.ShapeError, match="target needs the shape of logits"):
        fk.cross_entropy(on_card(inputs["logits"]), on_card(np.zeros(5, np.int64)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_means_of_tokens(card, on_card, dtype: str) -> None:
    for place, shape in enumerate(((3, 17, 64), (2, 5, 33), (1, 1, 1), (2, 40, 1030), (4, 0, 8))):
        card.order = place
        inputs = sample("mean_pool", shape, dtype)
        inputs["mask"][0] = 0
        for mask in (inputs["mask"], inputs["mask"].astype(bool), None):
            given = inputs | {"mask": mask}
            assert_right("mean_pool", given, fk.mean_pool(**on(on_card, given)), dtype)
    assert {launch.kernel for launch in card.started} == set(variants("mean_pool", dtype))
    inputs = sample("mean_pool", (2, 6, 8), dtype)
    inputs["x"][1, 5], inputs["mask"][1, 5] = np.nan, 0
    assert_right("mean_pool", inputs, fk.mean_pool(**on(on_card, inputs)), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_matrices(card, on_card, dtype: str) -> None:
    inputs = sample("matmul", (7, 20, 9), dtype)
    assert_right("matmul", inputs, fk.matmul(**on(on_card, inputs)), dtype, roundings=2)
    for activation in (None, "relu", "silu", "gelu", "gelu_tanh"):
        for bias in (True, False):
            inputs = sample("linear", (7, 20, 9), dtype) | {"activation": activation}
            inputs |= {} if bias else {"bias": None}
            found = fk.linear(**on(on_card, inputs))
            assert_right("linear", inputs, found, dtype, roundings=2)
            if dtype in ("float16", "bfloat16"):
                # Rounded once: as near as any number of the dtype, but for the sums' own error in float32.
                wide = {key: value.astype(np.float64) for key, value in inputs.items() if hasattr(value, "astype")}
                exact = fk.linear(**wide, activation=activation)
                spacing = np.abs(np.spacing(exact.astype(kind(dtype)))).astype(np.float64)
                assert (np.abs(found.get().astype(np.float64) - exact) <= 0.5 * spacing + 1e-5).all()
    inputs = sample("cosine_similarity", (7, 20, 9), dtype)
    assert_right("cosine_similarity", inputs, fk.cosine_similarity(**on(on_card, inputs)), dtype, roundings=4)
    alone = {"a": inputs["a"]}
    assert_right("cosine_similarity", alone, fk.cosine_similarity(**on(on_card, alone)), dtype, roundings=4)
    with pytest.raises(fk.ShapeError, match="last axis of a, 20, and the last but one of b, 7"):
        fk.matmul(on_card(inputs["a"]), on_card(inputs["a"]))
    assert fk.explain("matmul", on_card(np.ones((2, 3), "f4")), on_card(np.ones((3, 2), "f4"))).form == "library"
