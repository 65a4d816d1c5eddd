"""The seventeen functions on NumPy arrays, and what the package shows of itself."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from math import inf, nan
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from fused_kernels import polyglot

Row = tuple[Any, ...]


class Mine(np.ndarray):
    """Somebody's own kind of array."""


def vector(*values: float) -> np.ndarray:
    return np.array(values, "f8")


def no_array(name: str, kind: str = "ndarray") -> TypeError:
    return TypeError(f"argument '{name}': '{kind}' object cannot be cast as 'ndarray'")


def no_number(name: str, kind: str) -> TypeError:
    return TypeError(f"argument '{name}': must be real number, not {kind}")


def single(value: Any) -> Any:
    """Return a float64 array as float32, and all else as it is."""
    return value.astype("f4") if isinstance(value, np.ndarray) and value.dtype == "f8" else value


READ_ONLY, UNALIGNED = vector(1, 2), np.frombuffer(b"x" + vector(1, 2).tobytes(), np.uint8)[1:].view("f8")
READ_ONLY.flags.writeable = False
A, B, BIAS = np.arange(6.0).reshape(2, 3) - 2, np.arange(12.0).reshape(3, 4) - 5, vector(0, -30, 1, 2)
LAYOUTS: list[Callable[[np.ndarray], np.ndarray]] = [
    np.asfortranarray,
    lambda a: np.repeat(a, 2, axis=1)[:, ::2],
    lambda a: np.repeat(a, 3, axis=0)[::3],
    lambda a: a[:, ::-1].copy()[:, ::-1],
    lambda a: a.view(Mine),
    lambda a: a.view(np.matrix),
]
EMPTIES = [(2, 0, 4), (0, 3, 4), (2, 3, 0), (0, 0, 0)]
NO_ARRAYS = [
    ([1.0], "list"),
    ((1.0,), "tuple"),
    (None, "NoneType"),
    (1.0, "float"),
    ("a", "str"),
    (np.float64(1), "float64"),
]
NO_FACTORS = [("2", "str"), (None, "NoneType"), (1j, "complex"), ([2.0], "list")]
PANICS = "PanicException for strided input"
FLAT = "the result has one axis"
NAN_LOST = "relu makes NaN 0"
SHAPES_DIFFER = ValueError("All arrays must have the same shape")
FEW_ROWS = ValueError("Input and weights dimensions don't match")
FEW_BIASES = ValueError("Weights and bias dimensions don't match")
TAKEN_APART = ValueError("Matrix dimensions don't match")
ON_VECTORS = {
    "parallel_map_numpy": ((2.5,), vector(2.5, 5)),
    "sum_of_squares_numpy": ((), 5.0),
    "relu_numpy": ((), vector(1, 2)),
    "sigmoid_numpy": ((), vector(0.7310585786300049, 0.8807970779778823)),
}
"""The functions of one array with one axis: what else they take, and what they make of [1.0, 2.0]."""


def on_vectors() -> Iterator[Row]:
    """Rows for float64; each is also held, in float32, against the function with the suffix."""
    yield "parallel_map_numpy", (vector(1, -2, 0), 2), vector(2, -4, 0)
    yield "parallel_map_numpy", (vector(nan, inf, 0), -inf), vector(nan, -inf, nan)
    yield "parallel_map_numpy", (vector(1), 10**400), OverflowError("int too large to convert to float")
    yield "parallel_map_numpy", ([1.0], "x"), no_array("arr", "list")
    for value, kind in NO_FACTORS:
        yield "parallel_map_numpy", (vector(1), value), no_number("factor", kind)
    yield "sum_of_squares_numpy", (vector(),), 0.0
    yield "sum_of_squares_numpy", (vector(1, nan),), nan
    yield "sum_of_squares_numpy", (vector(-inf, 1),), inf
    yield "relu_numpy", (vector(-1, 0, 2, inf, -inf),), vector(0, 0, 2, inf, 0)
    yield "relu_numpy", (vector(nan, -1),), vector(nan, 0), NAN_LOST
    yield "sigmoid_numpy", (vector(0, inf, -inf, nan, 900, -900),), vector(0.5, 1, 0, nan, 1, 0)
    for name, (more, expected) in ON_VECTORS.items():
        for same in (vector(1, 2), vector(1, 2).view(Mine)):
            yield name, (same, *more), expected
        for value, kind in (*NO_ARRAYS, (np.array(1.0), "ndarray"), (A, "ndarray"), (np.array([1]), "ndarray")):
            yield name, (value, *more), no_array("arr", kind)
        if name != "sum_of_squares_numpy":
            yield name, (vector(), *more), vector()


def on_matrices() -> Iterator[Row]:
    """Rows for float64; each is also held, in float32, against the function with the suffix."""
    product = A @ B
    linear = {"fused_linear": product + BIAS, "fused_linear_relu": np.maximum(product + BIAS, 0)}
    yield "matmul_numpy", (A, B), product
    yield "matmul_numpy", (vector([nan, inf]), vector([1, 2], [0, 0])), vector([nan, nan])
    for a, b in ((A, A), (B, A), (np.ones((2, 0)), np.ones((3, 2)))):
        yield "matmul_numpy", (a, b), TAKEN_APART
    for value, kind in (*NO_ARRAYS, (BIAS, "ndarray"), (A[None], "ndarray"), (np.eye(3, dtype=int), "ndarray")):
        yield "matmul_numpy", (value, B), no_array("a", kind)
        yield "matmul_numpy", (A, value), no_array("b", kind)
    for m, k, n in EMPTIES:
        yield "matmul_numpy", (np.ones((m, k)), np.ones((k, n))), np.zeros((m, n))
    for layout in LAYOUTS:
        yield "matmul_numpy", (layout(A), layout(B)), product
        for name, expected in linear.items():
            yield name, (layout(A), layout(B), np.repeat(BIAS, 2)[::2]), expected
    for name, expected in linear.items():
        yield name, (A, B, BIAS), expected
        yield name, (A, A, BIAS), FEW_ROWS
        yield name, (A, A, vector(1)), FEW_ROWS
        for bias in (vector(), vector(1), vector(1, 2, 3, 4, 5)):
            yield name, (A, B, bias), FEW_BIASES
        for value, kind in (*NO_ARRAYS, (A[None], "ndarray"), (np.array([1]), "ndarray")):
            yield name, (value, B, BIAS), no_array("input", kind)
            yield name, (A, value, BIAS), no_array("weights", kind)
            yield name, (A, B, value), no_array("bias", kind)
        yield name, (A, B, BIAS[None]), no_array("bias")
        for m, k, n in EMPTIES:
            yield name, (np.ones((m, k)), np.ones((k, n)), np.ones(n)), np.ones((m, n))
    yield "fused_linear_relu", (vector([nan]), vector([1]), vector(1)), vector([nan]), NAN_LOST
    yield "fused_linear_relu", (vector([-inf]), vector([1]), vector(1)), vector([0])


def normalised(eps: float) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return (A - A.mean(1, keepdims=True)) / np.sqrt(A.var(1, keepdims=True) + eps)


def of_one_dtype() -> Iterator[Row]:
    """Rows of the functions that have no float32 version, and of what differs between the two."""
    kept = (A > 0) * 1.0
    exponentials = np.exp(A) / np.exp(A).sum(1, keepdims=True)
    for name, (more, expected) in ON_VECTORS.items():
        yield name, (vector(1, 2).astype("f4"), *more), no_array("arr")
        yield name, (vector(1, 2).astype(">f8"), *more), no_array("arr")
        yield f"{name}_f32", (vector(1, 2), *more), no_array("arr")
        for same in (READ_ONLY, UNALIGNED):
            yield name, (same, *more), expected
        for strided in (vector(1, 9, 2, 9)[::2], vector(2, 1)[::-1]):
            yield name, (strided, *more), expected, PANICS
            single_expected = expected if isinstance(expected, float) else expected.astype("f4")
            yield f"{name}_f32", (np.repeat(strided, 2).astype("f4")[::2], *more), single_expected, PANICS
    yield "parallel_map_numpy_f32", (vector(1, 0).astype("f4"), 1e300), vector(inf, nan).astype("f4")
    yield "sum_of_squares_numpy", (vector(1e200),), inf
    yield "sum_of_squares_numpy_f32", (vector(1e30).astype("f4"),), inf
    yield "sum_of_squares_numpy_f32", (np.full(10**7, 0.5, "f4"),), 2.5e6
    yield "sum_of_squares_numpy_f32", (np.full(10**7, 0.1, "f4"),), 1e5, "its sum of 10 million loses 0.7 %"
    yield "matmul_numpy", (A, A), ValueError("Matrix dimensions don't match: (2, 3) @ (2, 3)")
    yield "matmul_numpy", (A.astype("f4"), B), no_array("a")
    yield "matmul_numpy_f32", (A.astype("f4"), B), no_array("b")
    yield "fused_linear", (A, B, BIAS.astype("f4")), no_array("bias")
    for layout in (np.ascontiguousarray, *LAYOUTS):
        yield "fused_dropout_add", (layout(A), 10 * A, kept, 2), kept * A * 2 + 10 * A
        yield "fused_layer_norm", (layout(A), 0.5), normalised(0.5)
        yield "fused_softmax", (layout(A),), exponentials
    yield (
        "fused_dropout_add",
        (vector([nan, inf, 1]), vector([1, 2, 3]), vector([0, 0, 0.5]), 3.0),
        vector([nan, nan, 4.5]),
    )
    yield "fused_dropout_add", (*[np.ones((0, 3))] * 3, 1.0), np.ones((0, 3))
    for arrays in ((A, A, A[:1]), (A, A.T, A), (A[:, :1], A, A)):
        yield "fused_dropout_add", (*arrays, 1.0), SHAPES_DIFFER
    for place, name in enumerate(("x", "residual", "dropout_mask")):
        for value, kind in (
            *NO_ARRAYS,
            (A[0], "ndarray"),
            (A[None], "ndarray"),
            (A > 2, "ndarray"),
            (A.astype("f4"), "ndarray"),
        ):
            yield "fused_dropout_add", (*[A] * place, value, *[A] * (2 - place), 1.0), no_array(name, kind)
    for eps in (1, True, 0.0, -0.25, -9.0, inf, nan, np.float32(1)):
        yield "fused_layer_norm", (A, eps), normalised(eps)
    yield "fused_layer_norm", (vector([1, 1], [nan, 1], [inf, 1], [-2, 2]), 0), vector(*[[nan, nan]] * 3, [-1, 1])
    yield "fused_layer_norm", (np.ones((3, 1)), 1e-5), np.zeros((3, 1))
    for value, kind in NO_FACTORS:
        yield "fused_dropout_add", (A, A, A, value), no_number("scale", kind)
        yield "fused_layer_norm", (A, value), no_number("eps", kind)
    yield "fused_softmax", (vector([1000, 1000], [-inf, 0], [-1000, -1000]),), vector([0.5, 0.5], [0, 1], [0.5, 0.5])
    yield "fused_softmax", (vector([nan, 1], [inf, 1], [-inf, -inf], [0, 0]),), vector(*[[nan, nan]] * 3, [0.5, 0.5])
    for name, more in (("fused_layer_norm", (1e-5,)), ("fused_softmax", ())):
        for shape in ((0, 3), (3, 0), (0, 0)):
            yield name, (np.ones(shape), *more), np.ones(shape)
        for value, kind in (*NO_ARRAYS, (A[0], "ndarray"), (A[None], "ndarray"), (A.astype("f4"), "ndarray")):
            yield name, (value, *more), no_array("x", kind)
    yield "fused_layer_norm", (A,), normalised(1e-5), "the announced default of eps is missing"


def in_single(row: Row) -> Row:
    name, arguments, expected, *wrong = row
    # Its twin with relu has two axes.
    flat = [FLAT] if name == "fused_linear" and isinstance(expected, np.ndarray) else wrong
    return f"{name}_f32", tuple(map(single, arguments)), single(expected), *flat


DOUBLE = [*on_vectors(), *on_matrices()]
CALLS = [*DOUBLE, *map(in_single, DOUBLE), *of_one_dtype()]


def written(row: Row) -> str:
    arguments = (f"{a.dtype}{list(a.shape)}" if isinstance(a, np.ndarray) else repr(a)[:20] for a in row[1])
    return f"{row[0]}({', '.join(arguments)})"


@pytest.mark.parametrize("call", CALLS, ids=written)
def test_behaviour(behaves: Callable[..., None], call: Row) -> None:
    behaves(*call)


NAMES = {
    *(
        "sum_of_squares",
        "matrix_multiply",
        "parallel_transform",
        "fused_dropout_add",
        "fused_layer_norm",
        "fused_softmax",
    ),
    *(
        f"{name}{suffix}"
        for name in (*ON_VECTORS, "matmul_numpy", "fused_linear", "fused_linear_relu")
        for suffix in ("", "_f32")
    ),
}
PARAMETERS = {
    "sum_of_squares": "(numbers)",
    "matrix_multiply": "(a, b)",
    "parallel_transform": "(data, factor)",
    "matmul_numpy": "(a, b)",
    "parallel_map_numpy": "(arr, factor)",
    **dict.fromkeys(("sum_of_squares_numpy", "relu_numpy", "sigmoid_numpy"), "(arr)"),
    **dict.fromkeys(("fused_linear", "fused_linear_relu"), "(input, weights, bias)"),
    "fused_dropout_add": "(x, residual, dropout_mask, scale)",
    "fused_layer_norm": "(x, eps)",
    "fused_softmax": "(x)",
}


def test_it_has_these_names_and_no_others(package: ModuleType) -> None:
    assert sorted(package.__all__) == sorted(NAMES)
    assert len(NAMES) == 20


@pytest.mark.parametrize("name", sorted(NAMES))
def test_parameters_and_documentation(package: ModuleType, name: str) -> None:
    function = getattr(package, name)
    assert function.__name__ == name
    assert f"({', '.join(inspect.signature(function).parameters)})" == PARAMETERS[name.removesuffix("_f32")]
    assert inspect.getdoc(function)
    count = len(inspect.signature(function).parameters)
    with pytest.raises(TypeError, match=rf"{name}\(\) missing {count if name != 'fused_layer_norm' else ''}"):
        function()
    with pytest.raises(TypeError, match=rf"{name}\(\) takes .* positional"):
        function(*[None] * (count + 1))
    with pytest.raises(TypeError, match=rf"{name}\(\) got an unexpected keyword argument 'other'"):
        function(other=1)


@pytest.mark.parametrize("name", ["sum_of_squares", "matrix_multiply", "parallel_transform"])
def test_documentation_has_the_original_sections(package: ModuleType, name: str) -> None:
    for section in ("Args:", "Returns:", "Raises:", "Example:"):
        assert section in getattr(package, name).__doc__


def test_importing_it_loads_no_compiler(fresh_process: Callable[..., str]) -> None:
    assert fresh_process("import sys, fused_kernels.polyglot; print('numba' in sys.modules)") == "False"


def test_masked_arrays_are_refused_since_their_mask_would_be_lost() -> None:
    with pytest.raises(TypeError, match="mask"):
        polyglot.relu_numpy(np.ma.masked_array([1.0, 2.0], [True, False]))


matrices = nps.arrays("f8", nps.array_shapes(min_dims=2, max_dims=2, max_side=40), elements=st.floats(-50, 50))


@given(matrices, st.floats(1e-6, 10))
def test_rows_of_any_matrix(x: np.ndarray, eps: float) -> None:
    exponentials = np.exp(x - x.max(1, keepdims=True))
    np.testing.assert_allclose(polyglot.fused_softmax(x), exponentials / exponentials.sum(1, keepdims=True), rtol=1e-11)
    expected = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + eps)
    np.testing.assert_allclose(polyglot.fused_layer_norm(x, eps), expected, rtol=1e-7, atol=1e-9)
