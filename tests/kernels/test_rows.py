"""Operations on rows, beyond the contract: special values, accuracy far from zero, what is refused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import fused_kernels as fk
from fused_kernels.trace import tracing

RNG = np.random.default_rng(7)
NORMS = ["layer_norm", "rms_norm", "l2_normalize", "log_softmax", "softmax"]


@pytest.fixture(autouse=True)
def _same_numbers() -> None:
    """Each test draws the same, whichever ran before it."""
    global RNG
    RNG = np.random.default_rng(7)


def matrix(*shape: int, dtype: str = "f4") -> np.ndarray:
    return RNG.standard_normal(shape).astype(dtype)


def assert_true(name: str, tolerance: float = 1.0, **inputs: object) -> None:
    """Hold a result to its float64 truth, to a part of the operation's tolerance."""
    op = fk.OPS[name]
    result, truth = op.function(**inputs), op.truth(**inputs)
    allowed = op.tolerance["float32"]
    for mine, its in zip(*(value if isinstance(value, tuple) else (value,) for value in (result, truth)), strict=True):
        np.testing.assert_allclose(mine, its, allowed.rtol * tolerance, allowed.atol * tolerance)


FAR = {
    "far from zero": lambda: 1e4 + matrix(5, 768),
    "far from zero, long": lambda: 1e4 + matrix(2, 100_003),
    "the first ones are outliers": lambda: np.hstack([matrix(5, 20) + 1e4, matrix(5, 748)]),
    "the first is an outlier": lambda: np.hstack([np.full((5, 1), 1e6, "f4"), matrix(5, 767)]),
    "the first ones are zero": lambda: np.hstack([np.zeros((5, 16), "f4"), 1e4 + matrix(5, 4080)]),
    "a ramp": lambda: np.linspace(0, 1e4, 3 * 5000, dtype="f4").reshape(3, 5000),
    "blocks at different heights": lambda: np.repeat([0.0, 1e3, -1e3, 5.0], 4096)[None] + matrix(2, 4 * 4096),
}


@pytest.mark.parametrize("kind", FAR)
def test_layer_norm_is_right_wherever_the_mean_lies(kind: str) -> None:
    assert_true("layer_norm", x=FAR[kind]().astype("f4"))


@pytest.mark.parametrize("columns", [1, 2, 15, 16, 17, 63, 4096, 4097, 9001])
def test_a_constant_row_is_exactly_its_bias(columns: int) -> None:
    x = np.full((3, columns), 3.3e8, "f4")
    bias = matrix(columns)
    np.testing.assert_array_equal(fk.layer_norm(x, bias=bias), np.broadcast_to(bias, x.shape))


@pytest.mark.parametrize("columns", [1, 2, 17, 4097, 300_001])
@pytest.mark.parametrize("name", NORMS)
def test_rows_of_any_length_are_right(name: str, columns: int) -> None:
    assert_true(name, x=3 + matrix(2, columns))


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "l2_normalize"])
def test_columns_of_any_length_are_right(name: str) -> None:
    assert_true(name, x=3 + matrix(300_001, 2), axis=0)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("value", [-1.0, -0.3, -2.2])
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "l2_normalize", "mean_pool"])
def test_long_sums_of_equal_numbers_whose_roundings_add_up(name: str, value: float, dtype: str) -> None:
    op = fk.OPS[name]
    columns = np.full((100_000, 3), value, dtype)
    columns[0] = 0
    calls = [{"x": columns}] if name == "mean_pool" else [{"x": columns, "axis": 0}, {"x": columns.T.copy()}]
    tolerance = op.tolerance[columns.dtype.name]
    for inputs in calls:
        np.testing.assert_allclose(op.function(**inputs), op.truth(**inputs), tolerance.rtol, tolerance.atol)


def test_columns_whose_squares_overflow_in_the_sum_only() -> None:
    x = np.full((300, 2), 1e154)
    x[:, 1] = 1
    result = fk.l2_normalize(x, axis=0)
    np.testing.assert_array_equal(result[:, 0], 0)
    np.testing.assert_allclose(result[:, 1], 300**-0.5)


@pytest.mark.parametrize("name", NORMS)
def test_squares_that_overflow_give_what_numpy_gives(name: str) -> None:
    x = np.array([[1e30, -1e30, 3e30] * 10], "f4")
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(fk.OPS[name].function(x), fk.OPS[name].reference(x), atol=0)


@pytest.mark.parametrize("name", ["layer_norm", "rms_norm", "l2_normalize", "log_softmax", "add_layer_norm"])
def test_rows_that_lie_apart_are_read_and_written_where_they_lie(name: str) -> None:
    memory, results = matrix(60, 500), np.zeros((2, 60, 300), "f4")
    x, outs = memory[:, 3:203], results[:, :, 7:207]
    several = name == "add_layer_norm"
    arguments = (x, memory[:, 203:403]) if several else (x,)
    with tracing() as found:
        fk.OPS[name].function(*arguments, out=(outs[0], outs[1]) if several else outs[0])
    assert not any("copied" in note for note in found.notes)
    expected = fk.OPS[name].function(*(value.copy() for value in arguments))
    np.testing.assert_array_equal(outs[: 2 if several else 1], expected if several else [expected])
    assert not results[:, :, :7].any()
    assert not results[:, :, 207:].any()


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "l2_normalize"])
def test_any_axis(name: str, axis: int) -> None:
    for shape in ((2, 3, 5), (4, 90, 300), (1, 1100, 513)):
        x = matrix(*shape, dtype="f8")
        expected = fk.OPS[name].reference(x, axis)
        np.testing.assert_allclose(fk.OPS[name].function(x, axis), expected, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(fk.OPS[name].function(x, axis, out=x), expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize(
    ("name", "expected"),
    [("softmax", [[0.0, 1.0], [np.nan, np.nan]]), ("log_softmax", [[-np.inf, 0.0], [np.nan, np.nan]])],
)
def test_minus_infinity_beside_numbers_and_alone(name: str, expected: list[list[float]], axis: int) -> None:
    x = np.array([[-np.inf, 0.0], [-np.inf, -np.inf]], "f4")
    result = fk.OPS[name].function(x if axis == 1 else x.T.copy(), axis)
    np.testing.assert_array_equal(result if axis == 1 else result.T, expected)


def test_log_softmax_of_large_logits_keeps_their_differences() -> None:
    x = (1e4 + matrix(3, 1000)).astype("f4")
    assert_true("log_softmax", x=x)


def test_a_vector_of_zeros_keeps_its_length() -> None:
    np.testing.assert_array_equal(fk.l2_normalize(np.zeros((2, 3), "f4")), np.zeros((2, 3)))
    assert np.isnan(fk.l2_normalize(np.zeros((2, 3), "f4"), eps=0)).all()
    np.testing.assert_allclose(fk.l2_normalize([[3e-13, 4e-13]]), [[0.3, 0.4]])


@pytest.mark.parametrize("place", ["x", "residual"])
@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("rows", [3, 400])
def test_add_layer_norm_in_place(which: int, place: str, rows: int) -> None:
    inputs = {"x": matrix(rows, 301), "residual": matrix(rows, 301), "weight": matrix(301)}
    expected = fk.add_layer_norm(**inputs)
    other = np.empty_like(inputs["x"])
    out = (inputs[place], other) if which == 0 else (other, inputs[place])
    with tracing() as found:
        assert fk.add_layer_norm(**inputs, out=out) is out
    assert found.form == "staged"
    for mine, its in zip(out, expected, strict=True):
        np.testing.assert_allclose(mine, its, rtol=1e-6, atol=1e-6)


def test_add_layer_norm_refuses_one_array_for_both_results() -> None:
    x = matrix(4, 5)
    y = np.empty_like(x)
    with pytest.raises(fk.DtypeError, match="share memory"):
        fk.add_layer_norm(x, x, out=(y, y))
    with pytest.raises(fk.DtypeError, match="out"):
        fk.add_layer_norm(x, x, out=(y, None))
    with pytest.raises(fk.ShapeError, match="one shape"):
        fk.add_layer_norm(x, x[0])


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("ignore_index", [-100, 3])
@pytest.mark.parametrize("shape", [(7, 11), (2, 5, 11), (11,), (600, 90)])
def test_cross_entropy_is_torchs(shape: tuple[int, ...], ignore_index: int, reduction: str) -> None:
    torch = pytest.importorskip("torch")
    logits = 5 * matrix(*shape)
    target = np.asarray(RNG.integers(0, shape[-1], shape[:-1]))
    target.reshape(-1)[1:3] = ignore_index
    options = {"ignore_index": ignore_index, "reduction": reduction}
    expected = torch.nn.functional.cross_entropy(
        torch.from_numpy(logits).reshape(-1, shape[-1]), torch.from_numpy(np.atleast_1d(target)).reshape(-1), **options
    )
    result = fk.cross_entropy(logits, target, **options)
    assert np.shape(result) == (target.shape if reduction == "none" else ())
    np.testing.assert_allclose(np.ravel(result), np.ravel(expected), rtol=1e-5, atol=1e-6)
    out = np.full(np.shape(result), 9, "f4")
    assert fk.cross_entropy(logits, target, **options, out=out) is out
    np.testing.assert_array_equal(out, result)


def test_the_loss_of_rows_that_lie_apart_goes_to_an_out_without_axes() -> None:
    logits, target, out = matrix(6, 9)[:, :5], np.arange(6) % 5, np.zeros((), "f4")
    with tracing() as found:
        assert fk.cross_entropy(logits, target, out=out) is out
    assert out == fk.cross_entropy(logits, target)
    assert not any("copied" in note for note in found.notes)


def test_the_losses_of_rows_go_to_an_out_that_lies_apart() -> None:
    logits, target, memory = matrix(2, 3, 9), np.array([[0, 8, -100], [4, 4, 1]]), np.full((2, 7), 7, "f4")
    assert fk.cross_entropy(logits, target, reduction="none", out=memory[:, 2:5]) is not None
    np.testing.assert_array_equal(memory[:, 2:5], fk.cross_entropy(logits, target, reduction="none"))
    column = memory[:, 6:]
    fk.cross_entropy(logits[:, :1], target[:, :1], reduction="none", out=column)
    np.testing.assert_array_equal(column, memory[:, 2:3])
    np.testing.assert_array_equal(memory[:, [0, 1, 5]], 7)


def test_the_sum_of_many_equal_losses_keeps_its_digits() -> None:
    inputs = {"logits": np.tile([1.0, 0, 1, 1, 0], (100_000, 1)), "target": np.zeros(100_000, int)}
    op = fk.OPS["cross_entropy"]
    np.testing.assert_allclose(
        fk.cross_entropy(**inputs, reduction="sum"), op.truth(**inputs, reduction="sum"), rtol=1e-15
    )


@pytest.mark.parametrize("rows", [6, 900])
@pytest.mark.parametrize("wrong", [11, -1, 2**40])
def test_a_target_that_is_no_class_is_named(rows: int, wrong: int) -> None:
    target = np.zeros((rows, 2), np.int64)
    target[4, 1] = wrong
    with pytest.raises(
        fk.KernelError, match=rf"target\[4, 1\] is {wrong}, and there are 11 classes.*ignore_index=-100"
    ):
        fk.cross_entropy(matrix(rows, 2, 11), target)


def test_cross_entropy_of_no_rows() -> None:
    nothing = matrix(4, 5), np.full(4, -100)
    assert np.isnan(fk.cross_entropy(*nothing))
    assert fk.cross_entropy(*nothing, reduction="sum") == 0
    assert not fk.cross_entropy(*nothing, reduction="none").any()
    assert np.isnan(fk.cross_entropy(np.zeros((0, 5)), np.zeros(0, int)))


@pytest.mark.parametrize("dtype", ["int32", "uint8", "int64"])
def test_targets_of_any_integers(dtype: str) -> None:
    logits, target = matrix(4, 5), np.array([0, 4, 2, 1])
    assert fk.cross_entropy(logits, target.astype(dtype)) == fk.cross_entropy(logits, target)


@pytest.mark.parametrize(
    ("target", "error", "message"),
    [
        (np.zeros((4, 1), int), fk.ShapeError, r"target needs .* \(4,\)"),
        (np.zeros(4), fk.DtypeError, "integers"),
        (np.zeros(4, bool), fk.DtypeError, "numbers of classes"),
        (None, fk.DtypeError, "target is None"),
    ],
)
def test_targets_that_do_not_fit_are_explained(target: object, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        fk.cross_entropy(matrix(4, 5), target)


def test_options_of_cross_entropy_that_make_no_sense_are_explained() -> None:
    logits, target = matrix(4, 5), np.zeros(4, int)
    with pytest.raises(fk.KernelError, match="mean, sum, none"):
        fk.cross_entropy(logits, target, reduction="max")
    with pytest.raises(fk.DtypeError, match="ignore_index"):
        fk.cross_entropy(logits, target, ignore_index=1.5)
    with pytest.raises(fk.DtypeError, match="64 bits"):
        fk.cross_entropy(logits, target, ignore_index=2**70)
    with pytest.raises(fk.KernelError, match="reduction must be one of"):
        fk.cross_entropy(logits, target, reduction=np.ones(3))
    # As int64 this would be -100, and the row silently ignored.
    with pytest.raises(fk.DtypeError, match=f"target holds {2**64 - 100}"):
        fk.cross_entropy(logits, np.full(np.shape(target), 2**64 - 100, np.uint64))
    with pytest.raises(fk.ShapeError, match=r"moveaxis\(logits, 1, -1\)"):
        fk.cross_entropy(matrix(2, 5, 7), np.zeros((2, 7), int))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("cross_entropy", (np.zeros(600, int),)),
        ("mean_pool", ()),
        ("log_softmax", ()),
        ("l2_normalize", (0,)),
        ("softmax", (0,)),
    ],
)
def test_threads_agree_with_one(use_threads: Callable[[int], None], name: str, arguments: tuple[object, ...]) -> None:
    x = matrix(600, 200)
    results, ran = [], []
    for number in (1, 2, 3):
        use_threads(number)
        with tracing() as found:
            results.append(fk.OPS[name].function(x, *arguments))
        ran.append(found.form)
    assert ran == ["serial", "parallel", "parallel"]
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])
