"""The graph of an encoder, in the form in which ONNX Runtime is fastest on a CPU."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from workbench.models.tensor import Tensor
from workbench.pipelines.graphs import Graph

from .pieces import MICROSOFT, Pieces, as_float32
from .weights import Encoder, Layer, Linear

_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_DISABLED = ["SkipLayerNormFusion", "BiasGeluFusion"]
"""Optimisers of ONNX Runtime whose fused kernels are slower on a CPU than the nodes that they replace."""


class EncoderGraph:
    """The graph in float32.

    Parameters
    ----------
    encoder
        What it computes.
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.pieces = Pieces()

    def written(self) -> Graph:
        """Return the graph: token ids, mask and, where the encoder takes them, types in; hidden states or scores out.

        Raises
        ------
        workbench.pipelines.graphs.UnfitError
            If the graph does not have what the encoder needs.
        """
        encoder, pieces = self.encoder, self.pieces
        inputs = _INPUTS if encoder.takes_types else _INPUTS[:2]
        mask = pieces.op("Cast", "attention_mask", to=6)  # int32
        bias = self.distances(encoder.relative) if encoder.relative is not None else ""
        x = self.embeddings()
        for layer in encoder.layers:
            # a head that sees the first token alone needs no other from the last layer on
            alone = encoder.from_first and layer is encoder.layers[-1] and not bias
            x = self.layer(x, layer, mask, bias, alone=alone)
        if encoder.from_first:
            x = pieces.op("Gather", x, pieces.constant(np.int64(0)), axis=1)
        for linear in encoder.head:
            x = pieces.linear(x, linear)
        output = pieces.op("Identity", x)
        return replace(pieces.written(inputs, output, 2 if encoder.from_first else 3), disabled=_DISABLED)

    def embeddings(self) -> str:
        """Return the sum of the embeddings, normed."""
        encoder, pieces = self.encoder, self.pieces
        x = self.lookup(encoder.words, "input_ids")
        x = pieces.op("Add", x, self.positions())
        if encoder.types is not None:
            x = pieces.op("Add", x, self.types(encoder.types))
        x = pieces.norm(x, encoder.embedding_norm, encoder.epsilon)
        return pieces.linear(x, encoder.projection) if encoder.projection else x

    def lookup(self, table: Tensor, ids: str) -> str:
        """Return rows of a table."""
        return str(self.pieces.op("Gather", self.pieces.weight(table), ids))

    def positions(self) -> str:
        """Return the embeddings of the positions."""
        encoder, pieces = self.encoder, self.pieces
        table = pieces.weight(encoder.positions)
        if encoder.padding is None:
            length = pieces.op("Shape", "input_ids", start=1, end=2)
            zero = pieces.constant(np.array([0]))
            return str(pieces.op("Slice", table, zero, length, zero))
        # as create_position_ids_from_input_ids of transformers: tokens are counted, padding is not
        padding = pieces.constant(np.int64(encoder.padding))
        real = pieces.op("Cast", pieces.op("Not", pieces.op("Equal", "input_ids", padding)), to=7)  # int64
        counted = pieces.op("CumSum", real, pieces.constant(np.int64(1)))
        return str(pieces.op("Gather", table, pieces.op("Add", pieces.op("Mul", counted, real), padding)))

    def types(self, table: Tensor) -> str:
        """Return the embeddings of the types; where there is no choice, of the first one."""
        if self.encoder.takes_types:
            return self.lookup(table, "token_type_ids")
        return self.pieces.constant(as_float32(table)[0])

    def layer(self, x: str, layer: Layer, mask: str, bias: str, *, alone: bool = False) -> str:
        """Return the hidden states after a layer; ``alone`` those of the first token."""
        pieces, epsilon = self.pieces, self.encoder.epsilon
        begin = x
        if alone:
            zero, one = pieces.constant(np.array([0])), pieces.constant(np.array([1]))
            begin = pieces.op("Slice", x, zero, one, one)
        attention = self.attention(begin, x, layer, mask, bias)
        x = pieces.norm(pieces.op("Add", self.linear(attention, layer.out), begin), layer.attention_norm, epsilon)
        return pieces.norm(pieces.op("Add", self.up_and_down(x, layer), x), layer.norm, epsilon)

    def attention(self, x: str, context: str, layer: Layer, mask: str, bias: str) -> str:
        """Return what each token of ``x`` takes from those of ``context``, heads side by side."""
        pieces = self.pieces
        parts = (layer.query, layer.key, layer.value)
        query, key, value = self.query_key_value(x, context, layer)
        shifts = ""
        if any(part.bias is not None for part in parts):
            shift = [
                np.zeros(part.weight.shape[0], np.float32) if part.bias is None else as_float32(part.bias)
                for part in parts
            ]
            shifts = pieces.constant(np.concatenate(shift), f"{layer.query.weight.name} and key and value, bias")
        return str(
            pieces.op(
                "MultiHeadAttention",
                *(query, key, value, shifts, mask, bias) if bias else (query, key, value, shifts, mask),
                domain=MICROSOFT,
                num_heads=self.encoder.heads,
            )
        )

    def query_key_value(self, x: str, context: str, layer: Layer) -> list[str]:
        """Return the three products that go into the attention, without their biases."""
        parts = ((x, layer.query), (context, layer.key), (context, layer.value))
        return [self.pieces.linear(of, Linear(part.weight, None)) for of, part in parts]

    def up_and_down(self, x: str, layer: Layer) -> str:
        """Return the two products between the norms."""
        return self.linear(self.linear(x, layer.up), layer.down)

    def linear(self, x: str, linear: Linear) -> str:
        """Return the product with a layer's matrix."""
        return self.pieces.linear(x, linear)

    def distances(self, table: Tensor) -> str:
        """Return the biases of the attention (1, heads, sequence, sequence) by the distance of two tokens."""
        pieces = self.pieces
        longest = self.encoder.positions.shape[0]
        by_distance = as_float32(table)[buckets(np.arange(-longest + 1, longest), table.shape[0])]
        length = pieces.op("Gather", pieces.op("Shape", "input_ids"), pieces.constant(np.int64(1)))
        zero, one = pieces.constant(np.int64(0)), pieces.constant(np.int64(1))
        places = pieces.op("Range", zero, length, one)
        axis = pieces.constant(np.array([1]))
        ahead = pieces.op("Sub", places, pieces.op("Unsqueeze", places, axis))
        at = pieces.op("Add", ahead, pieces.constant(np.int64(longest - 1)))
        bias = pieces.op("Gather", pieces.constant(by_distance.T, "biases by distance"), at, axis=1)
        return str(pieces.op("Unsqueeze", bias, pieces.constant(np.array([0]))))


def buckets(ahead: np.ndarray[Any, Any], count: int, longest: int = 128) -> np.ndarray[Any, Any]:
    """Return the bucket of each distance, of which near ones have one each and far ones share them on a log scale.

    Parameters
    ----------
    ahead
        Place of the key minus that of the query.
    count
        Of buckets, half of them for keys ahead.
    longest
        Distance from which on all are one.

    Notes
    -----
    Raffel et al. 2020, https://arxiv.org/abs/1910.10683, as ``MPNetEncoder.relative_position_bucket`` has it.
    """
    half = count // 2
    exact = half // 2
    distance = np.abs(ahead)
    with np.errstate(divide="ignore"):
        scale = np.log(distance.astype(np.float32) / exact) / np.float32(np.log(longest / exact))
    far = np.where(distance < exact, 0, np.nan_to_num(scale, neginf=0) * (half - exact)).astype(np.int64) + exact
    found = np.where(distance < exact, distance, np.minimum(far, half - 1))
    return np.where(ahead > 0, half, 0) + found
