"""What one run of an ONNX graph costs: see :class:`workbench.models.cost.ModelCost`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.arrays import TensorSpec, element_count, stored_nbytes
from workbench.errors import InputError
from workbench.models.cost import ModelCost, NodeCost
from workbench.text import did_you_mean, format_shape

from .graph import operator_name
from .macs import UnknownError, macs
from .shapes import Inferred, infer

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

_SHOWN = 5


def graph_cost(
    proto: ModelProto,
    given: str,
    specs: Sequence[TensorSpec],
    weights: Collection[str],
    *,
    inputs: Mapping[str, Any] | None,
    symbols: Mapping[str, int],
) -> ModelCost:
    """Return the cost of a graph; see :meth:`workbench.models.model.Model.cost`.

    Parameters
    ----------
    proto
        The model.
    given
        The source, for messages.
    specs
        Its inputs.
    weights
        Names of the values that are weights, which nodes only repeat or hold.
    inputs, symbols
        As the user gave them.
    """
    shapes = _shapes(specs, {} if inputs is None else inputs, symbols)
    inferred = infer(proto, given, shapes)
    untold: list[str] = []
    needed = {*inferred.values, *inferred.outputs, *(name for node in inferred.nodes for name in _used(node))}
    written = needed.difference(weights)
    nodes = tuple(_node_cost(node, inferred, written, untold) for node in inferred.nodes)
    if len(untold) > _SHOWN:
        untold[_SHOWN:] = [f"{len(untold) - _SHOWN} more could not be told."]
    return ModelCost(
        inputs=shapes,
        macs=sum(node.macs or 0 for node in nodes),
        activation_nbytes=sum(node.activation_nbytes or 0 for node in nodes),
        peak_nbytes=_peak(inferred, [spec.name for spec in specs], weights),
        nodes=nodes,
        untold=tuple(untold),
    )


def _shapes(
    specs: Sequence[TensorSpec], inputs: Mapping[str, Any], symbols: Mapping[str, int]
) -> dict[str, tuple[int, ...]]:
    """Return the shape of each input, from arrays or shapes and from the sizes of symbolic dimensions."""
    known = {spec.name for spec in specs}
    if not isinstance(inputs, Mapping):
        raise InputError(f"inputs={inputs!r:.60} is no dict; give a shape or an array for each name of an input.")
    names = list(dict.fromkeys(size for spec in specs for size in spec.shape or () if isinstance(size, str)))
    for name in inputs:
        if name not in known:
            raise InputError(f"There is no input {name!r}.{did_you_mean(name, known)} There are: {', '.join(known)}.")
    for name, size in symbols.items():
        if name not in names:
            raise InputError(
                f"{name}= is no symbolic dimension of the inputs.{did_you_mean(name, names)} There are: "
                f"{', '.join(names) or 'none'}."
            )
        if type(size) is not int or size < 0:
            raise InputError(f"{name}={size!r} is no size; give a number from 0 on.")
    sizes = dict(symbols)
    shapes = {spec.name: _given_shape(spec, inputs[spec.name], sizes) for spec in specs if spec.name in inputs}
    for spec in specs:
        if spec.name not in shapes:
            shapes[spec.name] = _declared_shape(spec, sizes)
    return {spec.name: shapes[spec.name] for spec in specs}


def _given_shape(spec: TensorSpec, value: Any, sizes: dict[str, int]) -> tuple[int, ...]:
    is_shape = isinstance(value, (tuple, list)) and all(type(size) is int for size in value)
    shape = tuple(value) if is_shape else np.shape(value)
    fits = spec.shape is None or len(spec.shape) == len(shape)
    for declared, size in zip(spec.shape or (), shape, strict=False):
        expected = sizes.setdefault(declared, size) if isinstance(declared, str) else declared
        fits = fits and size >= 0 and expected in (None, size)
    if not fits:
        raise InputError(f"Input {spec} is given the shape {list(shape)}, which does not fit; change it.")
    return shape


def _declared_shape(spec: TensorSpec, sizes: Mapping[str, int]) -> tuple[int, ...]:
    shape = tuple(sizes.get(size, size) if isinstance(size, str) else size for size in spec.shape or ())
    missing = list(dict.fromkeys(size for size in shape if isinstance(size, str)))
    if spec.shape is None or None in shape or any(not name.isidentifier() for name in missing):
        raise InputError(
            f"Input {spec} has no shape of its own; give one: model.cost({{{spec.name!r}: "
            f"{format_shape(spec.shape)}}}) with numbers."
        )
    if missing:
        raise InputError(
            f"Input {spec} has symbolic dimensions; say how large they are: "
            f"model.cost({', '.join(f'{name}=1' for name in missing)})."
        )
    return tuple(size for size in shape if isinstance(size, int))


def _node_cost(node: NodeProto, inferred: Inferred, written: Collection[str], untold: list[str]) -> NodeCost:
    name = node.name or next((output for output in node.output if output), "")
    op = operator_name(node.domain, node.op_type)

    def shape_of(value: str) -> tuple[int, ...]:
        if value not in inferred.values:
            raise UnknownError(f"the shape of {value!r} is not known")
        return inferred.values[value][1]

    try:
        count: int | None = macs(node, shape_of)
    except UnknownError as reason:
        count = None
        untold.append(f"The MACs of {op} {name!r}: {reason}.")
    outputs = [output for output in node.output if output in written]
    nbytes: int | None = None
    if all(output in inferred.values for output in outputs):
        nbytes = sum(_nbytes(output, inferred) for output in outputs)
    elif count is not None:
        untold.append(f"The activations of {op} {name!r}: their shape depends on values.")
    first = node.output[0] if node.output else ""
    return NodeCost(name, op, count, nbytes, inferred.values[first][1] if first in inferred.values else None)


def _nbytes(value: str, inferred: Inferred) -> int:
    dtype, shape = inferred.values.get(value, ("string", ()))
    return 0 if dtype in ("string", "undefined") else stored_nbytes(dtype, element_count(shape))


def _peak(inferred: Inferred, inputs: Sequence[str], weights: Collection[str]) -> int:
    """Return the most bytes at the same time, each value being given up after its last use."""
    last = {name: place for place, node in enumerate(inferred.nodes) for name in _used(node)}
    last |= dict.fromkeys(inferred.outputs, len(inferred.nodes))
    live = {name: _nbytes(name, inferred) for name in inputs}
    now = peak = sum(live.values())
    for place, node in enumerate(inferred.nodes):
        for name in node.output:
            if name and name not in weights and name not in live:
                live[name] = _nbytes(name, inferred)
                now += live[name]
        peak = max(peak, now)
        for name in {*_used(node), *node.output}:
            if name in live and last.get(name, -1) <= place:
                now -= live.pop(name)
    return peak


def _used(node: NodeProto) -> list[str]:
    """Return the values that a node takes, those that the graphs inside it take included."""
    inner = [attribute.g for attribute in node.attribute if attribute.HasField("g")]
    return [*node.input, *(name for graph in inner for below in graph.node for name in _used(below))]
