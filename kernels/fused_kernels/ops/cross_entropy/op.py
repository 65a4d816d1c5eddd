"""cross_entropy: what it is, how NumPy writes it, and what one call costs."""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from fused_kernels import trace
from fused_kernels.catalog import Cost, Inputs, Op, Shape, Tolerance
from fused_kernels.conversion import convert
from fused_kernels.dispatch import Array, as_rows, explain_received, lazy_import, number, ready, ready_rows, result
from fused_kernels.errors import DtypeError, KernelError, ShapeError

from . import peers

if TYPE_CHECKING:
    from . import cpu
else:
    cpu = lazy_import(f"{__package__}.cpu")

_INT64 = np.dtype(np.int64)
_REDUCTIONS = {"mean": 0, "sum": 1, "none": 2}
_LIMIT = 1 << 63
_HARD = 0.0  # an object of its own: what is not given needs no check


def cross_entropy(
    logits: Any,
    target: Any,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = _HARD,
    out: Any = None,
) -> Any:
    """``-log(softmax(logits)[target])``: how surprised a classifier is by the right class, from its logits.

    Parameters
    ----------
    logits
        Array of shape (..., classes), not normalised; float32 or float64, other real dtypes are converted.
    target
        The right class of each row: integers of shape (...), from 0 up and less than the number of classes.
    ignore_index
        A target whose row counts for nothing.
    reduction
        ``"mean"`` over the rows that count, ``"sum"``, or ``"none"`` for the loss of each row, 0 where it is ignored.
    label_smoothing
        Share of the target's weight that is spread over all classes evenly, from 0 to 1.
    out
        Array that receives the result: of no axes, or of the shape of ``target`` for ``"none"``.

    Returns
    -------
    scalar or array
        A NumPy scalar (for torch a tensor without axes), or an array of the shape of ``target`` for ``"none"``; in the
        dtype of ``logits``, integers give float64. In nats.

    Raises
    ------
    ShapeError
        If ``target`` does not have the shape of ``logits`` without its last axis, or there are no classes.
    DtypeError
        For complex, text, object or masked arrays and tensors that require grad, a ``target`` that holds no integers,
        an ``ignore_index`` that is none, and a ``label_smoothing`` that is no number.
    KernelError
        For a target that is no class, which the message names, an unknown ``reduction``, and a ``label_smoothing``
        outside of 0 to 1.

    Notes
    -----
    Names and meaning of ``torch.nn.functional.cross_entropy`` with integer targets, but classes are always the last
    axis; for more than two axes torch has them second. The mean over no rows is NaN, as there. On a GPU a target that
    is no class makes the loss of its row NaN, since for an error the CPU would have to wait. The softmax matrix is not
    formed: each row is read twice, from the cache the second time, with ``label_smoothing`` too.

    With ``label_smoothing`` s and p = softmax(logits), the loss of a row is
    ``(1 - s) * -log(p[target]) + s * mean(-log(p))``: the cross entropy with a target of which s is spread evenly
    (Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2016, section 7). A class with
    probability 0 then makes it infinite.

    Examples
    --------
    >>> float(cross_entropy([[2.0, 0.0], [0.0, 2.0]], [0, 1]))
    0.1269280110429726
    >>> cross_entropy([[2.0, 0.0], [0.0, 2.0]], [0, -100], reduction="none").round(3)
    array([0.127, 0.   ])
    >>> round(float(cross_entropy([[2.0, 0.0]], [0], label_smoothing=0.1)), 3)
    0.227
    """
    way = _REDUCTIONS.get(reduction) if isinstance(reduction, str) else None
    if way is None:
        raise KernelError(f"cross_entropy: reduction must be one of {', '.join(_REDUCTIONS)}; received {reduction!r}.")
    if type(ignore_index) is not int or not -_LIMIT <= ignore_index < _LIMIT:
        ignore_index = _index(ignore_index)
    if label_smoothing is _HARD and not trace.listeners:
        done = cpu.attempt(cpu.losses.kit, logits, target, out, ignore_index, way)
        if done is not None:
            return done
    if label_smoothing is not _HARD:
        label_smoothing = _smoothing(label_smoothing)
    taken = ready_rows(logits, out) or _is_number(out, logits)
    if not (taken and out is not logits and _is_target(target, out)):
        options = {"ignore_index": ignore_index, "reduction": reduction, "label_smoothing": label_smoothing}
        return convert(cross_entropy, {"logits": logits}, options, out, integers={"target": target}, rows=("logits",))
    shape = logits.shape
    if not shape or not shape[-1] or target.shape != shape[:-1]:
        raise ShapeError(_mismatch(logits, target))
    each, dtype = reduction == "none", logits.dtype
    if each or out is not None:
        out = result("cross_entropy", out, target.shape if each else (), dtype)
    labels = target if target.ndim == 1 else target.reshape(-1)
    direct = each and out.flags.c_contiguous
    losses = out.reshape(-1) if direct else np.empty(labels.size, dtype)
    cpu.losses.run(as_rows(logits), labels, losses, ignore_index, label_smoothing or None)
    if trace.is_dry():
        return dtype.type(0) if out is None else out
    total, count, wrong = cpu.total(losses, labels, ignore_index, shape[-1])
    if wrong >= 0:
        raise KernelError(_no_class(target, wrong, shape[-1], ignore_index))
    if each:
        if not direct:
            out[...] = losses.reshape(out.shape)
        return out
    loss = total if reduction == "sum" else total / count if count else math.nan
    if out is None:
        return dtype.type(loss)
    out[...] = loss
    return out


def _is_number(out: Any, logits: Any) -> bool:
    """Whether ``out`` is one number, which is no row, and all else as kernels take it."""
    return ready(out, None) and not out.ndim and ready_rows(logits, None) and logits.dtype == out.dtype


def _is_target(target: Any, out: Any) -> bool:
    """Whether the kernel takes it as it is."""
    if type(target) is not np.ndarray or not target.flags.carray or target.dtype != _INT64:
        if getattr(target, "dtype", None) == np.bool_:
            raise DtypeError(
                f"cross_entropy: target must hold the numbers of classes; received {explain_received(target=target)}. "
                "Pass target.astype(int) if False is class 0 and True class 1."
            )
        return False
    return out is None or not np.may_share_memory(target, out)


def _index(ignore_index: Any) -> int:
    try:
        index = operator.index(ignore_index)
    except TypeError as error:
        raise DtypeError(f"cross_entropy: ignore_index must be an integer; received {ignore_index!r}.") from error
    if not -_LIMIT <= index < _LIMIT:
        raise DtypeError(
            f"cross_entropy: ignore_index must fit into 64 bits; received {index}. The usual value is -100."
        )
    return index


def _smoothing(label_smoothing: Any) -> float:
    smoothing = number("cross_entropy", "label_smoothing", label_smoothing)
    if 0.0 <= smoothing <= 1.0:
        return smoothing
    raise KernelError(
        f"cross_entropy: label_smoothing must be from 0 to 1; received {smoothing}. The usual value is 0.1."
    )


def _mismatch(logits: Array, target: Array) -> str:
    received = f"received {explain_received(logits=logits, target=target)}."
    if logits.ndim > 2 and target.shape == (logits.shape[0], *logits.shape[2:]):
        return f"cross_entropy: classes are the last axis; {received} Pass np.moveaxis(logits, 1, -1)."
    if not logits.ndim or not logits.shape[-1]:
        return (
            f"cross_entropy: logits need a last axis of at least one class; {received} Reshape them to (rows, classes)."
        )
    return f"cross_entropy: target needs the shape of logits without the last axis, {logits.shape[:-1]}; {received}"


def _no_class(target: Array, row: int, classes: int, ignore_index: int) -> str:
    place = tuple(int(index) for index in np.unravel_index(row, target.shape))
    where = "target" + (f"[{', '.join(map(str, place))}]" if place else "")
    return (
        f"cross_entropy: {where} is {target[place]}, and there are {classes} classes, 0 to {classes - 1}. "
        f"To leave a row out, set its target to ignore_index={ignore_index}."
    )


def _reference(
    logits: Any, target: Any, *, ignore_index: int = -100, reduction: str = "mean", label_smoothing: float = 0.0
) -> Any:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    kept = target != ignore_index
    chosen = np.where(kept, target, 0)[..., np.newaxis]
    losses = -np.take_along_axis(log_probabilities, chosen, axis=-1)[..., 0]
    if label_smoothing:
        losses = (1 - label_smoothing) * losses - label_smoothing * log_probabilities.mean(axis=-1)
    losses = np.where(kept, losses, logits.dtype.type(0))
    if reduction == "none":
        return losses
    total = losses.sum()
    return total / logits.dtype.type(np.count_nonzero(kept)) if reduction == "mean" else total


def _sample(shape: Shape, dtype: np.dtype[Any], rng: np.random.Generator) -> Inputs:
    target = rng.integers(0, shape[-1], shape[:-1])
    target.reshape(-1)[1::10] = -100
    return {"logits": (3 * rng.standard_normal(shape)).astype(dtype), "target": target}


def _cost(
    logits: Any, target: Any, *, ignore_index: int = -100, reduction: str = "mean", label_smoothing: float = 0.0
) -> Cost:
    written = logits.itemsize * (target.size if reduction == "none" else 1)
    # Maximum; subtract, exp, sum; for label smoothing one more sum.
    flops = (5 if label_smoothing else 4) * logits.size
    return Cost(bytes_read=logits.nbytes + target.nbytes, bytes_written=written, flops=flops)


OPERATIONS = (
    Op(
        name="cross_entropy",
        summary="-log(softmax(logits)[target]), from logits, with ignore_index and label_smoothing",
        family="rows",
        function=cross_entropy,
        reference=_reference,
        sample=_sample,
        cost=_cost,
        shapes=((512, 768), (8, 64), (1000, 1000), (128, 32000)),
        dimensions=("rows", "classes"),
        tolerance={"float32": Tolerance(2e-6, 1e-6), "float64": Tolerance(1e-14, 1e-14)},
        peers={"torch": peers.torch, "onnx": peers.onnx, "jax": peers.jax},
    ),
)
