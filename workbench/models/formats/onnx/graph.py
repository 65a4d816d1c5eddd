"""Reading a ModelProto: from bytes to the proto, and from the proto to what :class:`ModelInfo` says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from workbench.arrays import Dimension, TensorSpec
from workbench.errors import LoadError, WorkbenchError
from workbench.models.foreign import what_it_is
from workbench.models.model import ModelInfo, TensorTable
from workbench.models.source import Source
from workbench.text import format_bytes

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, TypeProto, ValueInfoProto

_MOST = 2**31 - 1  # bytes of one protobuf message

DTYPES = {
    1: "float32",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    8: "string",
    9: "bool",
    10: "float16",
    11: "float64",
    12: "uint32",
    13: "uint64",
    14: "complex64",
    15: "complex128",
    16: "bfloat16",
    17: "float8_e4m3fn",
    18: "float8_e4m3fnuz",
    19: "float8_e5m2",
    20: "float8_e5m2fnuz",
    21: "uint4",
    22: "int4",
    23: "float4_e2m1fn",
    24: "float8_e8m0fnu",
    25: "uint2",
    26: "int2",
    27: "float6_e2m3fn",
    28: "float6_e3m2fn",
}
"""Standard names by ``TensorProto.DataType``."""


def dtype_of(code: int) -> str:
    """Return the standard name of a ``TensorProto.DataType``; ``"undefined"`` for 0."""
    if code and code not in DTYPES:
        raise LoadError(f"it has a tensor of the unknown element type {code}; onnx's are 1 to {max(DTYPES)}")
    return DTYPES.get(code, "undefined")


def read_proto(source: Source) -> ModelProto:
    """Parse the file; external data stays where it is.

    Raises
    ------
    workbench.errors.LoadError
        If it is no ModelProto with a graph.
    """
    import onnx

    if source.value is not None:
        proto: ModelProto = source.value
    else:
        if source.size > _MOST:
            raise LoadError(
                f"{source.given} has {format_bytes(source.size)}, and protobuf ends at 2 GiB, so it cannot be a whole "
                "ONNX model. Save it with its weights outside: onnx.save(model, path, save_as_external_data=True)."
            )
        try:
            proto = onnx.load_model_from_string(source.read())
        except Exception as error:
            raise LoadError(
                f"{source.given} is not a whole ONNX model: {what_it_is(source)}, and reading it as protobuf says "
                f"{str(error) or type(error).__name__!r}. If it was one, it was cut off or damaged: download or save "
                "it again."
            ) from error
    graph = proto.graph
    if not (graph.node or graph.output or graph.initializer):
        raise LoadError(
            f"{source.given} is not an ONNX model: it has no graph with nodes, outputs or weights. Check that the "
            "export finished."
        )
    return proto


def describe(proto: ModelProto, tensors: TensorTable, source: Source) -> ModelInfo:
    """Return what the proto says about itself and its tensors."""
    graph = proto.graph
    initialised = {tensor.name for tensor in graph.initializer}
    metadata = {entry.key: entry.value for entry in proto.metadata_props}
    facts = [
        ("domain", proto.domain),
        ("model version", str(proto.model_version or "")),
        ("documentation", proto.doc_string),
        ("nodes", str(len(graph.node))),
    ]
    metadata |= {key: text for key, text in facts if text}
    if filled := [tensor for tensor in tensors.values() if tensor.origin == "filled"]:
        metadata["filled"] = (
            f"{len(filled)} tensors, {format_bytes(sum(tensor.nbytes for tensor in filled))}, are one value each that "
            "ConstantOfShape repeats when the model runs; the file does not store them"
        )
    return ModelInfo(
        format="onnx",
        name=graph.name or source.label,
        inputs=tuple(spec(value) for value in graph.input if value.name not in initialised),
        outputs=tuple(spec(value) for value in graph.output),
        opset={"" if entry.domain == "ai.onnx" else entry.domain: entry.version for entry in proto.opset_import},
        ir_version=proto.ir_version,
        producer=f"{proto.producer_name} {proto.producer_version}".strip(),
        parameters=tensors.elements,
        nbytes=tensors.nbytes,
        dtypes=tensors.dtypes,
        metadata=metadata,
        operators=dict(sorted(Counter(_operators(graph)).items(), key=lambda item: (-item[1], item[0]))),
        functions=tuple(operator_name(function.domain, function.name) for function in proto.functions),
    )


def operator_name(domain: str, name: str) -> str:
    """Return an operator's name, with its domain before it unless that is ONNX's own."""
    return name if domain in ("", "ai.onnx") else f"{domain}.{name}"


def _operators(graph: GraphProto) -> Iterator[str]:
    for node in graph.node:
        yield operator_name(node.domain, node.op_type)
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _operators(inner)


def overridable(graph: GraphProto) -> tuple[TensorSpec, ...]:
    """Return the inputs that have a default value among the initialisers."""
    initialised = {tensor.name for tensor in graph.initializer}
    return tuple(spec(value, optional=True) for value in graph.input if value.name in initialised)


def spec(value: ValueInfoProto, optional: bool = False) -> TensorSpec:
    """Return name, dtype and shape of an input or output; symbolic dimensions by name."""
    kind = value.type.WhichOneof("value")
    shape: tuple[Dimension, ...] | None = None
    if kind in ("tensor_type", "sparse_tensor_type"):
        typed = getattr(value.type, kind)
        if typed.HasField("shape"):
            shape = tuple(_dimension(size) for size in typed.shape.dim)
    return TensorSpec(value.name, type_name(value.type), shape, optional)


def type_name(proto: TypeProto) -> str:
    """Write a type: a tensor's dtype, or ``sequence(...)``, ``optional(...)``, ``map(key, value)``, ``sparse(...)``."""
    kind = proto.WhichOneof("value")
    if kind == "tensor_type":
        return dtype_of(proto.tensor_type.elem_type)
    if kind == "sparse_tensor_type":
        return f"sparse({dtype_of(proto.sparse_tensor_type.elem_type)})"
    if kind == "sequence_type":
        return f"sequence({type_name(proto.sequence_type.elem_type)})"
    if kind == "optional_type":
        return f"optional({type_name(proto.optional_type.elem_type)})"
    if kind == "map_type":
        return f"map({dtype_of(proto.map_type.key_type)}, {type_name(proto.map_type.value_type)})"
    return "undefined" if kind is None else kind.removesuffix("_type")


def reading(source: Source, what: Any, *arguments: Any) -> Any:
    """Call a reader of the proto, so that damage that protobuf let through is a LoadError that names the source."""
    try:
        return what(*arguments)
    except LoadError as error:
        if str(error).startswith(source.given):
            raise
        raise LoadError(f"{source.given} is not a right ONNX model: {error}") from error
    except WorkbenchError:
        raise
    except Exception as error:
        raise LoadError(
            f"{source.given} is not a right ONNX model: {str(error) or type(error).__name__}. It is damaged: download "
            "or save it again."
        ) from error


def _dimension(proto: Any) -> Dimension:
    kind = proto.WhichOneof("value")
    if kind == "dim_value" and proto.dim_value >= 0:
        return int(proto.dim_value)
    return str(proto.dim_param) or None if kind == "dim_param" else None
