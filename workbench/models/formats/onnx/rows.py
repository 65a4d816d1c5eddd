"""Operators that make the rows of a batch depend on one another in ways that a trial may not show."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

_BRANCHING = ("If", "Loop", "Scan", "SequenceMap")
_OF_AS_MANY_ROWS_AS_FIT = ("NonZero", "Unique", "Compress", "NonMaxSuppression")
_OF_ONE_SCALE_FOR_ALL = ("DynamicQuantizeLinear", "DynamicQuantizeMatMul", "DynamicQuantizeLSTM")
_RANDOM = ("Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike")
_MIXING = frozenset((*_BRANCHING, *_OF_AS_MANY_ROWS_AS_FIT, *_OF_ONE_SCALE_FOR_ALL, *_RANDOM))


def mixes_rows(proto: ModelProto) -> bool:
    """Return whether a model has one of them, in a function or in the graph."""
    return _any_mixing(proto.graph.node) or any(_any_mixing(function.node) for function in proto.functions)


def _any_mixing(nodes: Iterable[NodeProto]) -> bool:
    # graphs within nodes belong to the first four, so there is no need to look into them
    return any(node.op_type in _MIXING for node in nodes)
