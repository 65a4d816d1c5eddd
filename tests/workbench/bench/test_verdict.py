"""A race in words, from records with known samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from workbench.bench.race import Race, Result


def result(name: str, median: float, **changes: Any) -> Result:
    noise = np.random.default_rng(len(name) + int(median * 1e9)).normal(1, 0.01, 25)
    values: dict[str, Any] = {"contender": name, "version": "1", "seconds": tuple(median * noise), "first_call": 0.31}
    return Result(**{**values, "error": 3e-7, "right": True, **changes})


def race(*results: Result, **conditions: Any) -> Race:
    base: dict[str, Any] = {"rounds": 25, "cache": "warm", "out": ["numba"], "truth": "float64", "load": 0.31}
    return Race("layer_norm", (512, 768), "float32", results, {"cupy": "no GPU here"}, {**base, **conditions}, {})


NUMBA, TORCH, NUMPY = result("numba", 31e-6), result("torch", 158e-6), result("numpy", 502e-6)
SLOW = result("jax", 300e-6)


@pytest.mark.parametrize(
    ("results", "verdict"),
    [
        ((NUMBA, TORCH, NUMPY), "numba is 16 times faster than NumPy, and 5.1 times faster than torch."),
        ((NUMBA, TORCH, SLOW, NUMPY), "numba is 16 times faster than NumPy, and 5.1 times faster than torch."),
        ((NUMBA, NUMPY), "numba is 16 times faster than NumPy."),
        ((NUMPY, result("numba", 753e-6)), "NumPy is 1.50 times faster than numba."),
        ((NUMBA,), "numba takes 31.0 µs a call; there is no other to compare it with."),
        (
            (NUMBA, result("onnxruntime", 31e-6), NUMPY),
            "There is no difference between numba and ONNX Runtime; numba is 16 times faster than NumPy.",
        ),
        (
            (NUMBA, result("torch", 31e-6)),
            "There is no difference between numba and torch: the interval of their ratio contains 1.",
        ),
        (
            (result("mine", 1e-6, right=False, fault="changes its input"), NUMBA, NUMPY),
            "numba is 16 times faster than NumPy. mine changes its input and is out of the competition.",
        ),
        (
            (result("mine", 1e-6, right=False, fault="returns the shape (1,) instead of (2,)"),),
            "No contender computes the right result. mine returns the shape (1,) instead of (2,) and is out of the "
            "competition.",
        ),
    ],
)
def test_the_sentence(results: tuple[Result, ...], verdict: str) -> None:
    assert race(*results).verdict == verdict


def test_a_disturbed_race_says_so() -> None:
    assert race(NUMBA, NUMPY, disturbed=True).verdict.endswith("so repeat it when they rest.")


def test_the_conditions_in_one_line() -> None:
    text = race(NUMBA, TORCH, NUMPY).conditions_text
    first, *rest = text.split(" · ")
    assert first.startswith("95 % intervals 1")
    assert rest == [
        "right to 3e-7 of float64",
        "first call 310 ms",
        "warm cache, out= (numba)",
        "25 rounds interleaved",
        "load 0.3",
    ]


def test_conditions_tell_what_spoils_a_run() -> None:
    text = race(NUMBA, NUMPY, unsettled=3, stolen=0.12).conditions_text
    assert "3 of 50 samples beside a running thread" in text
    assert "12% of the time taken by the host" in text


def test_a_repr_has_the_verdict_and_all_contenders() -> None:
    text = repr(race(NUMBA, TORCH, NUMPY))
    assert text.startswith("layer_norm, 512 x 768 float32\nnumba is 16 times faster")
    assert text.endswith("cupy: no GPU here")
    assert "31.0 µs" in text
    assert text == repr(race(NUMBA, TORCH, NUMPY))
