"""What the tests of kernels share: dtypes, inputs, the truth they are held to, and every kernel that there is."""

from __future__ import annotations

import functools
import importlib

import ml_dtypes
import numpy as np

import fused_kernels as fk
from fused_kernels.cuda.source import Kernel

DTYPES = ("float32", "float64", "float16", "bfloat16")
ROUNDING = {"float16": 2.0**-11, "bfloat16": 2.0**-8}
"""Of a result to a dtype, in units of the value."""
ROWS = ("softmax", "log_softmax", "layer_norm", "add_layer_norm", "rms_norm", "l2_normalize")
WITH_KERNELS = (*ROWS, "sum_of_squares", "cross_entropy", "mean_pool", "tensor_stats")
"""The operations that have kernels of their own; those of formulas are written when they are called."""


def kind(name: str) -> np.dtype:
    """Return a dtype by its standard name."""
    return np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)


@functools.cache
def variants(name: str, dtype: str) -> tuple[Kernel, ...]:
    """Return every kernel of an operation for a dtype."""
    return tuple(importlib.import_module(f"fused_kernels.ops.{name}.gpu").variants(dtype))


def family(kernel: Kernel) -> tuple[Kernel, ...]:
    """Return the kernels that are compiled together with one, since they are of one operation and dtype."""
    for name in WITH_KERNELS:
        for dtype in DTYPES:
            if kernel in variants(name, dtype):
                return variants(name, dtype)
    return (kernel,)


def programs(kernels: tuple[Kernel, ...]) -> list[list[Kernel]]:
    """Return kernels sorted into those that can be one program."""
    found: dict = {}
    for kernel in kernels:
        found.setdefault((kernel.source, kernel.quick), []).append(kernel)
    return list(found.values())


def sample(name: str, shape: tuple[int, ...], dtype: str, scale: float = 1.0) -> dict:
    """Return inputs of an operation, floats in a dtype and times a scale."""
    inputs = fk.OPS[name].sample(shape, np.dtype(np.float64), np.random.default_rng(sum(shape)))
    floats = {key: value for key, value in inputs.items() if isinstance(value, np.ndarray) and value.dtype.kind == "f"}
    return inputs | {key: (scale * value).astype(kind(dtype)) for key, value in floats.items()}


def on(card_array, inputs: dict) -> dict:
    """Return inputs with their arrays on the card."""
    return {key: card_array(value) if isinstance(value, np.ndarray) else value for key, value in inputs.items()}


def parts(result: object) -> tuple:
    """Return the results, one or several."""
    return result if isinstance(result, tuple) else (result,)


def assert_right(
    name: str, inputs: dict, result: object, dtype: str, message: object = "", *, roundings: float = 1.0, **options
) -> None:
    """Compare with the truth of the inputs as they are, to the operation's tolerance and so many roundings."""
    op, rounding = fk.OPS[name], roundings * ROUNDING.get(dtype, 0.0)
    wide = {
        key: value.astype(np.float64) if isinstance(value, np.ndarray) and value.dtype.kind in "fV" else value
        for key, value in inputs.items()
    }
    tolerance = op.tolerance["float64" if dtype == "float64" else "float32"]
    least = rounding if roundings > 1 else 2.0**-24 if dtype == "float16" else 0.0
    with np.errstate(all="ignore"):
        truths = parts((op.truth if dtype == "float64" else op.reference)(**wide, **options))
    for mine, truth in zip(parts(result), truths, strict=True):
        found = mine.get()
        assert found.dtype == kind(dtype)
        assert found.shape == np.shape(truth)
        np.testing.assert_allclose(
            found.astype(np.longdouble),
            truth,
            rtol=tolerance.rtol + rounding,
            atol=max(tolerance.atol, least) if roundings == 1 else tolerance.atol + least,
            err_msg=f"{name} {dtype} {message} {options}",
        )
