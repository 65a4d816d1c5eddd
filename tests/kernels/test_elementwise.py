"""A user's function of scalars becomes an operation: compiled, broadcast, catalogued, and explained when it cannot."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable

import hypothesis.extra.numpy as arrays_of
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fused_kernels as fk
from fused_kernels.catalog import Op
from fused_kernels.trace import tracing

FACTOR = 0.25


def helper(x: float) -> float:
    return np.log1p(np.exp(-abs(x))) + max(x, 0)


def numbers(dtype: str, shape: tuple[int, ...] = (37, 53)) -> np.ndarray:
    return np.random.default_rng(3).standard_normal(shape).astype(dtype)


def close(result: np.ndarray, truth: np.ndarray) -> None:
    assert result.shape == np.shape(truth)
    rtol = 2e-6 if result.dtype == np.float32 else 1e-14
    np.testing.assert_allclose(result, truth, rtol=rtol, atol=rtol)


def leaky(x):
    if x < 0:
        return 0.01 * x
    return x


def series(x):
    total = 0
    term = 1
    for k in range(1, 6):
        total += term
        term = term * x / k
    return total


FORMULAS: dict[str, tuple[Callable, Callable]] = {
    "literals": (lambda x: 1 / (2 + x * x) - 3, lambda x: 1 / (2 + x * x) - 3),
    "a number from outside": (lambda x: FACTOR * x, lambda x: 0.25 * x),
    "another function": (lambda x: helper(x) + 1, lambda x: np.log1p(np.exp(x)) + 1),
    "an operation": (lambda x: fk.sigmoid(x) * 2, lambda x: 2 / (1 + np.exp(-x))),
    "an if": (leaky, lambda x: np.where(x < 0, 0.01 * x, x)),
    "a loop": (series, lambda x: 1 + x + x**2 / 2 + x**3 / 6 + x**4 / 24),
    "powers": (lambda x: x**3 + abs(x) ** 0.5 + abs(x) ** 1.5, lambda x: x**3 + np.sqrt(abs(x)) + abs(x) ** 1.5),
    "math": (lambda x: math.erf(x) + math.sin(x), lambda x: np.vectorize(math.erf)(x) + np.sin(x)),
    "numpy": (lambda x: np.tanh(x) + np.cosh(x), lambda x: np.tanh(x) + np.cosh(x)),
    "where and clip": (
        lambda x: np.where(x > 0, x, 0) + np.clip(x, -1, 1),
        lambda x: np.maximum(x, 0) + np.clip(x, -1, 1),
    ),
    "min and max": (lambda x: min(max(x, -0.5), 0.5, 1), lambda x: np.clip(x, -0.5, 0.5)),
    "a comparison": (lambda x: x > 0.5, lambda x: (x > 0.5).astype(x.dtype)),
    "a constant of numpy": (lambda x: np.pi * x + math.e, lambda x: np.pi * x + np.e),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("what", FORMULAS)
def test_what_may_stand_in_a_formula(what: str, dtype: str) -> None:
    function, truth = FORMULAS[what]
    mine = fk.elementwise(name="mine")(function)
    x = numbers(dtype)
    result = mine(x)
    assert result.dtype == dtype
    close(result, truth(x.astype("f8")))


def test_float32_is_computed_in_float32() -> None:
    """A literal that made float64 of it would give the exact sum here."""
    add = fk.elementwise(name="add")(lambda x: (x + 1e8) - 1e8)
    np.testing.assert_array_equal(add(np.ones(100, "f4")), 0)
    np.testing.assert_array_equal(add(np.ones(100, "f8")), 1)


def test_it_is_an_operation_like_the_built_in_ones() -> None:
    @fk.elementwise
    def mish(x, gain=1.0):
        """``x * tanh(log(1 + exp(x)))``."""
        return gain * x * np.tanh(np.log1p(np.exp(x)))

    op = fk.OPS["mish"]
    assert isinstance(op, Op)
    assert fk.mish is mish is op.function
    assert "mish" in dir(fk)
    assert op.summary == "``x * tanh(log(1 + exp(x)))``."
    inputs = op.sample((20, 30), np.dtype("f4"), np.random.default_rng(0))
    assert list(inputs) == ["x", "gain"]
    close(mish(**inputs), op.truth(**inputs))
    assert op.cost(**inputs).bytes_read == 2400
    assert op.cost(**inputs).flops >= 600 * 5
    assert fk.explain("mish", inputs["x"]).implementation == "numba"
    assert "Returns" in mish.__doc__
    close(mish(inputs["x"], gain=2), 2 * op.truth(**inputs))


def test_the_reference_of_what_cannot_take_arrays_goes_element_by_element() -> None:
    fk.elementwise(leaky)
    x = numbers("f4")
    close(fk.OPS["leaky"].reference(x), np.where(x < 0, 0.01 * x, x))


def test_a_second_definition_replaces_the_first_and_built_in_ones_are_safe() -> None:
    fk.elementwise(name="twice")(lambda x: x + x)
    assert fk.twice(1.0) == 2
    fk.elementwise(name="twice")(lambda x: 2 * x + 1)
    assert fk.twice(1.0) == 3
    with pytest.raises(fk.FormulaError, match="built-in"):
        fk.elementwise(name="softmax")(lambda x: x)
    with pytest.raises(fk.FormulaError, match="name"):
        fk.elementwise(lambda x: x)


SHAPES = [((4, 5), (5,)), ((4, 1), (1, 5)), ((3, 1, 5), (4, 1)), ((), (4,)), ((0, 5), (5,)), ((4, 5), (1, 1)), ((), ())]


@pytest.mark.parametrize("shapes", SHAPES, ids=repr)
def test_arguments_broadcast(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    x, y = (numbers("f4", shape) for shape in shapes)
    close(np.asarray(fk.swiglu(x, y)), np.asarray(fk.OPS["swiglu"].truth(gate=x, up=y)))
    with tracing() as found:
        fk.swiglu(x, y)
    assert found.form in ("strided", "serial", "")
    assert not any("copied" in note for note in found.notes)


def test_shapes_that_do_not_broadcast_are_named() -> None:
    with pytest.raises(fk.ShapeError, match=r"swiglu.*gate: float32 \(3,\), up: float32 \(4,\)"):
        fk.swiglu(np.ones(3, "f4"), np.ones(4, "f4"))


def test_a_new_result_lies_in_memory_as_its_input_does() -> None:
    x = numbers("f4", (30, 40)).T
    assert fk.relu(x).flags.f_contiguous
    cube = numbers("f4", (3, 4, 5)).transpose(1, 2, 0)
    assert fk.relu(cube).strides == np.maximum(cube, 0).strides


def test_integers_and_masks_are_read_as_they_are() -> None:
    x, mask = numbers("f4"), numbers("f4") > 0
    with tracing() as found:
        result = fk.dropout_add(x, x, mask, 2.0)
    close(result, x * mask * 2 + x)
    assert found.form == "strided"
    assert not any("copied" in note for note in found.notes)
    assert result.dtype == np.float32
    assert fk.scale(np.arange(5), 2).dtype == np.float64
    assert fk.scale(numbers("f4"), np.float64(2)).dtype == np.float64  # as NumPy has it


LAYOUTS = st.sampled_from(
    [
        lambda a: a,
        lambda a: a[..., ::-1] if a.ndim else a,
        lambda a: np.repeat(a, 2, axis=-1)[..., ::2] if a.ndim else a,
        lambda a: np.asarray(a, order="F"),
        lambda a: a.T.copy().T,
        lambda a: np.broadcast_to(a[:1], a.shape) if a.ndim else a,
        lambda a: a.astype(a.dtype.newbyteorder()),
    ]
)
DTYPES = st.sampled_from(["float32", "float64", "int8", "int64", "bool", "uint16", "float16"])


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_layouts_and_dtypes_give_what_numpy_gives(data: st.DataObject) -> None:
    shapes = data.draw(arrays_of.mutually_broadcastable_shapes(num_shapes=3, max_dims=4, max_side=5))
    x, residual, mask = (
        data.draw(LAYOUTS)(np.asarray(np.random.default_rng(5).standard_normal(shape) * 3).astype(data.draw(DTYPES)))
        for shape in shapes.input_shapes
    )
    expected = x.astype("f8") * mask.astype("f8") * 0.5 + residual.astype("f8")
    result = fk.dropout_add(x, residual, mask, 0.5)
    assert result.shape == expected.shape == shapes.result_shape
    kind = np.result_type(x, residual, mask)
    assert result.dtype == (kind.newbyteorder("=") if kind.kind == "f" else np.float64)
    rtol = {"float16": 2e-3, "float32": 1e-5, "float64": 1e-12}[result.dtype.name]
    np.testing.assert_allclose(result, expected.astype("f8"), rtol=rtol, atol=10 * rtol)
    out = np.full((*expected.shape, 2), np.nan, result.dtype)[..., 1]
    assert fk.dropout_add(x, residual, mask, 0.5, out=out) is out
    np.testing.assert_array_equal(out, result)


@pytest.mark.parametrize("slide", [0, 1, 7])
def test_an_out_over_the_input_is_right_wherever_it_begins(slide: int) -> None:
    memory = numbers("f4", (200_000,))
    x, expected = memory[:100_000], fk.relu(memory[:100_000].copy())
    out = memory[slide : slide + 100_000]
    fk.relu(x, out=out)
    np.testing.assert_array_equal(out, expected)
    square = numbers("f4", (300, 300))
    expected = fk.relu(square)
    fk.relu(square, out=square.T)
    np.testing.assert_array_equal(square.T, expected)


def unknown_function(x):
    y = x + 1
    return open(y)  # noqa: PTH123


def no_number(x):
    return [x]


BAD = {
    "a function that nobody knows": (unknown_function, r"line \d+, `return open\(y\)"),
    "a list": (no_number, "must return one real number"),
    "nothing": (lambda x: None, "must return one real number"),
    "a complex number": (lambda x: x * 1j, "must return one real number"),
    "a name that is not there": (lambda x: 2 * not_there(x), r"line \d+.*not_there"),  # noqa: F821
    "several arguments in one": (lambda *x: x[0], "plain argument"),
    "an out": (lambda x, out: x, "another name"),
    "no argument": (lambda: 1.0, "at least one argument"),
    "no function": (np.sin, "takes a Python function"),
    "an array function": (lambda x: np.sum(x, axis=0), r"line \d+"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_cannot_be_compiled_is_an_error_with_its_line(what: str) -> None:
    function, message = BAD[what]
    with pytest.raises(fk.FormulaError, match=message):
        fk.elementwise(name="bad")(function)
    assert "bad" not in fk.OPS
    assert pickle.loads(pickle.dumps(fk.FormulaError("x"))).args == ("x",)


DEFINE = """
import numpy as np, fused_kernels as fk
for C, literal in {numbers}:
    mine = fk.elementwise(name="mine")(eval(f"lambda x: C * x + {{literal}}"))
    assert mine(np.ones(1000, 'f4'))[0] == C + literal
    (kernel,) = mine.forms().kernels.values()
    print(sum(kernel.stats.cache_hits.values()), sum(kernel.stats.cache_misses.values()), end=";")
"""


def test_compiled_formulas_are_kept_on_disk_until_anything_in_them_changes(
    fresh_process: Callable[..., str], tmp_path
) -> None:
    def run(*numbers: tuple[int, int]) -> str:
        return fresh_process(DEFINE.format(numbers=numbers), NUMBA_CACHE_DIR=str(tmp_path))

    assert run((2, 1)) == "0 1;"
    assert run((2, 1), (3, 1), (2, 5)) == "1 0;0 1;0 1;"
