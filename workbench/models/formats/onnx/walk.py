"""Every node and every tensor of a model file, wherever it lies: in graphs within nodes and in functions too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, SparseTensorProto, TensorProto


def external_tensors(proto: ModelProto) -> Iterator[tuple[TensorProto, bool]]:
    """Yield each tensor whose values lie in another file, and whether it is an initialiser of a graph.

    Functions, the graphs within nodes and sparse tensors are searched too.
    """
    everywhere = chain(_in_graph(proto.graph), *(_in_nodes(function.node) for function in proto.functions))
    yield from ((tensor, initialiser) for tensor, initialiser in everywhere if tensor.data_location == tensor.EXTERNAL)


def all_nodes(proto: ModelProto) -> Iterator[NodeProto]:
    """Yield each node of the graph, of the graphs within nodes, and of the functions."""
    yield from _nested(proto.graph.node)
    for function in proto.functions:
        yield from _nested(function.node)


def _nested(nodes: Iterable[NodeProto]) -> Iterator[NodeProto]:
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in _graphs(attribute):
                yield from _nested(graph.node)


def _graphs(attribute: AttributeProto) -> Iterator[GraphProto]:
    if attribute.HasField("g"):
        yield attribute.g
    yield from attribute.graphs


def _in_graph(graph: GraphProto) -> Iterator[tuple[TensorProto, bool]]:
    for tensor in graph.initializer:
        yield tensor, True
    for sparse in graph.sparse_initializer:
        yield from _parts(sparse)
    yield from _in_nodes(graph.node)


def _in_nodes(nodes: Iterable[NodeProto]) -> Iterator[tuple[TensorProto, bool]]:
    for node in nodes:
        for attribute in node.attribute:
            # whatever kind it says it is: a damaged file may say another
            if attribute.HasField("t"):
                yield attribute.t, False
            yield from ((tensor, False) for tensor in attribute.tensors)
            if attribute.HasField("sparse_tensor"):
                yield from _parts(attribute.sparse_tensor)
            for sparse in attribute.sparse_tensors:
                yield from _parts(sparse)
            for graph in _graphs(attribute):
                yield from _in_graph(graph)


def _parts(sparse: SparseTensorProto) -> Iterator[tuple[TensorProto, bool]]:
    yield from ((sparse.values, False), (sparse.indices, False))
