"""A ModelProto of more than protobuf can write: its weights are handed to ONNX Runtime beside the graph."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.arrays import stored_nbytes

from .graph import dtype_of

if TYPE_CHECKING:
    from onnx import ModelProto

_APART = 1 << 16
"""Initialisers of so many bytes and more leave the graph."""


def without_weights(proto: ModelProto) -> tuple[bytes, dict[str, np.ndarray[Any, Any]]]:
    """Return a model as bytes, its large initialisers marked as lying elsewhere, and these by name.

    The weights are copied once; the graph's nodes are copied too, so constants within them have to fit into 2 GiB.
    """
    import onnx
    from onnx import numpy_helper

    light = onnx.ModelProto()
    _copy(proto, light, but="graph")
    _copy(proto.graph, light.graph, but="initializer")
    weights = {}
    for tensor in proto.graph.initializer:
        # by its shape: protobuf's own ByteSize is wrong from 2 GiB on
        if not tensor.HasField("raw_data") or stored_nbytes(dtype_of(tensor.data_type), prod(tensor.dims)) < _APART:
            light.graph.initializer.append(tensor)
            continue
        weights[tensor.name] = numpy_helper.to_array(tensor)
        placeholder = light.graph.initializer.add(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
        placeholder.data_location = tensor.EXTERNAL
        placeholder.external_data.add(key="location", value="given beside the model")
    return light.SerializeToString(), weights


def _copy(source: Any, target: Any, but: str) -> None:
    """Copy a message's fields, except one."""
    for field, value in source.ListFields():
        if field.name == but:
            continue
        if field.is_repeated:
            getattr(target, field.name).extend(value)
        elif field.message_type is not None:
            getattr(target, field.name).CopyFrom(value)
        else:
            setattr(target, field.name, value)
