"""The graph of a causal model: tokens and what is known of those before go in, scores of the next token come out."""

from __future__ import annotations

import numpy as np

from workbench.arrays import TensorSpec
from workbench.models.tensor import Tensor
from workbench.pipelines.encoder.pieces import MICROSOFT, Pieces
from workbench.pipelines.encoder.weights import Linear
from workbench.pipelines.graphs import Graph

from .weights import Causal, Layer

IDS, LENGTHS, TOTAL, LAST, COSINES, SINES, LOGITS = "ids", "lengths", "total", "last", "cosines", "sines", "logits"
"""Names: token ids (rows, tokens), filled up on the right; of each row, how many tokens it has before its last one;
the most of them and one; the place of each row's last token (rows, 1); the rotations; and what comes out."""


def past(layer: int, *, after: bool) -> tuple[str, str]:
    """Return the names of the keys and values of a layer, before a run or after it."""
    when = "after" if after else "before"
    return f"keys {layer} {when}", f"values {layer} {when}"


class CausalGraph:
    """The graph in float32.

    Keys and values have room for the whole text from the first run on, and each run writes to its own places, so that
    nothing of them is copied: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md,
    GroupQueryAttention.

    Parameters
    ----------
    causal
        What it computes.
    """

    def __init__(self, causal: Causal) -> None:
        self.causal = causal
        self.pieces = Pieces()

    def written(self) -> Graph:
        """Return the graph.

        Raises
        ------
        workbench.pipelines.graphs.UnfitError
            If the graph does not have what the model needs.
        """
        causal, pieces = self.causal, self.pieces
        x = self.lookup(causal.words)
        if causal.positions is not None:
            x = pieces.op("Add", x, self.positions(causal.positions))
        for number, layer in enumerate(causal.layers):
            x = pieces.op("Add", x, self.attention(self.norm(x, layer.attention_norm), layer, number))
            x = pieces.op("Add", x, self.up_and_down(self.norm(x, layer.norm), layer))
        x = pieces.op("GatherND", x, LAST, batch_dims=1)
        scores = self.product(self.norm(x, causal.last_norm), causal.head, outwards=False)
        pieces.op("Identity", scores, names=[LOGITS])
        return pieces.model(*self._signature(), name="causal", apart=True)

    def lookup(self, table: Tensor) -> str:
        """Return the embeddings of the tokens."""
        return str(self.pieces.op("Gather", self.pieces.weight(table), IDS))

    def positions(self, table: Tensor) -> str:
        """Return the embeddings of the positions: those of a prompt from 0 on, then each row's own next one."""
        pieces = self.pieces
        one = pieces.constant(np.int64(1))
        count = pieces.op("Squeeze", pieces.op("Shape", IDS, start=1, end=2))
        places = pieces.op("Range", pieces.constant(np.int64(0)), count, one)
        # a prompt begins at 0 in each row; a single token stands where its row ends
        begin = pieces.op("Unsqueeze", pieces.op("Cast", LENGTHS, to=7), pieces.constant(np.array([1])))
        single = pieces.op("Equal", pieces.op("Cast", TOTAL, to=7), count)
        begin = pieces.op("Where", single, pieces.constant(np.int64(0)), begin)
        return str(pieces.op("Gather", pieces.weight(table), pieces.op("Add", begin, places)))

    def attention(self, x: str, layer: Layer, number: int) -> str:
        """Return what each token takes from itself and those before."""
        causal, pieces = self.causal, self.pieces
        parts = [self.product(x, layer.query)]
        if layer.key is not None and layer.value is not None:
            parts[0] = self.norm_of_heads(parts[0], layer.query_norm)
            parts += [self.norm_of_heads(self.product(x, layer.key), layer.key_norm), self.product(x, layer.value)]
        else:
            parts += ["", ""]
        rotates = causal.positions is None
        out, *_ = pieces.op(
            "GroupQueryAttention",
            *parts,
            *past(number, after=False),
            LENGTHS,
            TOTAL,
            *((COSINES, SINES) if rotates else ()),
            names=[f"attention {number}", *past(number, after=True)],
            domain=MICROSOFT,
            num_heads=causal.heads,
            kv_num_heads=causal.key_heads,
            do_rotary=int(rotates),
        )
        return self.product(out, layer.out)

    def norm_of_heads(self, x: str, weight: Tensor | None) -> str:
        """Return queries or keys whose heads are normed, each by itself."""
        if weight is None:
            return x
        pieces = self.pieces
        heads = pieces.op("Reshape", x, pieces.constant(np.array([0, 0, -1, self.causal.head_size])))
        return str(pieces.op("Reshape", self.norm(heads, Linear(weight, None)), pieces.constant(np.array([0, 0, -1]))))

    def up_and_down(self, x: str, layer: Layer) -> str:
        """Return the products after the attention."""
        inner = self.product(x, layer.up)
        if layer.gate is not None:
            inner = self.pieces.op("Mul", self.product(x, layer.gate), inner)
        return self.product(inner, layer.down)

    def product(self, x: str, linear: Linear, *, outwards: bool | None = None) -> str:
        """Return the product with a matrix, its bias and its activation."""
        pieces = self.pieces
        outwards = self.causal.outwards if outwards is None else outwards
        weight = pieces.weight(linear.weight)
        y = pieces.op("FusedMatMul", x, weight, domain=MICROSOFT, transB=int(not outwards))
        return pieces.activation(pieces.biased(y, linear), linear.activation)

    def norm(self, x: str, norm: Linear) -> str:
        """Return the norm over the last axis."""
        causal, pieces = self.causal, self.pieces
        if not causal.root_mean_square:
            return pieces.norm(x, norm, causal.epsilon)
        weight = pieces.weight(norm.weight)
        return str(pieces.op("SimplifiedLayerNormalization", x, weight, axis=-1, epsilon=causal.epsilon))

    def _signature(self) -> tuple[list[TensorSpec], list[TensorSpec]]:
        causal = self.causal
        inputs = [
            TensorSpec(IDS, "int64", ("rows", "tokens")),
            TensorSpec(LENGTHS, "int32", ("rows",)),
            TensorSpec(TOTAL, "int32", ()),
            TensorSpec(LAST, "int64", ("rows", 1)),
        ]
        if causal.positions is None:
            half = causal.head_size // 2
            inputs += [TensorSpec(name, "float32", ("room", half)) for name in (COSINES, SINES)]
        outputs = [TensorSpec(LOGITS, "float32", ("rows", causal.words.shape[0]))]
        shape = ("rows", causal.key_heads, "room", causal.head_size)
        for layer in range(len(causal.layers)):
            inputs += [TensorSpec(name, "float32", shape) for name in past(layer, after=False)]
            outputs += [TensorSpec(name, "float32", shape) for name in past(layer, after=True)]
        return inputs, outputs
