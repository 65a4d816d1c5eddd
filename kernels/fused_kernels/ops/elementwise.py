"""The operations that are a formula of scalars."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from fused_kernels import memory
from fused_kernels.catalog import Cost, Inputs, OnnxGraph, OnnxNode, Op, Shape, Tolerance
from fused_kernels.conversion import convert
from fused_kernels.dispatch import explain_received, lazy_import, number, ready
from fused_kernels.errors import ShapeError

if TYPE_CHECKING:
    from . import _elementwise_cpu as cpu
else:
    cpu = lazy_import(f"{__package__}._elementwise_cpu")


def scale(x: Any, factor: float, *, out: Any = None) -> Any:
    """``x * factor`` on all cores.

    Parameters
    ----------
    x
        Array of any shape; float32 or float64, other real dtypes are converted.
    factor
        A number.
    out
        Array of the shape of ``x`` that receives the result; it may be ``x`` itself.

    Returns
    -------
    array
        Shape and kind of ``x``; integers give float64.

    Raises
    ------
    ShapeError
        If ``out`` has another shape.
    DtypeError
        For complex, text, object or masked arrays and tensors that require grad, and a factor that is no number.

    Examples
    --------
    >>> scale([1.0, 2.0], 10)
    array([10., 20.])
    """
    if type(factor) is not float:
        factor = number("scale", "factor", factor)
    if not ready(x, out):
        return convert(scale, {"x": x}, {"factor": factor}, out)
    if out is None:
        target = memory.empty_like(x)
    elif out is x or out.shape == x.shape:
        target = out
    else:
        raise ShapeError(f"scale: out needs the shape of x; received {explain_received(x=x, out=out)}.")
    cpu.scale.run(x.nbytes, out is x, target, x, factor)
    return target


def _sample(shape: Shape, dtype: np.dtype[Any], rng: np.random.Generator) -> Inputs:
    return {"x": rng.standard_normal(shape).astype(dtype), "factor": 1.5}


def _torch_scale() -> Callable[..., Any]:
    from torch import mul

    def call(x: Any, factor: float, *, out: Any = None) -> Any:
        return mul(x, factor, out=out)

    return call


OPERATIONS = (
    Op(
        name="scale",
        summary="x * factor",
        family="elements",
        function=scale,
        reference=lambda x, factor: x * factor,
        sample=_sample,
        cost=lambda x, factor: Cost(bytes_read=x.nbytes, bytes_written=x.nbytes, flops=x.size),
        shapes=((512, 768), (8, 64), (1000, 1000), (10_000_000,)),
        dimensions=("rows", "columns"),
        tolerance={"float32": Tolerance(1e-6, 0.0), "float64": Tolerance(1e-15, 0.0)},
        peers={
            "torch": _torch_scale,
            "onnx": lambda x, factor: OnnxGraph(
                (OnnxNode("Mul", ("x", "factor"), ("out",)),), {"x": x}, {"factor": np.asarray(factor, x.dtype)}
            ),
        },
    ),
)
