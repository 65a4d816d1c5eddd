"""Looks at files made to do harm, in a process whose memory and time are bounded: prints what becomes of each.

Run as ``python hostile.py NAME``; ``NAMES`` are those that there are.
"""

from __future__ import annotations

import io
import json
import pickle
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import onnx
from onnx import GraphProto, TensorProto, helper

import workbench as wb
from workbench.errors import WorkbenchError


class Bomb:
    """What a pickle would run."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("print('the pickle ran')",)


def safetensors_of(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def model_of(graph: GraphProto) -> bytes:
    content: bytes = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10
    ).SerializeToString()
    return content


def graph_of(*nodes: onnx.NodeProto, weights: tuple[TensorProto, ...] = ()) -> GraphProto:
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 2]) for name in "xy")
    return helper.make_graph(list(nodes), "g", [x], [y], list(weights))


def weight(dims: list[int], data: bytes = b"") -> TensorProto:
    return TensorProto(name="w", data_type=TensorProto.FLOAT, dims=dims, raw_data=data)


def cyclic() -> bytes:
    return model_of(
        graph_of(
            helper.make_node("Add", ["x", "b"], ["a"]),
            helper.make_node("Relu", ["a"], ["b"]),
            helper.make_node("Relu", ["a"], ["y"]),
        )
    )


def nested(depth: int) -> bytes:
    graph = graph_of(helper.make_node("Relu", ["x"], ["y"]))
    for _ in range(depth):
        graph = graph_of(helper.make_node("If", ["x"], ["y"], then_branch=graph, else_branch=graph_of()))
    return model_of(graph)


def nested_in_bytes(depth: int) -> bytes:
    """Write the same by hand, deeper than protobuf writes."""

    def field(number: int, data: bytes) -> bytes:
        length, size = b"", len(data)
        while True:
            length += bytes([size & 127 | (128 if size > 127 else 0)])
            size >>= 7
            if not size:
                return bytes([number << 3 | 2]) + length + data

    graph = b""
    for _ in range(depth):
        graph = field(1, field(5, field(6, graph)))
    return b"\x08\x08" + field(7, graph)


def filled(size: int) -> bytes:
    shape = helper.make_tensor("s", TensorProto.INT64, [2], [size, size])
    return model_of(
        graph_of(
            helper.make_node("ConstantOfShape", ["s"], ["w"]), helper.make_node("Relu", ["w"], ["y"]), weights=(shape,)
        )
    )


def npz_bomb() -> bytes:
    file = io.BytesIO()
    text = b"{'descr': '|u1', 'fortran_order': False, 'shape': (60000000,)}"
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.npy", "w", force_zip64=True) as member,
    ):
        member.write(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text)
        for _ in range(6):
            member.write(bytes(10_000_000))
    return file.getvalue()


def torch_pickle() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Bomb()))
    return file.getvalue()


CASES: dict[str, Callable[[], object]] = {
    "safetensors: claims more": lambda: (1 << 40).to_bytes(8, "little") + b'{"a": 1}',
    "safetensors: a tensor larger than the file": lambda: safetensors_of(
        {"a": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}}
    ),
    "safetensors: shapes that overflow": lambda: safetensors_of(
        {"a": {"dtype": "F32", "shape": [1 << 32, 1 << 32], "data_offsets": [0, 0]}}
    ),
    "safetensors: empty, and beyond all arrays": lambda: safetensors_of(
        {"a": {"dtype": "F32", "shape": [0, 1 << 62], "data_offsets": [0, 0]}}
    ),
    "safetensors: negative": lambda: safetensors_of({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, -4]}}),
    "safetensors: nested": lambda: safetensors_of(b'{"a":' + b"[" * 1_000_000),
    "safetensors: a header of many lists": lambda: safetensors_of(b'{"a":[' + b"[]," * 4_000_000 + b"0]}"),
    "safetensors: a long number": lambda: safetensors_of(b'{"a":' + b"9" * 1_000_000 + b"}"),
    "onnx: cyclic": cyclic,
    "onnx: nested": lambda: nested(30),
    "onnx: nested beyond protobuf": lambda: nested_in_bytes(20_000),
    "onnx: negative": lambda: model_of(graph_of(weights=(weight([-1, -4], bytes(16)),))),
    "onnx: overflow": lambda: model_of(graph_of(weights=(weight([1 << 33, 1 << 33, 1 << 33], bytes(16)),))),
    "onnx: wraps around to 0": lambda: model_of(graph_of(weights=(weight([1 << 32, 1 << 32]),))),
    "onnx: a filled tensor of 4 EB": lambda: filled(1 << 29),
    "onnx: a filled tensor of 16 TB": lambda: filled(1 << 21),
    "onnx: many empty nodes": lambda: b"\x08\x08\x3a" + b"\xc0\xcf\x24" + b"\x0a\x00" * 300_000,
    "npz: unpacks to a thousand times its size": npz_bomb,
    "npy: a pickle": lambda: (
        b"\x93NUMPY\x01\x00\x3b\x00{'descr': '|O', 'fortran_order': False, 'shape': (1,), }     \n"
        + pickle.dumps([Bomb()])
    ),
    "pickle": lambda: pickle.dumps(Bomb()),
    "torch: a pickle": torch_pickle,
}


def look(content: object) -> str:
    """Load and look at all there is; any exception but ours is the caller's to see."""
    try:
        model = wb.load(content)
    except WorkbenchError as error:
        return f"refused: {error}"
    repr(model.info), repr(model.tensors), repr(model.tensors.tree())
    said = []
    looks: list[Callable[[], object]] = [model.cost]
    for tensor in list(model.tensors.values())[:5]:
        looks += [tensor.slice2d, tensor.stats, lambda tensor=tensor: tensor.numpy(copy=True)]
    for action in looks:
        try:
            action()
        except WorkbenchError as error:
            said.append(str(error))
    return " | ".join(["loaded", *said])


if __name__ == "__main__":
    import resource

    case = CASES[sys.argv[1]]()
    if len(sys.argv) > 2:
        status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        now = 1024 * int(next(line for line in status if line.startswith("VmSize")).split()[1])
        resource.setrlimit(resource.RLIMIT_AS, (now + int(sys.argv[2]),) * 2)
    print(look(case))
