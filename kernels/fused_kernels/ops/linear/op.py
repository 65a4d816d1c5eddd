"""linear: what it is, how NumPy writes it, and what one call costs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from fused_kernels import trace
from fused_kernels.catalog import Cost, Inputs, Op, Shape, Tolerance
from fused_kernels.conversion import convert
from fused_kernels.dispatch import explain_received, lazy_import, result
from fused_kernels.errors import KernelError, ShapeError
from fused_kernels.ops._matrices import ready

from . import peers
from .activations import ACTIVATIONS

if TYPE_CHECKING:
    from . import cpu
else:
    cpu = lazy_import(f"{__package__}.cpu")

_ndarray = np.ndarray


def linear(x: Any, weight: Any, bias: Any = None, *, activation: str | None = None, out: Any = None) -> Any:
    """``activation(x @ weight + bias)`` in one pass: a dense layer.

    Parameters
    ----------
    x
        Array of shape (..., k); float32 or float64, other real dtypes are converted.
    weight
        Shape (k, n). The weight of a torch layer is (n, k): pass ``layer.weight.T``, which costs no copy.
    bias
        Shape (n,), or None for 0.
    activation
        None, ``"relu"``, ``"silu"``, ``"gelu"`` (with the error function) or ``"gelu_tanh"`` (its approximation).
    out
        Array of shape (..., n) that receives the result.

    Returns
    -------
    array
        Shape (..., n), in the common dtype of the inputs; integers give float64. ``x`` of shape (k,) gives (n,).

    Raises
    ------
    ShapeError
        If ``weight`` is not (k, n), ``bias`` not (n,), or ``out`` has another shape.
    KernelError
        For an unknown activation.
    DtypeError
        For complex, text, object or masked arrays and tensors that require grad.

    Notes
    -----
    Hendrycks and Gimpel, Gaussian Error Linear Units, arXiv:1606.08415. NaN and inf spread as in NumPy; relu keeps
    NaN. Sums over k are formed in the dtype itself, in another order than BLAS does, the same on any number of threads.

    Examples
    --------
    >>> linear([[1.0, -2.0]], [[1.0, 0.0], [0.0, 1.0]], activation="relu")
    array([[1., 0.]])
    """
    if (
        type(x) is type(weight) is _ndarray
        and (out is None or type(out) is _ndarray)
        and (bias is None or type(bias) is _ndarray)
        and not trace.listeners
    ):
        # A small product: one call, which checks the rest itself.
        epilogue = cpu.EPILOGUES.get(activation) if activation is None or type(activation) is str else None
        found = cpu.attempt(x, weight, out, bias, epilogue.compiled) if epilogue is not None else None
        if found is not None:
            return found
    if not (activation is None or isinstance(activation, str)) or activation not in ACTIVATIONS:
        known = ", ".join(map(repr, ACTIVATIONS))
        raise KernelError(f"linear: there is no activation {activation!r}. Choose one of {known}.")
    if not ready(x, weight, out, bias):
        arrays = {"x": x, "weight": weight, "bias": bias}
        return convert(linear, arrays, {"activation": activation}, out)
    shape, inner = x.shape, weight.shape
    if len(inner) != 2 or not shape or shape[-1] != inner[0]:
        raise ShapeError(_mismatch(x, weight, bias))
    k, n = inner
    if bias is not None and bias.shape != (n,):
        raise ShapeError(
            f"linear: bias needs shape ({n},), one value for each column of weight; "
            f"received {explain_received(x=x, weight=weight, bias=bias)}."
            + (" Pass bias.reshape(-1)." if bias.size == n != 0 else "")
        )
    target = result("linear", out, (*shape[:-1], n), x.dtype)
    if not k or not target.size:
        if not trace.is_dry():
            target[...] = _reference(np.zeros(k, x.dtype), weight, bias, activation=activation)
    elif len(shape) == 2:
        cpu.product(x, weight, target, bias, cpu.EPILOGUES[activation])
    else:
        cpu.product(x.reshape(-1, k), weight, target.reshape(-1, n), bias, cpu.EPILOGUES[activation])
    return target


def _mismatch(x: Any, weight: Any, bias: Any) -> str:
    received = explain_received(x=x, weight=weight, bias=bias)
    if weight.ndim != 2:
        mend = f"weight has {weight.ndim} axes and needs two, (k, n)"
        mend += "; multiply several weights one by one, or with np.matmul" if weight.ndim > 2 else ""
    elif not x.ndim:
        mend = "x needs at least one axis. Reshape it to (1,)"
    else:
        mend = f"the last axis of x, {x.shape[-1]}, and the first of weight, {weight.shape[0]}, must be equal"
        if x.shape[-1] == weight.shape[1]:
            mend += ". Did you mean weight.T? The weight of a torch layer is (out, in)"
        elif x.ndim == 2 and x.shape[0] == weight.shape[0]:
            mend += ". Did you mean x.T?"
    return f"linear: {mend}; received {received}."


def _reference(x: Any, weight: Any, bias: Any = None, *, activation: str | None = None) -> Any:
    result = x @ weight
    if bias is not None:
        result = result + bias
    return ACTIVATIONS[activation].idiom(result)


def _sample(shape: Shape, dtype: np.dtype[Any], rng: np.random.Generator) -> Inputs:
    m, k, n = shape
    return {
        "x": rng.standard_normal((m, k)).astype(dtype),
        # As layers are initialised: the result is of the order of 1.
        "weight": (rng.standard_normal((k, n)) / math.sqrt(max(k, 1))).astype(dtype),
        "bias": rng.standard_normal(n).astype(dtype),
        "activation": "relu",
    }


def _cost(x: Any, weight: Any, bias: Any = None, *, activation: str | None = None) -> Cost:
    k, n = weight.shape
    elements = x.size // k * n if k else 0
    # A multiplication and an addition for each term; bias; what the activation takes.
    flops = elements * (2 * k + (bias is not None) + ACTIVATIONS[activation].flops)
    read = x.nbytes + weight.nbytes + (0 if bias is None else bias.nbytes)
    return Cost(bytes_read=read, bytes_written=elements * x.itemsize, flops=flops)


OPERATIONS = (
    Op(
        name="linear",
        summary="activation(x @ weight + bias), a dense layer in one pass",
        family="matrices",
        function=linear,
        reference=_reference,
        sample=_sample,
        cost=_cost,
        shapes=((512, 768, 768), (8, 64, 64), (1000, 1000, 1000), (512, 768, 3072)),
        dimensions=("m", "k", "n"),
        tolerance={"float32": Tolerance(2e-5, 2e-5), "float64": Tolerance(1e-13, 1e-13)},
        peers={"torch": peers.torch, "onnx": peers.onnx, "jax": peers.jax, "polyglot": peers.polyglot},
    ),
)
