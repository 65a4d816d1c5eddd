"""A causal model with int8 weights: the graph of float32 with other products and another table of words.

The past, the norms and the attention itself stay in float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.models.tensor import Tensor
from workbench.pipelines.encoder.int8 import by_rows
from workbench.pipelines.encoder.pieces import MICROSOFT, as_float32
from workbench.pipelines.encoder.weights import Linear

from .graph import IDS, CausalGraph

BLOCK = 32
"""So many weights of a row share a scale."""


class Int8CausalGraph(CausalGraph):
    """The graph with int8 weights: blocks of a row have a scale each, and so has what they are multiplied with."""

    def lookup(self, table: Tensor) -> str:
        """Return the embeddings of the tokens, of which each row of the table has a scale."""
        pieces = self.pieces
        values, scales = by_rows(as_float32(table), 127)
        rows = pieces.op("Gather", pieces.constant(values, f"{table.name}, int8"), IDS)
        scale = pieces.op("Gather", pieces.constant(scales, f"{table.name}, scales"), IDS)
        return str(pieces.op("Mul", pieces.op("Cast", rows, to=1), scale))  # float32

    def product(self, x: str, linear: Linear, *, outwards: bool | None = None) -> str:
        """Return the product with a matrix, its bias and its activation."""
        pieces = self.pieces
        outwards = self.causal.outwards if outwards is None else outwards
        matrix = as_float32(linear.weight)
        blocks, scales = quantised(matrix.T if outwards else matrix)
        name = linear.weight.name
        y = pieces.op(
            "MatMulNBits",
            x,
            pieces.constant(blocks, f"{name}, blocks"),
            pieces.constant(scales, f"{name}, scales of blocks"),
            domain=MICROSOFT,
            K=matrix.shape[0 if outwards else 1],
            N=matrix.shape[1 if outwards else 0],
            bits=8,
            block_size=BLOCK,
            accuracy_level=4,  # what it is multiplied with becomes int8 too
        )
        return pieces.activation(pieces.biased(y, linear), linear.activation)


def quantised(matrix: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return a matrix (out, in) as uint8 around 128, (out, blocks, 32), and the scale of each block, flat."""
    rows, width = matrix.shape
    count = -(-width // BLOCK)
    padded = np.zeros((rows, count * BLOCK), np.float32)
    padded[:, :width] = matrix
    blocks = padded.reshape(rows, count, BLOCK)
    scales = np.abs(blocks).max(-1) / np.float32(127)
    scales[scales == 0] = 1
    return (np.rint(blocks / scales[..., None]) + 128).astype(np.uint8), scales.reshape(-1)
