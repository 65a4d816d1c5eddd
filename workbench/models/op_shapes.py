"""Which shapes of an operation a model has, told from the names and shapes of its weights."""

from __future__ import annotations

from collections import Counter

from fused_kernels.catalog import Shape

from .model import Model, Tensor

ROWS = 512
"""Rows of the shapes that are returned: what a batch of sentences has, tokens times texts."""


def shapes_in(model: Model, op: str) -> list[tuple[Shape, int]]:
    """Return shapes worth racing ``op`` at for this model, with how often they occur, the most frequent first.

    Known are ``layer_norm``, from the weights of norms, and ``linear``, from the matrices of Hugging Face models, which
    are stored as (outputs, inputs). Other operations have no weights that would tell.
    """
    shapes: Counter[Shape] = Counter()
    for tensor in model.tensors.values():
        if op == "layer_norm" and _is_norm(tensor):
            shapes[ROWS, tensor.shape[0]] += 1
        if op == "linear" and model.info.format == "huggingface" and _is_matrix(tensor):
            shapes[ROWS, tensor.shape[1], tensor.shape[0]] += 1
    return shapes.most_common()


def _is_norm(tensor: Tensor) -> bool:
    *where, last = tensor.name.lower().split(".")
    norm = any("norm" in part or part.startswith("ln_") for part in where)
    return norm and last in ("weight", "gamma", "scale") and len(tensor.shape) == 1


def _is_matrix(tensor: Tensor) -> bool:
    name = tensor.name.lower()
    return name.endswith("weight") and "embed" not in name and len(tensor.shape) == 2
