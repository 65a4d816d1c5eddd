"""An encoder in one neutral record, whatever its family: which of the checkpoint's tensors does what, and its sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.models.tensor import Tensor
from workbench.pipelines.graphs import UnfitError

from .families import FAMILIES, Family

if TYPE_CHECKING:
    from workbench.pipelines.engines.engine import Head


@dataclass(frozen=True)
class Linear:
    """A product with a matrix, its sum with a bias, and an activation; or, as a norm, scale and shift.

    Parameters
    ----------
    weight
        Float, (out, in) as torch has it; of a norm (width,).
    bias
        Float (out,); None where there is none.
    activation
        Of what follows; empty for none.
    """

    weight: Tensor
    bias: Tensor | None
    activation: str = ""


@dataclass(frozen=True)
class Layer:
    """One layer: attention with its norm, then the two products with theirs."""

    query: Linear
    key: Linear
    value: Linear
    out: Linear
    attention_norm: Linear
    up: Linear
    down: Linear
    norm: Linear


@dataclass(frozen=True)
class Encoder:
    """An encoder of post-norm transformer layers (Vaswani et al. 2017, Devlin et al. 2018).

    Parameters
    ----------
    family
        ``model_type`` of the configuration.
    words, positions, types
        Tables of embeddings (rows, width); ``types`` None where there are none.
    takes_types
        Whether a token's type is chosen; else all have the first one.
    embedding_norm
        Of their sum.
    projection
        To the width of the layers; None where it is that of the embeddings.
    layers
        In order.
    heads
        Of the attention in each layer.
    epsilon
        Added to the variance in each norm.
    padding
        Id of padding where positions are counted from it on, over the tokens that are not padding; None where they are
        counted from 0.
    relative
        Biases (buckets, heads) of the attention by the distance of two tokens; None where there are none.
    head
        What follows the hidden states; empty if they are asked for.
    from_first
        Whether the head sees the first token alone.
    """

    family: str
    words: Tensor
    positions: Tensor
    types: Tensor | None
    takes_types: bool
    embedding_norm: Linear
    projection: Linear | None
    layers: tuple[Layer, ...]
    heads: int
    epsilon: float
    padding: int | None
    relative: Tensor | None
    head: tuple[Linear, ...] = ()
    from_first: bool = False


def read_encoder(config: Mapping[str, Any], tensors: Mapping[str, Tensor], head: Head) -> Encoder:
    """Return the encoder of a checkpoint; no tensor's values are read.

    Parameters
    ----------
    config
        The content of config.json.
    tensors
        Of the checkpoint.
    head
        What is asked for.

    Raises
    ------
    UnfitError
        If it is none of :data:`FAMILIES`, or one with something that the graph does not have.
    """
    kind = config.get("model_type")
    if kind not in FAMILIES:
        raise UnfitError(f"there is none for {kind!r}")
    return _Reader(str(kind), FAMILIES[kind], config, tensors).encoder(head)


class _Reader:
    """A checkpoint whose tensors are looked up by the names of its family."""

    def __init__(self, kind: str, family: Family, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        self._kind, self._family, self._config, self._tensors = kind, family, config, tensors
        self._prefix = f"{family.prefix}." if f"{family.prefix}.{family.words}.weight" in tensors else ""

    def encoder(self, head: Head) -> Encoder:
        family = self._family
        self._check()
        activation = self._text(family.activation)
        count = self._number(family.layers)
        parts = self._head(head)
        epsilon = family.epsilon if isinstance(family.epsilon, float) else self._config.get(family.epsilon)
        if not isinstance(epsilon, (int, float)) or not 0 <= epsilon < 1:
            raise UnfitError(f"its configuration has {family.epsilon}={epsilon!r}")
        types = self._tensor(f"{family.types}.weight") if family.types else None
        encoder = Encoder(
            family=self._kind,
            words=self._tensor(f"{family.words}.weight"),
            positions=self._tensor(f"{family.positions}.weight"),
            types=types,
            takes_types=family.by_type and types is not None and types.shape[0] > 1,
            embedding_norm=self._linear(family.embedding_norm),
            projection=self._projection(),
            layers=tuple(self._layer(number, activation) for number in range(count)),
            heads=self._number(family.heads),
            epsilon=float(epsilon),
            padding=self._number(family.first_position) if isinstance(family.first_position, str) else None,
            relative=self._tensor(f"{family.relative}.weight") if family.relative else None,
            head=parts,
            from_first=head == "labels",
        )
        _check_shapes(encoder)
        return encoder

    def _check(self) -> None:
        config = self._config
        for key, usual in {
            "is_decoder": (None, False),
            "add_cross_attention": (None, False),
            "position_embedding_type": (None, "absolute"),
            "pruned_heads": (None, {}, []),
            "num_hidden_groups": (None, 1),
            "inner_group_num": (None, 1),
            "quantization_config": (None,),
        }.items():
            if config.get(key) not in usual:
                raise UnfitError(f"its configuration has {key}={config[key]!r}")

    def _layer(self, number: int, activation: str) -> Layer:
        family, begin = self._family, self._family.layer.format(number)
        names = ("query", "key", "value", "out", "attention_norm", "up", "down", "norm")
        parts = {name: self._linear(begin + getattr(family, name)) for name in names}
        parts["up"] = Linear(parts["up"].weight, parts["up"].bias, activation)
        return Layer(**parts)

    def _head(self, head: Head) -> tuple[Linear, ...]:
        family = self._family
        names: tuple[tuple[str, str], ...] = {
            "hidden": (),
            "labels": family.labels,
            "token-labels": (("classifier", ""),),
            "spans": (("qa_outputs", ""),),
        }[head]
        return tuple(
            self._linear(name.format(prefix=self._prefix), activation, prefix="") for name, activation in names
        )

    def _projection(self) -> Linear | None:
        name = self._family.projection
        return self._linear(name) if name and f"{self._prefix}{name}.weight" in self._tensors else None

    def _linear(self, name: str, activation: str = "", prefix: str | None = None) -> Linear:
        begin = (self._prefix if prefix is None else prefix) + name
        # the names that the first checkpoints of BERT's norms have
        for weight, bias in (("weight", "bias"), ("gamma", "beta")):
            if f"{begin}.{weight}" in self._tensors:
                return Linear(self._tensors[f"{begin}.{weight}"], self._tensors.get(f"{begin}.{bias}"), activation)
        raise UnfitError(f"the checkpoint has no tensor {begin + '.weight'!r}")

    def _tensor(self, name: str) -> Tensor:
        found = self._tensors.get(self._prefix + name)
        if found is None:
            raise UnfitError(f"the checkpoint has no tensor {self._prefix + name!r}")
        return found

    def _number(self, key: str) -> int:
        value = self._config.get(key)
        if type(value) is not int or value < 0:
            raise UnfitError(f"its configuration has {key}={value!r}")
        return value

    def _text(self, key: str) -> str:
        value = self._config.get(key)
        if not isinstance(value, str):
            raise UnfitError(f"its configuration has {key}={value!r}")
        return value


def _check_shapes(encoder: Encoder) -> None:
    """Refuse a checkpoint whose tensors do not fit one another, as those with pruned heads."""
    if not encoder.layers or not encoder.heads:
        raise UnfitError("it has no layers")
    for at, layer in enumerate(encoder.layers):
        width = layer.out.weight.shape[0]
        inner = layer.up.weight.shape[0]
        expected = {
            "query": (width, width),
            "key": (width, width),
            "value": (width, width),
            "out": (width, width),
            "attention_norm": (width,),
            "up": (inner, width),
            "down": (width, inner),
            "norm": (width,),
        }
        for name, shape in expected.items():
            found = getattr(layer, name).weight.shape
            if found != shape:
                raise UnfitError(f"the {name} of layer {at} is {list(found)}, and {list(shape)} would fit")
        if width % encoder.heads:
            raise UnfitError(f"{encoder.heads} heads do not share {width} features")
