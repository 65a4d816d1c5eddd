"""cross_entropy with label smoothing: a path of its own, which the contract tests do not take."""

from __future__ import annotations

import numpy as np
import pytest

import fused_kernels as fk
from fused_kernels.trace import tracing

OP = fk.OPS["cross_entropy"]
RNG = np.random.default_rng(11)


def sample(*shape: int, dtype: str = "float32", ignore_index: int = -100) -> dict[str, np.ndarray]:
    target = np.asarray(RNG.integers(0, shape[-1], shape[:-1]))
    target.reshape(-1)[1:3] = ignore_index
    return {"logits": (5 * RNG.standard_normal(shape)).astype(dtype), "target": target}


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.1, 1.0])
@pytest.mark.parametrize("shape", [(7, 11), (2, 5, 11), (11,), (600, 90), (3, 9001)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_is_torchs_and_the_truth(dtype: str, shape: tuple[int, ...], smoothing: float, reduction: str) -> None:
    torch = pytest.importorskip("torch")
    options = {"ignore_index": 3, "reduction": reduction, "label_smoothing": smoothing}
    inputs = sample(*shape, dtype=dtype, ignore_index=3)
    with tracing() as found:
        result = fk.cross_entropy(**inputs, **options)
    assert found.form == ("parallel" if inputs["logits"].nbytes > 1 << 16 else "serial")
    assert result.dtype == dtype
    assert np.shape(result) == (inputs["target"].shape if reduction == "none" else ())
    theirs = OP.peers["torch"]()(**{name: torch.from_numpy(value) for name, value in inputs.items()}, **options)
    np.testing.assert_allclose(result, theirs, rtol=1e-5 if dtype == "float32" else 1e-12)
    tolerance = OP.tolerance[dtype]
    truth = OP.truth(**inputs, **options)
    np.testing.assert_allclose(np.asarray(result, np.longdouble), truth, rtol=tolerance.rtol, atol=tolerance.atol)
    out = np.full(np.shape(result), 9, dtype)
    assert fk.cross_entropy(**inputs, **options, out=out) is out
    np.testing.assert_array_equal(out, result)


def test_large_logits_keep_their_digits_and_long_rows_too() -> None:
    inputs = sample(4, 50_001)
    inputs["logits"] += np.float32(1e4)
    result = fk.cross_entropy(**inputs, label_smoothing=0.3)
    np.testing.assert_allclose(result, OP.truth(**inputs, label_smoothing=0.3), rtol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("smoothing", [0.2, 1.0])
def test_special_values_are_torchs(value: float, smoothing: float) -> None:
    torch = pytest.importorskip("torch")
    for place in (0, 5):
        logits, target = sample(3, 8)["logits"], np.array([0, 5, -100])
        logits[1, place] = value
        options = {"label_smoothing": smoothing, "reduction": "none"}
        theirs = torch.nn.functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(target), **options)
        np.testing.assert_allclose(fk.cross_entropy(logits, target, **options), theirs, rtol=1e-5)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("peer", ["onnx", "jax"])
def test_the_other_peers_compute_the_same(peer: str, reduction: str) -> None:
    inputs, options = sample(9, 13), {"label_smoothing": 0.2, "reduction": reduction}
    if peer == "jax":
        pytest.importorskip("jax")
        theirs = OP.peers["jax"]()(**inputs, **options)
    else:
        onnxruntime = pytest.importorskip("onnxruntime")
        from workbench.bench.contenders.onnxruntime import model

        graph = OP.peers["onnx"](**inputs, **options)
        session = onnxruntime.InferenceSession(model(graph).SerializeToString(), providers=["CPUExecutionProvider"])
        (theirs,) = session.run(list(graph.outputs), dict(graph.inputs))
    np.testing.assert_allclose(theirs, fk.cross_entropy(**inputs, **options), rtol=1e-5)


def test_what_is_converted_keeps_the_smoothing() -> None:
    inputs = sample(6, 7, dtype="float64")
    expected = fk.cross_entropy(**inputs, label_smoothing=0.2)
    for logits in (inputs["logits"].tolist(), np.asfortranarray(inputs["logits"]), inputs["logits"].astype(">f8")):
        assert fk.cross_entropy(logits, inputs["target"], label_smoothing=np.float64(0.2)) == expected
    half = fk.cross_entropy(inputs["logits"].astype("f2"), inputs["target"], label_smoothing=0.2)
    np.testing.assert_allclose(half, expected, rtol=1e-2)
    # 0 is the plain loss, also where a class has the probability 0 and no weight.
    inputs["logits"][0, (inputs["target"][0] + 1) % 7] = -np.inf
    assert np.isfinite(fk.cross_entropy(**inputs, label_smoothing=0))
    assert fk.cross_entropy(**inputs, label_smoothing=0) == fk.cross_entropy(**inputs)


@pytest.mark.parametrize(
    ("smoothing", "error", "message"),
    [
        (1.5, fk.KernelError, "from 0 to 1; received 1.5"),
        (-0.1, fk.KernelError, "from 0 to 1"),
        (np.nan, fk.KernelError, "received nan"),
        ("0.1", fk.DtypeError, "label_smoothing must be a number"),
        (np.ones(3), fk.DtypeError, r"received float64 \(3,\)"),
    ],
)
def test_a_smoothing_that_makes_no_sense_is_explained(smoothing: object, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        fk.cross_entropy(**sample(4, 5), label_smoothing=smoothing)
