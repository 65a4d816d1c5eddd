"""Arguments that make no sense: refused in the operation's own words, never half understood."""

from __future__ import annotations

import pickle

import ml_dtypes
import numpy as np
import pytest

import fused_kernels as fk

X = np.arange(12, dtype=np.float32).reshape(3, 4)
NO_NUMBERS = [None, "3", b"3", 1j, np.complex128(1 + 2j), np.ones(1), [2.0], np.ma.masked, 10**400]


@pytest.mark.parametrize("value", NO_NUMBERS, ids=lambda value: repr(value)[:20])
def test_eps_must_be_one_real_number(value: object) -> None:
    with pytest.raises(fk.DtypeError, match="eps must be a number"):
        fk.layer_norm(X, eps=value)


@pytest.mark.parametrize("value", [None, "3", b"3", 1j, np.complex128(1 + 2j), np.ma.masked, 10**400], ids=repr)
def test_a_factor_must_be_real(value: object) -> None:
    with pytest.raises(fk.DtypeError, match="factor"):
        fk.scale(X, value)


def test_a_factor_that_requires_grad_is_refused() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(fk.DtypeError, match="factor"):
        fk.scale(X, torch.tensor(2.0, requires_grad=True))
    np.testing.assert_array_equal(fk.scale(X, torch.tensor(2.0)), 2 * X)


@pytest.mark.parametrize("eps", [-1.0, float("nan")])
def test_eps_is_not_negative(eps: float) -> None:
    with pytest.raises(fk.KernelError, match="0 or more"):
        fk.layer_norm(X, eps=eps)


@pytest.mark.parametrize("axis", [None, 1.0, "1", (1,)])
def test_an_axis_is_one_integer(axis: object) -> None:
    with pytest.raises(fk.DtypeError, match="axis must be one integer"):
        fk.softmax(X, axis)


def test_none_for_an_array_that_is_needed_is_refused() -> None:
    with pytest.raises(fk.DtypeError, match="softmax: x is None"):
        fk.softmax(None)
    with pytest.raises(fk.DtypeError, match="linear: weight is None"):
        fk.linear(X, None)


def test_dtypes_without_a_common_one_are_named() -> None:
    with pytest.raises(fk.DtypeError, match="x: float16, weight: bfloat16"):
        fk.layer_norm(X.astype(np.float16), np.ones(4, ml_dtypes.bfloat16))


@pytest.mark.parametrize("dtype", [ml_dtypes.float8_e5m2, ml_dtypes.float8_e4m3fn, ml_dtypes.int4])
def test_dtypes_too_small_to_compute_in_are_refused(dtype: type) -> None:
    with pytest.raises(fk.DtypeError, match=np.dtype(dtype).name):
        fk.softmax((X / 4).astype(dtype))


@pytest.mark.parametrize("approximate", [X, ["tanh"], None, "exact"], ids=str)
def test_the_approximation_of_gelu_is_a_name(approximate: object) -> None:
    with pytest.raises(fk.KernelError, match="approximate must be"):
        fk.gelu(X, approximate=approximate)


def test_a_masked_out_is_refused() -> None:
    with pytest.raises(fk.DtypeError, match="masked"):
        fk.scale(X, 2.0, out=np.ma.masked_array(X.copy(), mask=True))


@pytest.mark.parametrize("dtype", ["f4", "f8", "f2"])
def test_an_out_whose_elements_share_memory_is_refused(dtype: str) -> None:
    out = np.lib.stride_tricks.as_strided(np.zeros(4, dtype), (3, 4), (0, np.dtype(dtype).itemsize))
    for call in (fk.relu, fk.softmax, fk.log_softmax, fk.rms_norm):
        with pytest.raises(fk.DtypeError, match="share memory"):
            call(X, out=out)
    with pytest.raises(fk.DtypeError, match="share memory"):
        fk.matmul(X, np.eye(4, dtype=np.float32), out=out)


def test_an_out_without_elements_is_no_broadcast_array() -> None:
    out = np.empty((3, 0), np.float32)  # NumPy gives it steps of 0
    assert fk.relu(np.empty((3, 0)), out=out) is out
    assert fk.softmax(np.empty((3, 0)), out=out) is out


def test_long_double_keeps_the_rules_of_shapes() -> None:
    x = X.astype(np.longdouble)
    with pytest.raises(fk.ShapeError, match="axis 5"):
        fk.softmax(x, 5)
    with pytest.raises(fk.ShapeError, match="axis"):
        fk.softmax(x[0, 0])
    with pytest.raises(fk.ShapeError, match="weight"):
        fk.layer_norm(x, np.ones((3, 4), np.longdouble))
    with pytest.raises(fk.ShapeError, match="weight"):
        fk.linear(x, x)
    assert fk.softmax(x[:, :0]).shape == (3, 0)
    assert fk.softmax(x[:, :0]).dtype == np.longdouble


def test_a_sparse_tensor_is_told_to_become_dense() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(fk.DtypeError, match=r"Pass x\.to_dense\(\)"):
        fk.softmax(torch.from_numpy(X).to_sparse())


def test_errors_travel_between_processes() -> None:
    for call in (lambda: fk.OPS["softmin"], lambda: fk.softmax(X, 7), lambda: fk.scale(X, None)):
        with pytest.raises(fk.KernelError) as caught:
            call()
        again = pickle.loads(pickle.dumps(caught.value))
        assert type(again) is type(caught.value)
        assert str(again) == str(caught.value)


def test_explain_names_what_it_cannot_explain() -> None:
    with pytest.raises(fk.UnknownOperationError, match="None"):
        fk.explain(None)
