"""mean_pool: what it is, how NumPy writes it, and what one call costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fused_kernels import trace
from fused_kernels.catalog import Cost, Inputs, Op, Shape, Tolerance
from fused_kernels.conversion import convert
from fused_kernels.dispatch import explain_received, lazy_import, ready, result
from fused_kernels.errors import ShapeError

from . import peers

if TYPE_CHECKING:
    from . import cpu
else:
    cpu = lazy_import(f"{__package__}.cpu")

_MASKS = (np.dtype(np.int64), np.dtype(bool))


def mean_pool(x: Any, mask: Any = None, *, out: Any = None) -> Any:
    """Mean of the tokens that a mask keeps: one vector for each text out of one for each token.

    Parameters
    ----------
    x
        Array of shape (batch, tokens, width) or (tokens, width); float32 or float64, other real dtypes are converted.
    mask
        Shape (batch, tokens) or (tokens,), of booleans or integers such as a tokenizer's attention mask: a token counts
        where it is not 0. None keeps all.
    out
        Array of shape (batch, width) or (width,) that receives the result.

    Returns
    -------
    array
        Shape (batch, width) or (width,), of the kind of ``x``; integers give float64. A text without a token that
        counts gives 0.

    Raises
    ------
    ShapeError
        If ``x`` does not have two or three axes, or ``mask`` or ``out`` do not fit it.
    DtypeError
        For complex, text, object or masked arrays and tensors that require grad, and a ``mask`` of other numbers.

    Notes
    -----
    The mean pooling of sentence-transformers (Reimers and Gurevych, Sentence-BERT, arXiv:1908.10084), whose count is at
    least 1e-9 as well. Tokens that do not count are not read, so that a NaN there does not spread, as it does there.

    Examples
    --------
    >>> mean_pool([[1.0, 2.0], [3.0, 4.0], [99.0, 99.0]], [1, 1, 0])
    array([2., 3.])
    """
    if not trace.listeners:
        done = cpu.attempt(cpu.means.kit, x, mask, out)
        if done is not None:
            return done
    if not (ready(x, out) and out is not x and _is_mask(mask, out)):
        return convert(mean_pool, {"x": x}, {}, out, integers={"mask": mask})
    shape = x.shape
    if len(shape) not in (2, 3):
        raise ShapeError(
            f"mean_pool: x needs the axes (batch, tokens, width) or (tokens, width); received {explain_received(x=x)}."
        )
    if mask is not None and mask.shape != shape[:-1]:
        raise ShapeError(
            f"mean_pool: mask needs shape {shape[:-1]}, that of x without its last axis; "
            f"received {explain_received(x=x, mask=mask)}."
        )
    target = result("mean_pool", out, (*shape[:-2], shape[-1]), x.dtype)
    if not target.size:
        return target
    cpu.means.run(x, mask, target)
    return target


def _is_mask(mask: Any, out: Any) -> bool:
    """Whether the kernel takes it as it is."""
    if mask is None:
        return True
    if type(mask) is not np.ndarray or mask.dtype not in _MASKS or not mask.flags.carray:
        return False
    return out is None or not np.may_share_memory(mask, out)


def _reference(x: Any, mask: Any = None) -> Any:
    kept = np.ones(x.shape[:-1], bool) if mask is None else mask != 0
    total = np.where(kept[..., np.newaxis], x, x.dtype.type(0)).sum(axis=-2)
    return total / np.maximum(kept.sum(axis=-1, keepdims=True), 1e-9).astype(x.dtype)


def _sample(shape: Shape, dtype: np.dtype[Any], rng: np.random.Generator) -> Inputs:
    tokens = shape[-2]
    lengths = rng.integers((tokens + 1) // 2, tokens + 1, (*shape[:-2], 1))
    return {"x": rng.standard_normal(shape).astype(dtype), "mask": (np.arange(tokens) < lengths).astype(np.int64)}


def _cost(x: Any, mask: Any = None) -> Cost:
    tokens = x.size // max(1, x.shape[-1])
    kept = tokens if mask is None else int(np.count_nonzero(mask))
    written = x.size // max(1, x.shape[-2]) * x.itemsize
    read = kept * x.shape[-1] * x.itemsize + (0 if mask is None else mask.nbytes)
    return Cost(bytes_read=read, bytes_written=written, flops=kept * x.shape[-1])


OPERATIONS = (
    Op(
        name="mean_pool",
        summary="mean over the tokens that a mask keeps",
        family="rows",
        function=mean_pool,
        reference=_reference,
        sample=_sample,
        cost=_cost,
        shapes=((32, 128, 384), (1, 16, 64), (8, 512, 768), (64, 512, 768)),
        dimensions=("batch", "tokens", "width"),
        tolerance={"float32": Tolerance(1e-5, 1e-6), "float64": Tolerance(1e-14, 1e-14)},
        peers={"torch": peers.torch, "onnx": peers.onnx, "jax": peers.jax},
    ),
)
