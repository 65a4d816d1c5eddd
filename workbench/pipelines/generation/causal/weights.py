"""A causal model in one neutral record, whatever its family: which tensor does what, and its sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workbench.models.tensor import Tensor
from workbench.pipelines.encoder.weights import Linear
from workbench.pipelines.graphs import UnfitError

from .families import FAMILIES, Family

_ROTATIONS = ("default", "linear", "llama3", "yarn")
"""Kinds of RoPE whose angles depend on the position alone."""


@dataclass(frozen=True)
class Layer:
    """One layer, with a norm before each half: the attention, and the products after it.

    Parameters
    ----------
    attention_norm, norm
        The two norms.
    query, key, value
        Into the attention; without ``key`` and ``value``, ``query`` has all three.
    query_norm, key_norm
        Of each head, before they are rotated; None where there is none.
    out
        Out of the attention.
    gate, up, down
        ``down(activation(gate) * up)``, or without a gate ``down(activation(up))``.
    """

    attention_norm: Linear
    query: Linear
    key: Linear | None
    value: Linear | None
    query_norm: Tensor | None
    key_norm: Tensor | None
    out: Linear
    norm: Linear
    gate: Linear | None
    up: Linear
    down: Linear


@dataclass(frozen=True)
class Causal:
    """A causal model of pre-norm transformer layers (Radford et al. 2019, Touvron et al. 2023).

    Parameters
    ----------
    family
        ``model_type`` of the configuration.
    words
        Table of embeddings (vocabulary, width).
    positions
        The same of positions; None where queries and keys are rotated.
    layers
        In order.
    last_norm, head
        After them; the head's matrix is (vocabulary, width).
    heads, key_heads, head_size
        Of the attention.
    epsilon
        Added in each norm.
    root_mean_square, outwards
        As for :class:`~workbench.pipelines.generation.causal.families.Family`.
    """

    family: str
    words: Tensor
    positions: Tensor | None
    layers: tuple[Layer, ...]
    last_norm: Linear
    head: Linear
    heads: int
    key_heads: int
    head_size: int
    epsilon: float
    root_mean_square: bool
    outwards: bool


def read_causal(config: Any, tensors: Mapping[str, Tensor]) -> Causal:
    """Return the model of a checkpoint; no tensor's values are read.

    Parameters
    ----------
    config
        Of transformers, with all defaults filled in.
    tensors
        Of the checkpoint.

    Raises
    ------
    workbench.pipelines.graphs.UnfitError
        If it is none of :data:`~workbench.pipelines.generation.causal.families.FAMILIES`, or has something that the
        graph does not.
    """
    if config.model_type not in FAMILIES:
        raise UnfitError(f"there is none for {config.model_type!r}, but for {', '.join(FAMILIES)}")
    family = FAMILIES[config.model_type]
    _check(config, family)
    return _Reader(config, family, tensors).causal()


def _check(config: Any, family: Family) -> None:
    for key, usual in (*family.usual, ("quantization_config", None)):
        if getattr(config, key, usual) != usual:
            raise UnfitError(f"its configuration has {key}={getattr(config, key)!r}")
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    window = getattr(config, "sliding_window", None)
    sees_all = window is None or window >= config.max_position_embeddings
    if kinds != {"full_attention"} or (not sees_all and not getattr(config, "layer_types", None)):
        raise UnfitError("its layers do not see all tokens before")
    if not family.positions:
        rotation = config.rope_parameters or {}
        kind = rotation.get("rope_type", "default")
        if kind not in _ROTATIONS or rotation.get("partial_rotary_factor", 1) != 1:
            raise UnfitError(f"its positions are rotated by {rotation}")


class _Reader:
    """A checkpoint whose tensors are looked up by the names of its family."""

    def __init__(self, config: Any, family: Family, tensors: Mapping[str, Tensor]) -> None:
        self._config, self._family, self._tensors = config, family, tensors
        self._prefix = family.prefix if f"{family.prefix}{family.words}.weight" in tensors else ""

    def causal(self) -> Causal:
        config, family = self._config, self._family
        heads = config.num_attention_heads
        found = Causal(
            family=config.model_type,
            words=self._linear(family.words).weight,
            positions=self._linear(family.positions).weight if family.positions else None,
            layers=tuple(map(self._layer, range(config.num_hidden_layers))),
            last_norm=self._linear(family.last_norm),
            head=self._head(),
            heads=heads,
            key_heads=getattr(config, "num_key_value_heads", None) or heads,
            head_size=getattr(config, "head_dim", None) or config.hidden_size // heads,
            epsilon=float(getattr(config, family.epsilon)),
            root_mean_square=family.root_mean_square,
            outwards=family.outwards,
        )
        _check_shapes(found)
        return found

    def _layer(self, number: int) -> Layer:
        family, begin = self._family, self._family.layer.format(number)
        names = ("attention_norm", "query", "key", "value", "out", "norm", "gate", "up", "down")
        parts: dict[str, Any] = {
            name: self._linear(begin + getattr(family, name)) if getattr(family, name) else None for name in names
        }
        activated = "gate" if family.gate else "up"
        activation = str(getattr(self._config, family.activation))
        parts[activated] = Linear(parts[activated].weight, parts[activated].bias, activation)
        for name in ("query_norm", "key_norm"):
            parts[name] = self._linear(begin + getattr(family, name)).weight if getattr(family, name) else None
        return Layer(**parts)

    def _head(self) -> Linear:
        if self._config.tie_word_embeddings:
            return Linear(self._linear(self._family.words).weight, None)
        name = f"{self._family.head}.weight"
        if name not in self._tensors:
            raise UnfitError(f"the checkpoint has no tensor {name!r}")
        return Linear(self._tensors[name], self._tensors.get(f"{self._family.head}.bias"))

    def _linear(self, name: str) -> Linear:
        begin = self._prefix + name
        if f"{begin}.weight" not in self._tensors:
            raise UnfitError(f"the checkpoint has no tensor {begin + '.weight'!r}")
        return Linear(self._tensors[f"{begin}.weight"], self._tensors.get(f"{begin}.bias"))


def _check_shapes(causal: Causal) -> None:
    """Refuse what the attention of the graph cannot have, and tensors that do not fit one another."""
    if causal.head_size % (8 if causal.positions is not None else 16):
        raise UnfitError(f"its heads have {causal.head_size} features")
    width = causal.words.shape[1]
    inner = causal.heads * causal.head_size
    keys = causal.key_heads * causal.head_size
    for at, layer in enumerate(causal.layers):
        wide = layer.up.weight.shape[1 if causal.outwards else 0]
        expected = {
            "query": (inner if layer.key else inner + 2 * keys, width),
            "key": (keys, width),
            "value": (keys, width),
            "out": (width, inner),
            "gate": (wide, width),
            "up": (wide, width),
            "down": (width, wide),
        }
        for name, shape in expected.items():
            part = getattr(layer, name)
            if part is None:
                continue
            found = part.weight.shape[::-1] if causal.outwards else part.weight.shape
            if found != shape:
                raise UnfitError(f"the {name} of layer {at} is {list(found)}, and {list(shape)} would fit")
