"""An ONNX graph as it grows: nodes, and weights that stay in the checkpoint's file where ONNX Runtime can map them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from workbench.arrays import TensorSpec
from workbench.models.export.onnx_files import INLINE
from workbench.models.tensor import Tensor
from workbench.pipelines.graphs import Graph, UnfitError
from workbench.text import format_bytes

from .weights import Linear

MICROSOFT = "com.microsoft"
"""The domain of ONNX Runtime's own operators: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md."""
_OPSET, _IR_VERSION = 20, 10
_MAPPED_FROM = 1 << 16
"""Bytes; smaller weights are written into the graph."""
_ONNX = {"float32": "FLOAT", "int64": "INT64", "int32": "INT32"}
_ACTIVATIONS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "gelu": ("Gelu", MICROSOFT, {}),
    "gelu_python": ("Gelu", MICROSOFT, {}),
    "gelu_new": ("FastGelu", MICROSOFT, {}),
    "gelu_fast": ("FastGelu", MICROSOFT, {}),
    "gelu_pytorch_tanh": ("FastGelu", MICROSOFT, {}),
    "quick_gelu": ("QuickGelu", MICROSOFT, {"alpha": 1.702}),
    "silu": ("QuickGelu", MICROSOFT, {"alpha": 1.0}),
    "swish": ("QuickGelu", MICROSOFT, {"alpha": 1.0}),
    "relu": ("Relu", "", {}),
    "tanh": ("Tanh", "", {}),
}
"""By the names of transformers' activations.py."""


class Pieces:
    """Collects nodes and weights; values are known by their names."""

    def __init__(self) -> None:
        from onnx import helper

        self._onnx = helper
        self._nodes: list[Any] = []
        self._values: dict[str, np.ndarray[Any, Any]] = {}
        self._mapped: dict[str, Tensor] = {}
        self._count = 0

    def op(
        self,
        operator: str,
        *inputs: str,
        domain: str = "",
        outputs: int = 1,
        names: Sequence[str] = (),
        **attributes: Any,
    ) -> Any:
        """Add a node; return the name of its output, or a list of several, which may be given."""
        self._count += 1
        made = list(names) or [f"{operator}_{self._count}" + (f"_{place}" if place else "") for place in range(outputs)]
        self._nodes.append(self._onnx.make_node(operator, list(inputs), made, domain=domain, **attributes))
        return made if len(made) > 1 else made[0]

    def constant(self, value: Any, name: str = "") -> str:
        """Return the name of an array that is written into the graph; one that is the same is written once."""
        array = np.ascontiguousarray(value).reshape(np.shape(value))
        if not name and array.nbytes <= 64:
            name = f"constant {array.dtype} {list(array.shape)} {array.tobytes().hex()}"
        name = name or f"constant {len(self._values)}"
        self._values[name] = array
        return name

    def has(self, name: str) -> bool:
        """Return whether an array of that name is in the graph."""
        return name in self._values

    def weight(self, tensor: Tensor) -> str:
        """Return the name of a checkpoint's tensor in float32, which is mapped from its file where it is that there."""
        if tensor.dtype == "float32" and tensor.place is not None and tensor.nbytes >= _MAPPED_FROM:
            self._mapped[tensor.name] = tensor
        elif tensor.name not in self._values:
            self._values[tensor.name] = as_float32(tensor)
        return tensor.name

    def linear(self, x: str, linear: Linear) -> str:
        """Return ``activation(x @ weight.T + bias)``."""
        # ONNX Runtime packs the matrix once, from either side
        y = self.op("FusedMatMul", x, self.weight(linear.weight), domain=MICROSOFT, transB=1)
        return self.activation(self.biased(y, linear), linear.activation)

    def biased(self, x: str, linear: Linear) -> str:
        """Return the sum with a bias, if there is one."""
        return str(self.op("Add", x, self.weight(linear.bias))) if linear.bias is not None else x

    def activation(self, x: str, name: str) -> str:
        """Return the activation of that name; none if it is empty."""
        if not name:
            return x
        if name not in _ACTIVATIONS:
            raise UnfitError(f"there is no {name!r} in it")
        operator, domain, attributes = _ACTIVATIONS[name]
        return str(self.op(operator, x, domain=domain, **attributes))

    def norm(self, x: str, norm: Linear, epsilon: float) -> str:
        """Return the layer norm over the last axis."""
        parts = [self.weight(norm.weight)] + ([self.weight(norm.bias)] if norm.bias is not None else [])
        return str(self.op("LayerNormalization", x, *parts, axis=-1, epsilon=epsilon))

    def written(self, inputs: Iterable[str], output: str, rank: int) -> Graph:
        """Return the graph from int64 inputs of (batch, sequence) to one float32 output; as :meth:`model`."""
        taken = [TensorSpec(name, "int64", ("batch", "sequence")) for name in inputs]
        return self.model(taken, [TensorSpec(output, "float32", (None,) * rank)], name="encoder")

    def model(
        self, inputs: Iterable[TensorSpec], outputs: Iterable[TensorSpec], *, name: str, apart: bool = False
    ) -> Graph:
        """Return the graph, for which the pieces are used up.

        ``apart`` leaves large weights that are in no file out of the proto, which holds 2 GB.

        Raises
        ------
        UnfitError
            If the weights that have to be in the graph are more than protobuf takes.
        """
        from onnx import TensorProto, numpy_helper

        beside = {key: array for key, array in self._values.items() if apart and array.nbytes >= _MAPPED_FROM}
        within = {key: array for key, array in self._values.items() if key not in beside}
        inside = sum(array.nbytes for array in within.values())
        if inside > INLINE:
            raise UnfitError(f"{format_bytes(inside)} of weights that cannot be mapped from the file are too many")
        nbytes = sum(array.nbytes for array in self._values.values())
        nbytes += sum(tensor.nbytes for tensor in self._mapped.values())
        helper = self._onnx
        graph = helper.make_graph(self._nodes, name, list(map(_value_info, inputs)), list(map(_value_info, outputs)))
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(MICROSOFT, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
        # last, and one by one: a message that becomes a part of another one is copied
        initialisers = model.graph.initializer
        for key, array in beside.items():
            kind = helper.np_dtype_to_tensor_dtype(array.dtype)
            proto = initialisers.add(name=key, data_type=kind, dims=array.shape, data_location=TensorProto.EXTERNAL)
            proto.external_data.add(key="location", value="memory")
        folder, places = _common_folder(self._mapped.values())
        for tensor in self._mapped.values():
            proto = initialisers.add(name=tensor.name, data_type=TensorProto.FLOAT, dims=tensor.shape)
            proto.data_location = TensorProto.EXTERNAL
            for key, value in zip(("location", "offset"), places[tensor.name], strict=True):
                proto.external_data.add(key=key, value=str(value))
            proto.external_data.add(key="length", value=str(tensor.nbytes))
        self._values.clear()
        while within:
            key, array = within.popitem()
            initialisers.append(numpy_helper.from_array(array, key))
            del array
        return Graph(model.SerializeToString(), nbytes, folder, beside)


def _value_info(spec: TensorSpec) -> Any:
    from onnx import TensorProto, helper

    return helper.make_tensor_value_info(spec.name, TensorProto.DataType.Value(_ONNX[spec.dtype]), spec.shape)


def as_float32(tensor: Tensor) -> np.ndarray[Any, Any]:
    """Return the values of a tensor of floats in float32.

    Raises
    ------
    UnfitError
        If they are no floats.
    """
    if not tensor.dtype.startswith(("float", "bfloat")):
        raise UnfitError(f"its tensor {tensor.name!r} is {tensor.dtype}")
    return np.asarray(tensor.numpy(), np.float32)


def _common_folder(tensors: Iterable[Tensor]) -> tuple[Path | None, dict[str, tuple[str, int]]]:
    """Return the folder that all files lie in, and for each tensor its file's path in it and the byte.

    ONNX Runtime refuses a file that is a link out of the folder, as all are in the hub's cache: so it is told where
    they really lie.
    """
    places = {tensor.name: tensor.place for tensor in tensors if tensor.place is not None}
    if not places:
        return None, {}
    files = {path: path.resolve() for path, _ in places.values()}
    folder = Path(os.path.commonpath([path.parent for path in files.values()]))
    return folder, {name: (files[path].relative_to(folder).as_posix(), at) for name, (path, at) in places.items()}
