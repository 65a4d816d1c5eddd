"""Inputs to try a model with, made from what it says that it takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.arrays import DTYPE_BITS, Dimension, TensorSpec, numpy_dtype
from workbench.errors import InputError
from workbench.text import format_shape

Feeds = dict[str, np.ndarray[Any, Any]]
_MOST_ELEMENTS = 1 << 28  # of one generated input


@dataclass(frozen=True)
class Limits:
    """What generated inputs must keep to beyond dtypes and shapes.

    Parameters
    ----------
    vocabulary
        Token ids lie below it.
    special
        Token ids that mean something to the model, such as padding; none is generated.
    longest
        Tokens in a text at most; None where the model sets no limit.
    """

    vocabulary: int = 2
    special: frozenset[int] = frozenset()
    longest: int | None = None

    def fitted(self, size: int) -> int:
        """Return a length of text that the model takes."""
        return min(size, self.longest) if self.longest else size


def generated(specs: Iterable[TensorSpec], sizes: Mapping[str, int], limits: Limits, seed: int = 0) -> Feeds:
    """Return an array for each input, the same at each call: ids and floats at random, masks with some padding.

    Parameters
    ----------
    specs
        What the model takes.
    sizes
        Of the symbolic dimensions.
    limits
        See :class:`Limits`.
    seed
        For other values of the same shapes.

    Raises
    ------
    workbench.errors.InputError
        If an input is no array of numbers, or of unknown rank, or has a dimension that ``sizes`` lacks.
    """
    random = np.random.default_rng(seed)
    return {spec.name: _one(spec, _shape(spec, sizes), limits, random) for spec in specs}


def resized(
    feeds: Mapping[str, np.ndarray[Any, Any]], axes: Mapping[str, Mapping[int, str]], sizes: Mapping[str, int]
) -> Feeds:
    """Return given inputs in other sizes: cut off, or repeated from the beginning, along their named axes."""
    changed = dict(feeds)
    for name, named in axes.items():
        for axis, symbol in named.items():
            if symbol in sizes:
                changed[name] = changed[name].take(np.arange(sizes[symbol]) % changed[name].shape[axis], axis)
    return changed


def _shape(spec: TensorSpec, sizes: Mapping[str, int]) -> tuple[int, ...]:
    def size(dimension: Dimension) -> int:
        found = sizes.get(dimension) if isinstance(dimension, str) else dimension
        if not isinstance(found, int):
            raise InputError(
                f"Inputs cannot be made up for {spec}: the size of {dimension!r} is not known. Give some: "
                f"inputs={{{spec.name!r}: array, ...}}."
            )
        return found

    if spec.shape is None or spec.dtype not in DTYPE_BITS:
        raise InputError(
            f"Inputs cannot be made up for {spec}, which is "
            f"{'of unknown rank' if spec.shape is None else 'no number'}. "
            f"Give some: inputs={{{spec.name!r}: array, ...}}."
        )
    shape = tuple(size(dimension) for dimension in spec.shape)
    if np.prod(shape, dtype=np.float64) > _MOST_ELEMENTS:
        raise InputError(
            f"Inputs of the shape {format_shape(shape)} for {spec} are too large to be made up. Give some."
        )
    return shape


def _one(spec: TensorSpec, shape: tuple[int, ...], limits: Limits, random: np.random.Generator) -> np.ndarray[Any, Any]:
    dtype = numpy_dtype(spec.dtype)
    if spec.name.endswith("attention_mask"):
        mask = np.ones(shape, dtype)
        if len(shape) == 2 and shape[0] > 1:  # the first text is a third shorter than the others
            mask[0, -(shape[1] // 3) or shape[1] :] = 0
        return mask
    if spec.name.endswith("token_type_ids"):
        kinds = np.zeros(shape, dtype)
        kinds[..., shape[-1] // 2 :] = 1
        return kinds
    if spec.name.endswith("position_ids"):
        return np.broadcast_to(np.arange(shape[-1], dtype=dtype), shape).copy()
    if spec.name.endswith("input_ids"):
        plain = np.setdiff1d(np.arange(limits.vocabulary), sorted(limits.special))
        return random.choice(plain if plain.size else np.arange(limits.vocabulary), shape).astype(dtype)
    if spec.dtype == "bool" or spec.dtype.startswith(("int", "uint")):
        return random.integers(0, 2, shape).astype(dtype)
    return random.standard_normal(shape).astype(dtype)
