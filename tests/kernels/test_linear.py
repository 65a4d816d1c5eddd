"""linear: the dense layer, its activations, and what it refuses."""

import threading
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fused_kernels as fk

ACTIVATIONS = (None, "relu", "silu", "gelu", "gelu_tanh")
TOLERANCE = {"float32": 2e-5, "float64": 1e-13}


def layer(m, k, n, dtype="float32", seed=0):
    rng = np.random.default_rng(seed)
    weight = (rng.standard_normal((k, n)) / np.sqrt(max(k, 1))).astype(dtype)
    return rng.standard_normal((m, k)).astype(dtype), weight, rng.standard_normal(n).astype(dtype)


def assert_right(result, x, weight, bias=None, activation=None):
    truth = fk.OPS["linear"].truth(x=x, weight=weight, bias=bias, activation=activation)
    tolerance = TOLERANCE[result.dtype.name]
    np.testing.assert_allclose(result, np.asarray(truth, np.float64), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("shape", [(19, 40, 50), (3, 80, 400), (1, 300, 400), (150, 130, 140)])
def test_activations(shape, activation, dtype):
    x, weight, bias = layer(*shape, dtype)
    x *= 4
    assert_right(fk.linear(x, weight, bias, activation=activation), x, weight, bias, activation)


@pytest.mark.parametrize(("dtype", "rtol", "atol"), [("float32", 2e-6, 1e-6), ("float64", 1e-13, 1e-30)])
def test_gelu_far_out(dtype, rtol, atol):
    """float64 is exact where 1 + erf cancels; float32 vanishes there."""
    from math import erfc, sqrt

    values = np.linspace(-12, 12, 4001).astype(dtype)
    result = fk.linear(values[:, None], np.ones((1, 40), dtype), activation="gelu")[:, 0]
    truth = np.array([0.5 * v * erfc(-v / sqrt(2)) for v in values.astype(float)])
    np.testing.assert_allclose(result, truth, rtol=rtol, atol=atol)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_shape_strides_and_dtypes(data):
    dtypes = st.sampled_from(["float32", "float64", ">f4", "int8", "float16"])
    m, k, n = (data.draw(st.integers(0, 40), label=label) for label in "mkn")
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))

    def array(*shape):
        full = rng.integers(-4, 5, [2 * size for size in shape]).astype(data.draw(dtypes))
        return full[tuple(slice(None, None, data.draw(st.sampled_from([2, -2]))) for _ in shape)]

    x = array(m, k) if data.draw(st.booleans()) else array(k, m).T
    weight = array(k, n) if data.draw(st.booleans()) else array(n, k).T
    bias = array(n) if data.draw(st.booleans()) else None
    result = fk.linear(x, weight, bias)
    # Small integers: every order of the sums gives the same.
    expected = x.astype(float) @ weight.astype(float) + (0 if bias is None else bias)
    assert result.shape == (m, n)
    common = np.result_type(*(value for value in (x, weight, bias) if value is not None))
    assert result.dtype == (common.newbyteorder("=") if common.kind == "f" else np.float64)
    np.testing.assert_array_equal(result, expected.astype(result.dtype))


def test_leading_axes_and_a_single_row():
    x, weight, bias = layer(24, 30, 20)
    whole = fk.linear(x, weight, bias)
    np.testing.assert_allclose(fk.linear(x.reshape(2, 3, 4, 30), weight, bias), whole.reshape(2, 3, 4, 20), rtol=1e-6)
    row = fk.linear(x[0], weight, bias)
    assert row.shape == (20,)
    np.testing.assert_allclose(row, whole[0], rtol=1e-5, atol=1e-6)


def test_nothing_to_sum_and_nothing_to_write():
    bias = np.array([-1.0, 2.0, np.nan], np.float32)
    result = fk.linear(np.empty((2, 0), np.float32), np.empty((0, 3), np.float32), bias, activation="relu")
    np.testing.assert_array_equal(result, [[0, 2, np.nan]] * 2)
    assert fk.linear(np.empty((0, 4)), np.empty((4, 3))).shape == (0, 3)
    assert fk.linear(np.empty((2, 4)), np.empty((4, 0))).shape == (2, 0)
    assert fk.linear(np.empty((2, 0)), np.empty((0, 3))).tolist() == [[0, 0, 0]] * 2


@pytest.mark.parametrize("shape", [(8, 20, 33), (3, 20, 400), (1, 300, 400), (40, 64, 50)])
def test_nan_and_inf_spread_as_in_numpy(shape):
    x, weight, bias = layer(*shape)
    x[0, 3], weight[5, 2], bias[1] = np.nan, np.inf, -np.inf
    for activation in (None, "relu"):
        with np.errstate(invalid="ignore"):
            expected = fk.OPS["linear"].reference(x=x, weight=weight, bias=bias, activation=activation)
            result = fk.linear(x, weight, bias, activation=activation)
        np.testing.assert_array_equal(np.isnan(result), np.isnan(expected))
        np.testing.assert_array_equal(np.isposinf(result), np.isposinf(expected))
        np.testing.assert_array_equal(np.isneginf(result), np.isneginf(expected))


@pytest.mark.parametrize("form", ["x", "weight", "bias", "part of x", "transposed", "strided"])
@pytest.mark.parametrize("size", [24, 300])
def test_out_may_overlap_an_input(form, size):
    x, weight, _ = layer(size, size, size)
    buffer = np.zeros((2, size, size), np.float32)
    if form == "x":
        out = x
    elif form == "weight":
        out = weight
    elif form == "transposed":
        out = x.T
    elif form == "strided":
        out = np.zeros((size, 2 * size), np.float32)[:, ::2]
    else:
        buffer.reshape(-1)[size * size // 2 :][: size * size] = x.ravel()
        out, x = buffer[0], buffer.reshape(-1)[size * size // 2 :][: size * size].reshape(size, size)
    bias = out[0] if form == "bias" else None
    expected = fk.linear(x.copy(), weight.copy(), None if bias is None else bias.copy())
    assert fk.linear(x, weight, bias, out=out) is out
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((np.ones((2, 3)), np.ones((4, 3))), ["(2, 3)", "(4, 3)", "weight.T"]),
        ((np.ones((2, 3)), np.ones((2, 5))), ["(2, 3)", "(2, 5)", "x.T"]),
        ((np.ones((2, 3)), np.ones((3, 5)), np.ones(4)), ["bias", "(5,)", "(4,)"]),
        ((np.ones((2, 3)), np.ones((3, 5)), np.ones((1, 5))), ["bias.reshape(-1)"]),
        ((np.ones((2, 3)), np.ones(3)), ["weight has 1 axes"]),
        ((np.float32(1), np.ones((3, 5))), ["at least one axis"]),
    ],
)
def test_a_mismatch_names_the_shapes_and_the_mend(arguments, words):
    with pytest.raises(fk.ShapeError) as error:
        fk.linear(*arguments)
    for word in words:
        assert word in str(error.value)


def test_an_out_of_another_shape_and_an_unknown_activation():
    with pytest.raises(fk.ShapeError, match=r"result has shape \(2, 5\) and out has \(2, 4\)"):
        fk.linear(np.ones((2, 3)), np.ones((3, 5)), out=np.ones((2, 4)))
    with pytest.raises(fk.KernelError, match="'relu'"):
        fk.linear(np.ones((2, 3)), np.ones((3, 5)), activation="rleu")
    with pytest.raises(fk.DtypeError):
        fk.linear(np.ones((2, 3), complex), np.ones((3, 5)))


def test_explain_tells_the_form_and_the_tile():
    small = fk.explain("linear", np.zeros((8, 64), np.float32), np.zeros((64, 64), np.float32))
    assert (small.implementation, small.form) == ("numba", "direct")
    vector = fk.explain("linear", np.zeros((1, 640)), np.zeros((640, 640)))
    assert (vector.implementation, vector.form) == ("numpy", "blas")
    assert "NumPy's product" in str(vector)
    biased = fk.explain("linear", np.zeros((1, 640)), np.zeros((640, 640)), np.zeros(640))
    assert (biased.implementation, biased.form) == ("numba", "blas")
    transposed = fk.explain("linear", np.zeros((90, 40)), np.zeros((50, 40)).T)
    assert transposed.form == "packed"
    assert "copied" not in str(transposed)


def test_a_torch_layer_without_a_copy():
    torch = pytest.importorskip("torch")
    module, x = torch.nn.Linear(30, 20), torch.randn(8, 30)
    with torch.no_grad():
        result = fk.linear(x, module.weight.detach().T, module.bias.detach(), activation="gelu")
        torch.testing.assert_close(result, torch.nn.functional.gelu(module(x)))


def test_two_threads_at_once():
    cases = [layer(150, 130, 140 + 10 * i, seed=i) for i in range(2)]
    expected = [fk.linear(*case, activation="relu") for case in cases]
    wrong = []

    def work(index):
        results = (fk.linear(*cases[index], activation="relu") for _ in range(100))
        wrong.extend(index for result in results if not np.array_equal(result, expected[index]))

    threads = [threading.Thread(target=work, args=(index,)) for index in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_peers_agree(activation):
    x, weight, bias = layer(6, 20, 30)
    expected = fk.linear(x, weight, bias, activation=activation)
    torch = pytest.importorskip("torch")
    call = fk.OPS["linear"].peers["torch"]()
    result = call(*map(torch.from_numpy, (x, weight, bias)), activation=activation)
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("n", [8, 100, 700])
@pytest.mark.parametrize("view", [lambda a: a.T, lambda a: a[::-1], lambda a: a[:, ::-1]], ids=["T", "rows", "columns"])
def test_out_may_overlap_a_strided_input(n: int, view: Callable[[np.ndarray], np.ndarray]) -> None:
    rng = np.random.default_rng(0)
    other, square = rng.standard_normal((2, n, n))
    expected = other @ view(square)
    memory = square.copy()
    np.testing.assert_allclose(fk.linear(other, view(memory), out=memory), expected, rtol=1e-10, atol=1e-10)
    expected = view(square) @ other
    memory = square.copy()
    np.testing.assert_allclose(fk.linear(view(memory), other, out=memory), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("activation", [[], {}, 1, "tanhh", np.zeros(2)])
def test_an_activation_that_is_none_is_answered_with_those_that_are(activation: object) -> None:
    with pytest.raises(fk.KernelError, match=r"Choose one of .*'gelu_tanh'"):
        fk.linear(np.ones((2, 2)), np.ones((2, 2)), activation=activation)
