"""Fused operations in Triton, as its tutorials write them: a program holds a row, or a thousand elements.

They are what a user of Triton would write in an afternoon, and no more: no autotuning, no persistent programs. Rows of
more than 65,536 elements do not fit, and are refused.
"""

# A kernel's arguments are pointers and numbers, which Triton types itself, and there are as many as it needs.
# mypy: disable-error-code="no-untyped-def, untyped-decorator"
# ruff: noqa: PLR0917

from __future__ import annotations

from importlib import import_module
from typing import Any

from workbench.errors import InputError

# Not among our dependencies: torch's builds for CUDA bring it, and a contender is raced where it is installed.
triton: Any = import_module("triton")
tl: Any = import_module("triton.language")

_WIDEST = 65_536
_BLOCK = 1024
_CLASSES = 4096
"""Elements, and classes, that a program has at once."""


@triton.jit
def _softmax(out, x, columns, wide: tl.constexpr, log: tl.constexpr, width: tl.constexpr):
    row = tl.program_id(0).to(tl.int64) * columns
    at = tl.arange(0, width)
    inside = at < columns
    values = tl.load(x + row + at, mask=inside, other=-float("inf")).to(wide)
    shifted = values - tl.max(values, axis=0)
    powers = tl.exp(shifted)
    total = tl.sum(powers, axis=0)
    tl.store(out + row + at, shifted - tl.log(total) if log else powers / total, mask=inside)


@triton.jit
def _layer_norm(
    out,
    total,
    x,
    residual,
    weight,
    bias,
    columns,
    eps: tl.constexpr,
    wide: tl.constexpr,
    adds: tl.constexpr,
    width: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64) * columns
    at = tl.arange(0, width)
    inside = at < columns
    values = tl.load(x + row + at, mask=inside, other=0.0).to(wide)
    if adds:
        values += tl.load(residual + row + at, mask=inside, other=0.0).to(wide)
        tl.store(total + row + at, values, mask=inside)
    mean = tl.sum(values, axis=0) / columns
    centred = tl.where(inside, values - mean, 0.0)
    scale = 1 / tl.sqrt(tl.sum(centred * centred, axis=0) / columns + eps)
    gain = tl.load(weight + at, mask=inside, other=0.0).to(wide)
    shift = tl.load(bias + at, mask=inside, other=0.0).to(wide)
    tl.store(out + row + at, centred * scale * gain + shift, mask=inside)


@triton.jit
def _rms_norm(out, x, weight, columns, eps: tl.constexpr, wide: tl.constexpr, width: tl.constexpr):
    row = tl.program_id(0).to(tl.int64) * columns
    at = tl.arange(0, width)
    inside = at < columns
    values = tl.load(x + row + at, mask=inside, other=0.0).to(wide)
    scale = 1 / tl.sqrt(tl.sum(values * values, axis=0) / columns + eps)
    gain = tl.load(weight + at, mask=inside, other=0.0).to(wide)
    tl.store(out + row + at, values * scale * gain, mask=inside)


@triton.jit
def _cross_entropy(losses, logits, target, ignored, classes: tl.constexpr, wide: tl.constexpr, block: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    chosen = tl.load(target + row)
    largest = tl.full((), -float("inf"), wide)
    total = tl.full((), 0.0, wide)
    for start in range(0, classes, block):
        at = start + tl.arange(0, block)
        values = tl.load(logits + row * classes + at, mask=at < classes, other=-float("inf")).to(wide)
        higher = tl.maximum(largest, tl.max(values, axis=0))
        total = total * tl.exp(largest - higher) + tl.sum(tl.exp(values - higher), axis=0)
        largest = higher
    kept = chosen != ignored
    value = tl.load(logits + row * classes + tl.where(kept, chosen, 0)).to(wide)
    tl.store(losses + row, tl.where(kept, largest + tl.log(total) - value, 0.0))


@triton.jit
def _elements(out, x, y, z, size, factor: tl.constexpr, formula: tl.constexpr, wide: tl.constexpr, block: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * block + tl.arange(0, block)
    inside = at < size
    a = tl.load(x + at, mask=inside).to(wide)
    if formula == "scale":
        result = a * factor
    elif formula == "relu":
        result = tl.where(a < 0, 0.0, a)
    elif formula == "sigmoid":
        result = 1 / (1 + tl.exp(-a))
    elif formula == "silu":
        result = a / (1 + tl.exp(-a))
    elif formula == "gelu":
        result = 0.5 * a * (1 + tl.erf(a * 0.7071067811865476))
    elif formula == "swiglu":
        result = a / (1 + tl.exp(-a)) * tl.load(y + at, mask=inside).to(wide)
    else:
        result = a * tl.load(z + at, mask=inside).to(wide) * factor + tl.load(y + at, mask=inside).to(wide)
    tl.store(out + at, result, mask=inside)


def softmax(x: Any, axis: int = -1, *, out: Any = None) -> Any:
    """Return the softmax over the last axis."""
    return _over_rows(_softmax, x, out, False)


def log_softmax(x: Any, axis: int = -1, *, out: Any = None) -> Any:
    """Return the logarithm of the softmax over the last axis."""
    return _over_rows(_softmax, x, out, True)


def layer_norm(x: Any, weight: Any, bias: Any, *, eps: float = 1e-5, out: Any = None) -> Any:
    """Return rows of mean 0 and variance 1, times weight plus bias."""
    out, (rows, columns, width) = _like(x, out), _rows(x)
    _layer_norm[(rows,)](out, out, x, x, weight, bias, columns, eps, _wide(x), False, width, num_warps=_warps(width))
    return out


def add_layer_norm(x: Any, residual: Any, weight: Any, bias: Any, *, eps: float = 1e-5, out: Any = None) -> Any:
    """Return `layer_norm` of a sum, and the sum."""
    normal, total = (_like(x, None), _like(x, None)) if out is None else out
    rows, columns, width = _rows(x)
    _layer_norm[(rows,)](
        normal, total, x, residual, weight, bias, columns, eps, _wide(x), True, width, num_warps=_warps(width)
    )
    return normal, total


def rms_norm(x: Any, weight: Any, *, eps: float = 1e-6, out: Any = None) -> Any:
    """Return rows over the root of their mean square, times weight."""
    out, (rows, columns, width) = _like(x, out), _rows(x)
    _rms_norm[(rows,)](out, x, weight, columns, eps, _wide(x), width, num_warps=_warps(width))
    return out


def cross_entropy(logits: Any, target: Any, *, ignore_index: int = -100) -> Any:
    """Return the mean loss of the rows whose target is not ignored."""
    losses = logits.new_empty(target.shape, dtype=None if _wide(logits) == tl.float64 else _float32())
    _cross_entropy[(target.numel(),)](
        losses, logits, target, ignore_index, logits.shape[-1], _wide(logits), _CLASSES, num_warps=8
    )
    return (losses.sum() / (target != ignore_index).sum()).to(logits.dtype)


def _of_elements(formula: str) -> Any:
    def call(x: Any, y: Any = None, z: Any = None, factor: float = 1.0, *, out: Any = None) -> Any:
        out, size = _like(x, out), x.numel()
        y, z = x if y is None else y, x if z is None else z
        _elements[(triton.cdiv(size, _BLOCK),)](out, x, y, z, size, factor, formula, _wide(x), _BLOCK)
        return out

    return call


_dropout_add, _scale, _swiglu = map(_of_elements, ("dropout_add", "scale", "swiglu"))


def dropout_add(x: Any, residual: Any, mask: Any, scale: float, *, out: Any = None) -> Any:
    """Return ``x * mask * scale + residual``."""
    return _dropout_add(x, residual, mask, scale, out=out)


def scale(x: Any, factor: float, *, out: Any = None) -> Any:
    """Return ``x * factor``."""
    return _scale(x, factor=factor, out=out)


def swiglu(gate: Any, up: Any, *, out: Any = None) -> Any:
    """Return up, gated by a silu."""
    return _swiglu(gate, up, out=out)


FORMS = {
    "add_layer_norm": add_layer_norm,
    "cross_entropy": cross_entropy,
    "dropout_add": dropout_add,
    **{name: _of_elements(name) for name in ("gelu", "relu", "sigmoid", "silu")},
    "layer_norm": layer_norm,
    "log_softmax": log_softmax,
    "rms_norm": rms_norm,
    "scale": scale,
    "softmax": softmax,
    "swiglu": swiglu,
}


def _over_rows(kernel: Any, x: Any, out: Any, log: bool) -> Any:
    out, (rows, columns, width) = _like(x, out), _rows(x)
    kernel[(rows,)](out, x, columns, _wide(x), log, width, num_warps=_warps(width))
    return out


def _rows(x: Any) -> tuple[int, int, int]:
    """Return how many rows there are, of how many elements, and the power of two that a program holds."""
    columns = x.shape[-1]
    if columns > _WIDEST:
        raise InputError(f"These kernels in Triton hold a row at once, up to {_WIDEST:,} elements; got {columns:,}.")
    return x.numel() // columns, columns, triton.next_power_of_2(columns)


def _warps(width: int) -> int:
    return min(max(width // 256, 4), 16)


def _like(x: Any, out: Any) -> Any:
    return x.new_empty(x.shape) if out is None else out


def _wide(x: Any) -> Any:
    """Return the dtype in which is computed: half precision in single, as everywhere."""
    return tl.float64 if x.element_size() == 8 else tl.float32


def _float32() -> Any:
    import torch

    return torch.float32
