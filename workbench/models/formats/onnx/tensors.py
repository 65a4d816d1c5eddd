"""The tensors of an ONNX graph, each read when asked for: stored, constant or filled, inside the file or beside it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.arrays import DTYPE_BITS, element_count, numpy_dtype, stored_nbytes
from workbench.errors import LoadError
from workbench.models.content import Content
from workbench.models.model import Tensor
from workbench.models.source import Source
from workbench.models.tensor import is_possible

from .graph import dtype_of

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from onnx import GraphProto, NodeProto, TensorProto

    from workbench.models.stats import Scan

_MOST_RANK = 100  # of a shape that a node fills: more is no array's, and not looked at
_FIELDS = {
    "float32": ("float_data", 1),
    "float64": ("double_data", 1),
    "int64": ("int64_data", 1),
    "uint32": ("uint64_data", 1),
    "uint64": ("uint64_data", 1),
    "complex64": ("float_data", 2),
    "complex128": ("double_data", 2),
    "string": ("string_data", 1),
}
"""Where a TensorProto without raw data keeps its values, and how many make an element; all others: int32_data."""


class TensorReader:
    """Makes :class:`Tensor` values of a graph; external data is found beside the model's file and nowhere else."""

    def __init__(self, source: Source) -> None:
        self._given = source.given
        self._folder = source.path.parent if source.path is not None else None
        # where model and data are links into one store, as in the hub's cache, that store is their folder as well
        self._homes = {source.path.parent.resolve(), source.path.resolve().parent} if source.path is not None else set()
        self._content = cache(_content)

    def tensors(self, graph: GraphProto, prefix: str = "") -> Iterator[Tensor]:
        """Yield the tensors of a graph and of the graphs inside it, whose names say where they are."""
        shapes: dict[str, TensorProto] = {}
        for proto in graph.initializer:
            shapes[proto.name] = proto
            yield self.stored(proto, prefix + proto.name)
        for sparse in graph.sparse_initializer:
            yield self.stored(sparse.values, f"{prefix}{sparse.values.name}.values")
            yield self.stored(sparse.indices, f"{prefix}{sparse.values.name}.indices")
        for index, node in enumerate(graph.node):
            if node.op_type == "Constant" and node.output:
                if constant := _constant(node):
                    shapes[node.output[0]] = constant
                    yield self.stored(constant, prefix + node.output[0], "constant")
            elif node.op_type == "ConstantOfShape" and node.input and node.input[0] in shapes:
                yield from self._filled(node, shapes[node.input[0]], prefix)
            for attribute in node.attribute:
                inner = [attribute.g] if attribute.HasField("g") else attribute.graphs
                for number, subgraph in enumerate(inner):
                    place = f"{node.name or f'{node.op_type}#{index}'}.{attribute.name}"
                    yield from self.tensors(subgraph, f"{prefix}{place}{f'[{number}]' if number else ''}/")

    def stored(self, proto: TensorProto, name: str, origin: str = "stored") -> Tensor:
        """Return the tensor of a TensorProto, after checking that it has as many bytes as its shape needs."""
        dtype, shape = dtype_of(proto.data_type), tuple(proto.dims)
        if (
            dtype == "undefined"
            or any(size < 0 for size in shape)
            or not is_possible(shape, max(DTYPE_BITS.get(dtype, 64) // 8, 1))
        ):
            raise LoadError(f"its tensor {name!r} has the dtype {dtype} and the shape {str(shape)[:100]}")
        count = element_count(shape)
        if proto.data_location == proto.EXTERNAL:
            return self._external(proto, name, dtype, shape, origin)
        if dtype == "string":
            nbytes, found, needed = sum(map(len, proto.string_data)), len(proto.string_data), count
        elif proto.HasField("raw_data"):
            nbytes = found = len(proto.raw_data)
            needed = stored_nbytes(dtype, count)
        else:
            field, per_element = _FIELDS.get(dtype, ("int32_data", 1))
            nbytes, found = stored_nbytes(dtype, count), len(getattr(proto, field))
            needed = nbytes if DTYPE_BITS[dtype] in (2, 4) else count * per_element
        if found != needed:
            raise LoadError(
                f"its tensor {name!r}, {dtype} {list(shape)}, needs {needed} bytes or values and has {found}"
            )

        def read() -> np.ndarray[Any, Any]:
            from onnx import numpy_helper

            if dtype == "string":
                texts = [text.decode("utf-8", "backslashreplace") for text in proto.string_data]
                return np.array(texts, dtype=object).reshape(shape)
            try:
                return np.asarray(numpy_helper.to_array(proto))
            except Exception as error:
                raise LoadError(f"Tensor {name!r} of {self._given} cannot be read: {error}. It is damaged.") from error

        return Tensor(name, dtype, shape, nbytes, read, origin=origin)

    def check_external(self, location: str, name: str) -> Path:
        """Return the file of external data, which lies in the model's folder or below.

        Raises
        ------
        workbench.errors.LoadError
            If it would lie anywhere else, by its name or by a link.
        """
        if self._folder is None:
            raise LoadError(
                f"The values of {name!r} lie in the file {location!r} beside the model, and {self._given} has no "
                "folder. Load the model by its path."
            )
        path = (self._folder / location).resolve() if location and "\0" not in location else self._folder
        named = Path(location)
        inside = any(path != home and path.is_relative_to(home) for home in self._homes)
        if not inside or path == self._folder or named.is_absolute() or ".." in named.parts:
            raise LoadError(
                f"Tensor {name!r} of {self._given} has its values in {location!r}, which is not a file inside the "
                "model's folder; such a model could read anything on this machine and is refused. Save it with its "
                "data beside it."
            )
        return path

    def _external(self, proto: TensorProto, name: str, dtype: str, shape: tuple[int, ...], origin: str) -> Tensor:
        entries = {entry.key: entry.value for entry in proto.external_data}
        location, offset = entries.get("location", ""), entries.get("offset", "0")
        if dtype == "string" or not offset.isdecimal() or len(offset) > 18:
            raise LoadError(f"its tensor {name!r} of {dtype} has external data at the offset {offset[:20]!r}")
        if self._folder is not None:
            self.check_external(location, name)
        start, nbytes = int(offset), stored_nbytes(dtype, element_count(shape))

        @cache
        def content() -> Content:
            path = self.check_external(location, name)
            if not path.is_file():
                raise LoadError(
                    f"The values of {name!r} lie in {location!r} beside {self._given}, and there is no such file. "
                    "Download it too, into the same folder."
                )
            if start + nbytes > (size := path.stat().st_size):
                raise LoadError(
                    f"The values of {name!r} need {nbytes} bytes at {start} of {location!r}, which has {size}. It was "
                    "cut off: download it again."
                )
            return self._content(path)

        def read_flat(first: int, last: int) -> np.ndarray[Any, Any]:
            return content().elements(start, dtype, first, last)

        def read() -> np.ndarray[Any, Any]:
            return content().elements(start, dtype, 0, element_count(shape), whole=True).reshape(shape)

        def scan() -> AbstractContextManager[Scan]:
            return content().scan_elements(start, dtype)

        return Tensor(name, dtype, shape, nbytes, read, read_flat, origin, scan=scan)

    def _filled(self, node: NodeProto, proto: TensorProto, prefix: str) -> Iterator[Tensor]:
        if proto.data_location == proto.EXTERNAL or dtype_of(proto.data_type) != "int64":
            return
        shape = tuple(int(size) for size in self.stored(proto, proto.name).numpy().reshape(-1)[:_MOST_RANK])
        if any(size < 0 for size in shape) or not is_possible(shape, 16):
            return  # the model will fail when it runs; what it stores can be seen all the same
        value = np.zeros(1, np.float32)
        dtype = "float32"
        for attribute in node.attribute:
            if attribute.name == "value" and attribute.HasField("t"):
                if attribute.t.data_location == attribute.t.EXTERNAL:
                    return
                dtype = dtype_of(attribute.t.data_type)
                value = self.stored(attribute.t, node.output[0]).numpy().reshape(-1)
        if len(value) != 1 or dtype == "string":
            return
        yield Tensor(
            prefix + node.output[0],
            dtype,
            shape,
            stored_nbytes(dtype, element_count(shape)),
            lambda: np.broadcast_to(value.astype(numpy_dtype(dtype)).reshape(()), shape),
            lambda first, last: np.broadcast_to(value, last - first),
            "filled",
        )


def _content(path: Path) -> Content:
    return Content(path.name, path)


def _constant(node: NodeProto) -> TensorProto | None:
    """Return the value of a Constant node, in whichever attribute it is."""
    from onnx import TensorProto, helper

    for attribute in node.attribute:
        if attribute.name == "value":
            tensor: TensorProto = attribute.t
            return tensor
        if attribute.name in ("value_float", "value_floats"):
            floats = [attribute.f] if attribute.name == "value_float" else list(attribute.floats)
            return helper.make_tensor("", TensorProto.FLOAT, _dims(attribute.name, floats), floats)
        if attribute.name in ("value_int", "value_ints"):
            integers = [attribute.i] if attribute.name == "value_int" else list(attribute.ints)
            return helper.make_tensor("", TensorProto.INT64, _dims(attribute.name, integers), integers)
        if attribute.name in ("value_string", "value_strings"):
            texts = [attribute.s] if attribute.name == "value_string" else list(attribute.strings)
            return helper.make_tensor("", TensorProto.STRING, _dims(attribute.name, texts), texts)
    return None


def _dims(name: str, values: list[Any]) -> list[int]:
    return [len(values)] if name.endswith("s") else []
