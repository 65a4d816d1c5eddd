"""Calls that are not the simple one: what is converted is right and told, what cannot be is refused in our words."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import fused_kernels as fk

X = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)
FOREIGN = np.dtype(np.float32).newbyteorder()


def test_an_out_that_is_an_input_which_the_kernel_reads_again_is_no_harm() -> None:
    x, weight = X[0].copy(), X[1].copy()
    expected = fk.layer_norm(x, weight)
    assert "weight: copied, out overlaps it" in fk.explain("layer_norm", x, weight, out=weight).notes
    assert fk.layer_norm(x, weight, out=weight) is weight
    np.testing.assert_array_equal(weight, expected)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: fk.cross_entropy(x, [0, 1, 2], out=x),
        lambda x: fk.mean_pool(x, out=x),
        lambda x: fk.sum_of_squares(x, axis=0, out=x),
        lambda x: fk.cosine_similarity(x, out=x),
    ],
)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_an_out_of_the_wrong_shape_is_refused_even_if_it_is_the_input(call: object, dtype: str) -> None:
    x = X.astype(dtype)
    with pytest.raises(fk.ShapeError, match=r"out has \(3, 4\)"):
        call(x)
    np.testing.assert_array_equal(x, X.astype(dtype))


@pytest.mark.parametrize(("name", "other"), [("softmax", "not C-contiguous"), ("relu", None)])
def test_explain_tells_of_each_copy_and_refuses_what_the_call_would(name: str, other: str | None) -> None:
    told = fk.explain(name, X.astype(FOREIGN), out=np.empty((3, 4), np.float16))
    assert "x: copied, foreign byte order" in told.notes
    assert "out: copied to, float16 computed in float32" in told.notes
    apart = fk.explain(name, X, out=np.empty((3, 8), np.float32)[:, ::2]).notes
    assert [note for note in apart if "copied" in note] == ([f"out: copied to, {other}"] if other else [])
    with pytest.raises(fk.ShapeError, match=r"\(3, 5\)"):
        fk.explain(name, X, out=np.empty((3, 5), np.float16))


def test_an_out_is_an_array_and_no_tuple_of_one() -> None:
    for function in (fk.softmax, fk.relu, fk.sum_of_squares):
        with pytest.raises(fk.DtypeError, match="out must be an array"):
            function(X, out=(np.empty_like(X),))


def test_formulas_without_a_kernel_for_the_dtype_give_what_kernels_give() -> None:
    x = X.astype(np.longdouble)
    above = fk.elementwise(name="above")(lambda x: x > 0.5)
    np.testing.assert_array_equal(above(x), above(X))
    assert above(x).dtype == np.longdouble
    second = fk.elementwise(name="second")(lambda x, y: y)
    np.testing.assert_array_equal(second(x, x[0]), second(X, X[0]))
    np.testing.assert_allclose(fk.gelu(x, approximate="tanh").astype("f8"), fk.gelu(X, approximate="tanh"), 1e-5)
    first = fk.elementwise(name="twice")(lambda x: 2 * x)
    fk.elementwise(name="twice")(lambda x: 3 * x)
    np.testing.assert_array_equal(first(x), 2 * x)


@pytest.mark.parametrize("dtype", [np.longdouble, ml_dtypes.bfloat16])
def test_a_result_that_is_no_tensor_is_refused_in_our_words(dtype: type) -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(fk.DtypeError, match=f"layer_norm: the result is {np.dtype(dtype)}"):
        fk.layer_norm(X.astype(dtype), torch.ones(4, dtype=torch.bool))
