"""Operations on rows, by their CUDA kernels: every variant against the float64 truth, in any order of the threads."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import fused_kernels as fk

from .cases import DTYPES, ROWS, assert_right, on, parts, sample, variants

ALONG_AXES = ("softmax", "log_softmax", "l2_normalize")
# Every number of lanes, values and threads; multiples of 8, 4, 2 and 1; and up to what takes several blocks.
WIDTHS = (1, 2, 3, 7, 8, 30, 33, 64, 100, 128, 202, 250, 256, 301, 400, 777, 1000, 1002, 1024, 1026, 4096, 5001, 5002)
ASKEW = (20, 250, 500, 1000, 4096, 20001)
"""Widths whose rows, in one array but not in the other, begin where no vector may."""
LONG = (12000, 16384, 20000, 20002, 20001, 70000, 70001)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "name",
    # The others share all but a few lines with these.
    [pytest.param(name, marks=() if name in ("softmax", "add_layer_norm") else pytest.mark.slow) for name in ROWS],
)
def test_every_variant_runs_and_is_right(card, on_card, name: str, dtype: str) -> None:
    shapes = [(3, n) for n in WIDTHS] + [(2, n) for n in LONG] + [(1, n) for n in LONG]
    for place, shape in enumerate(shapes):
        card.order = place
        inputs = sample(name, shape, dtype)
        assert_right(name, inputs, fk.OPS[name].function(**on(on_card, inputs)), dtype, shape)
    for place, (rows, n) in enumerate((rows, n) for rows in (1, 3) for n in ASKEW):
        card.order = place
        inputs = sample(name, (rows, n), dtype)
        values = on(on_card, inputs) | {"x": on_card(inputs["x"], offset=1)}
        assert_right(name, inputs, fk.OPS[name].function(**values), dtype, (rows, n))
    ran = {launch.kernel for launch in card.started}
    missing = {kernel for kernel in variants(name, dtype) if kernel.arguments == "RowArguments"} - ran
    assert not missing, f"never ran: {[kernel.body for kernel in missing]}"


@pytest.mark.parametrize("name", ROWS)
def test_every_form_is_right_for_every_operation(card, on_card, name: str) -> None:
    forms = {}
    for rows, n in ((5, 64), (3, 4096), (3, 16500), (1, 16500)):
        inputs = sample(name, (rows, n), "float32")
        values = on(on_card, inputs)
        assert_right(name, inputs, fk.OPS[name].function(**values), "float32", n)
        forms[rows, n] = fk.explain(name, **values).form
    assert list(forms.values()) == ["warp", "block", "streaming", "several blocks"]


@pytest.mark.parametrize("n", (90, 3000, 20000))
@pytest.mark.parametrize("name", ROWS)
def test_rows_that_lie_apart_or_begin_anywhere_are_read_where_they_lie(card, on_card, name: str, n: int) -> None:
    inputs = sample(name, (3, n), "float32")
    wide = on_card(np.zeros((3, n + 5), np.float32), offset=1)
    wide.data[:, 2 : n + 2] = inputs["x"]
    values = on(on_card, inputs) | {"x": wide[:, 2 : n + 2]}
    assert_right(name, inputs, fk.OPS[name].function(**values), "float32")
    assert not any("copied" in note for note in fk.explain(name, **values).notes)


@pytest.mark.parametrize("name", ROWS)
def test_strides_that_no_kernel_takes_are_copied_and_explained(card, on_card, name: str) -> None:
    inputs = sample(name, (6, 50), "float32")
    every = on_card(np.repeat(inputs["x"], 2, axis=1))
    values = on(on_card, inputs) | {"x": every[:, ::2]}
    assert_right(name, inputs, fk.OPS[name].function(**values), "float32")
    assert "x: copied, no kernel takes its strides" in fk.explain(name, **values).notes


@pytest.mark.parametrize("n", (40, 2000, 17000))
@pytest.mark.parametrize("rows", (1, 4))
@pytest.mark.parametrize("name", ROWS)
def test_a_result_may_be_an_input(card, on_card, name: str, rows: int, n: int) -> None:
    for order in (0, 1, 7):
        card.order = order
        inputs = sample(name, (rows, n), "float32")
        values = on(on_card, inputs)
        second = values.get("residual")
        out = values["x"] if second is None else (values["x"], second)
        assert fk.OPS[name].function(**values, out=out) is out
        assert_right(name, inputs, out, "float32")


@pytest.mark.parametrize("name", ROWS)
def test_a_result_of_another_dtype_or_layout_or_that_overlaps_is_written_in_the_end(card, on_card, name: str) -> None:
    inputs = sample(name, (6, 50), "float32")
    pair = name == "add_layer_norm"
    for make in (
        lambda: on_card(np.zeros((6, 50), np.float16)),
        lambda: on_card(np.zeros((50, 6), np.float32)).transpose(1, 0),
    ):
        out = (make(), make()) if pair else make()
        fk.OPS[name].function(**on(on_card, inputs), out=out)
        expected = fk.OPS[name].function(**on(on_card, inputs))
        for mine, its in zip(parts(out), parts(expected), strict=True):
            np.testing.assert_array_equal(mine.get(), its.get().astype(mine.dtype))
    memory = on_card(np.zeros((7, 50), np.float32))
    memory.data[:6] = inputs["x"]
    out = (memory[1:], on_card(np.zeros((6, 50), np.float32))) if pair else memory[1:]
    fk.OPS[name].function(**on(on_card, inputs) | {"x": memory[:6]}, out=out)
    assert_right(name, inputs, out, "float32")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ALONG_AXES)
def test_any_other_axis(card, on_card, name: str, dtype: str) -> None:
    for shape, axis, form in (
        ((3, 20, 50), 1, "columns"),
        ((70, 3), 0, "columns"),
        ((2, 3, 600, 2), 2, "columns"),
        ((400, 33), -2, "columns"),
        ((40, 640), 0, "columns"),
        ((1, 5, 1), 1, "columns"),
        ((9000, 8), 0, "shared columns"),
        ((9001, 3), 0, "shared columns"),
    ):
        for card.order in (0, 5):
            inputs = {"x": sample(name, shape, dtype)["x"]}
            values = on(on_card, inputs)
            assert_right(name, inputs, fk.OPS[name].function(**values, axis=axis), dtype, shape, axis=axis)
            assert fk.explain(name, **values, axis=axis).form == form
    ran = {launch.kernel for launch in card.started}
    assert ran == {kernel for kernel in variants(name, dtype) if kernel.arguments == "ColumnArguments"}
    for shape in ((40, 30), (9000, 8)):
        inputs = {"x": sample(name, shape, dtype)["x"]}
        values = on(on_card, inputs)
        fk.OPS[name].function(**values, axis=0, out=values["x"])
        assert_right(name, inputs, values["x"], dtype, axis=0)


@pytest.mark.parametrize("n", (5, 700, 5000, 18000))
@pytest.mark.parametrize("rows", (1, 8))
@pytest.mark.parametrize("name", ROWS)
def test_nan_and_infinities_stay_in_their_row_and_mean_what_they_do_in_numpy(card, on_card, name, rows, n) -> None:
    inputs = sample(name, (rows, n), "float32")
    x, last = inputs["x"], rows - 1
    specials = [[np.nan], [np.inf], [-np.inf], [np.inf, -np.inf], [np.inf, np.inf], [np.nan, np.inf], []]
    for special in specials:
        x[...] = sample(name, (rows, n), "float32")["x"]
        for place, value in enumerate(special):
            x[last, place * (n - 1)] = value
        assert_right(name, inputs, fk.OPS[name].function(**on(on_card, inputs)), "float32", special)
    if name in ("softmax", "log_softmax"):
        x[last] = -np.inf
        assert_right(name, inputs, fk.OPS[name].function(**on(on_card, inputs)), "float32", "all -inf")
        x[last, : n // 2] = -np.inf
        x[last, n // 2 :] = -100.0
        assert_right(name, inputs, fk.OPS[name].function(**on(on_card, inputs)), "float32", "half -inf")


@pytest.mark.parametrize("n", (900, 9000, 30000))
def test_a_mean_far_from_zero_costs_no_digits(card, on_card, n: int) -> None:
    for rows in (1, 4):
        inputs = sample("layer_norm", (rows, n), "float32")
        inputs["x"] += np.float32(1e4)
        assert_right("layer_norm", inputs, fk.layer_norm(**on(on_card, inputs)), "float32")


def test_weight_and_bias_may_be_missing(card, on_card) -> None:
    for name, missing in (("layer_norm", ("bias",)), ("layer_norm", ("weight", "bias")), ("rms_norm", ("weight",))):
        inputs = {key: value for key, value in sample(name, (5, 60), "float32").items() if key not in missing}
        assert_right(name, inputs, fk.OPS[name].function(**on(on_card, inputs)), "float32")


@pytest.mark.parametrize("name", ROWS)
def test_nothing_gives_nothing(card, on_card, name: str) -> None:
    inputs = sample(name, (1, 4), "float32")
    inputs = {key: value[:0] if value.ndim == 2 else value for key, value in inputs.items()}
    for part in parts(fk.OPS[name].function(**on(on_card, inputs))):
        assert part.get().shape == (0, 4)
    assert not card.started


def test_integers_are_float64_and_mixed_dtypes_what_numpy_promotes_them_to(card, on_card) -> None:
    assert fk.softmax(on_card(np.arange(12).reshape(3, 4))).get().dtype == np.float64
    inputs = sample("layer_norm", (3, 40), "float32")
    inputs["x"] = inputs["x"].astype(np.float16)
    assert_right("layer_norm", inputs, fk.layer_norm(**on(on_card, inputs)), "float32")
    with pytest.raises(fk.DtypeError, match="no dtype that holds all"):
        fk.layer_norm(on_card(np.zeros((2, 3), ml_dtypes.bfloat16)), weight=on_card(np.ones(3, np.float16)))


def test_what_does_not_fit_is_refused_in_the_words_of_the_cpu(card, on_card) -> None:
    x, weight = np.zeros((4, 6), np.float32), np.zeros(5, np.float32)
    for arguments, options in (
        ({"x": x, "weight": weight}, {}),
        ({"x": x}, {"eps": -1.0}),
        ({"x": x}, {"eps": "small"}),
        ({"x": np.zeros((3, 0), np.float32)}, {}),
    ):
        with pytest.raises(fk.KernelError) as of_cpu:
            fk.layer_norm(**arguments, **options)
        with pytest.raises(type(of_cpu.value)) as of_gpu:
            fk.layer_norm(**on(on_card, arguments), **options)
        assert str(of_gpu.value) == str(of_cpu.value)
    for axis in (2, "last", [0]):
        with pytest.raises(fk.KernelError) as of_cpu:
            fk.softmax(x, axis=axis)
        with pytest.raises(type(of_cpu.value)) as of_gpu:
            fk.softmax(on_card(x), axis=axis)
        assert str(of_gpu.value) == str(of_cpu.value)
    with pytest.raises(fk.ShapeError, match=r"the result has shape \(4, 6\) and out has \(4, 5\)"):
        fk.softmax(on_card(x), out=on_card(x[:, :5].copy()))
    with pytest.raises(fk.DtypeError, match="out is int32"):
        fk.softmax(on_card(x), out=on_card(x.astype(np.int32)))
    with pytest.raises(fk.DtypeError, match="weight is a numpy ndarray, and other arguments are emulated's arrays"):
        fk.layer_norm(on_card(x), np.ones(6, np.float32))
    with pytest.raises(fk.DtypeError, match="complex64"):
        fk.softmax(on_card(x.astype(np.complex64)))
    assert not card.started
