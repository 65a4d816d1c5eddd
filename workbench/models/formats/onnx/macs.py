"""How many multiplications a node makes, from the shapes of its inputs and outputs.

The definitions are those of https://onnx.ai/onnx/operators and of ONNX Runtime's contributed operators.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onnx import NodeProto

Shape = tuple[int, ...]

_REPEATED = ("If", "Loop", "Scan", "SequenceMap")
_HEAVY = ("Attention", "MatMul", "Gemm", "Conv", "MoE")
"""Parts of the names of ONNX Runtime's operators that multiply matrices."""


class UnknownError(Exception):
    """A shape that is needed and not known, or an operator that is not known; never leaves this package."""


def macs(node: NodeProto, shape_of: Callable[[str], Shape]) -> int:
    """Return the multiplications of one node, 0 for all but matrix products and convolutions.

    Parameters
    ----------
    node
        Of a graph without functions.
    shape_of
        Returns the shape of a value, and raises :class:`UnknownError` if it is not known.

    Raises
    ------
    UnknownError
        If a shape that it takes is not known; or the operator is not.
    """
    from onnx import helper

    counted = _COUNTED.get((node.domain if node.domain != "ai.onnx" else "", node.op_type))
    if counted is None:
        if node.op_type in _REPEATED:
            raise UnknownError("how often its graph runs depends on the values")
        heavy = node.domain == "com.microsoft" and any(word in node.op_type for word in _HEAVY)
        if heavy or node.domain not in ("", "ai.onnx", "ai.onnx.ml", "com.microsoft"):
            raise UnknownError(f"what the operator {node.domain}.{node.op_type} computes is not known here")
        return 0
    attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    try:
        return counted(_Node(node, attributes, shape_of))
    except (IndexError, ValueError, KeyError, TypeError) as error:
        raise UnknownError("its shapes do not fit its operator") from error


class _Node:
    def __init__(self, node: NodeProto, attributes: Mapping[str, Any], shape_of: Callable[[str], Shape]) -> None:
        self._node, self.attributes, self._shape_of = node, attributes, shape_of
        self.inputs: Sequence[str] = node.input

    def given(self, place: int) -> bool:
        return len(self.inputs) > place and bool(self.inputs[place])

    def input(self, place: int) -> Shape:
        return self._shape_of(self.inputs[place])

    @property
    def output(self) -> Shape:
        return self._shape_of(self._node.output[0])


def _convolution(weight: int) -> Callable[[_Node], int]:
    """Each output element is a sum over the channels of its group and the places of the kernel: W is (M, C/g, k...)."""
    return lambda node: math.prod(node.output) * math.prod(node.input(weight)[1:])


def _transposed_convolution(node: _Node) -> int:
    return math.prod(node.input(0)) * math.prod(node.input(1)[1:])  # each input element is spread: W is (C, M/g, k...)


def _product(left: int, right: int) -> Callable[[_Node], int]:
    """Each output element is a sum over the last axis of the left matrix."""

    def counted(node: _Node) -> int:
        a, b = node.input(left), node.input(right)
        inner = a[-2] if node.attributes.get("transA") and len(a) > 1 else a[-1]
        if inner != (b[-1] if node.attributes.get("transB") or len(b) == 1 else b[-2]):
            raise UnknownError(f"{list(a)} and {list(b)} do not fit one another")
        if len(a) > 1 and len(b) > 1:
            last = b[-2] if node.attributes.get("transB") else b[-1]
            first = a[-1] if node.attributes.get("transA") else a[-2]
            return math.prod(_broadcast(a[:-2], b[:-2])) * first * inner * last
        return math.prod(node.output) * inner

    return counted


def _gemm(node: _Node) -> int:
    a, b = node.input(0), node.input(1)
    rows, inner = reversed(a) if node.attributes.get("transA") else a
    return rows * inner * (b[0] if node.attributes.get("transB") else b[1])


def _narrow_product(node: _Node) -> int:
    return math.prod(node.input(0)[:-1]) * int(node.attributes["K"]) * int(node.attributes["N"])


def _recurrent(node: _Node) -> int:
    steps = math.prod(node.input(0)[:2])  # time and batch, in either order
    return steps * (math.prod(node.input(1)) + math.prod(node.input(2)))


def _einsum(node: _Node) -> int:
    """One product for each combination of indices, and for each operand beyond the first."""
    terms = node.attributes["equation"].decode().replace(" ", "").split("->")[0].split(",")
    sizes: dict[str, int] = {}
    spread: Shape = ()
    for place, term in enumerate(terms):
        shape = list(node.input(place))
        before, dots, after = term.partition("...")
        letters = [*before, *after]
        if dots:
            spread = _broadcast(spread, tuple(shape[len(before) : len(shape) - len(after)]))
        own = [*shape[: len(before)], *shape[len(shape) - len(after) :]]
        for letter, size in zip(letters, own, strict=True):
            sizes[letter] = max(size, sizes.get(letter, size))
    return math.prod(sizes.values()) * math.prod(spread) * (len(terms) - 1)


def _attention(node: _Node) -> int:
    """Scores of all queries with all keys, and their products with the values."""
    queries, keys, values = (node.input(place) for place in range(3))
    past = node.input(4)[2] if node.given(4) else 0
    if len(queries) == 4:
        batch, heads, length, width = queries
        return batch * heads * length * (keys[2] + past) * (width + values[3])
    heads, key_heads = int(node.attributes["q_num_heads"]), int(node.attributes["kv_num_heads"])
    batch, length, width = queries
    return batch * length * (keys[1] + past) * (width + heads * (values[2] // key_heads))


def _multi_head_attention(node: _Node) -> int:
    (batch, length, width), keys, values = node.input(0), node.input(1), node.input(2)
    past = node.input(6)[2] if node.given(6) else 0
    return batch * length * (keys[1] + past) * (width + values[2])


def _broadcast(a: Shape, b: Shape) -> Shape:
    width = max(len(a), len(b))
    pairs = zip((1,) * (width - len(a)) + a, (1,) * (width - len(b)) + b, strict=True)
    return tuple(y if x == 1 else x for x, y in pairs)


_COUNTED: dict[tuple[str, str], Callable[[_Node], int]] = {
    ("", "Conv"): _convolution(1),
    ("", "ConvInteger"): _convolution(1),
    ("", "DeformConv"): _convolution(1),
    ("", "QLinearConv"): _convolution(3),
    ("", "ConvTranspose"): _transposed_convolution,
    ("", "Gemm"): _gemm,
    ("", "MatMul"): _product(0, 1),
    ("", "MatMulInteger"): _product(0, 1),
    ("", "QLinearMatMul"): _product(0, 3),
    ("", "Einsum"): _einsum,
    ("", "RNN"): _recurrent,
    ("", "GRU"): _recurrent,
    ("", "LSTM"): _recurrent,
    ("", "Attention"): _attention,
    ("com.microsoft", "FusedConv"): _convolution(1),
    ("com.microsoft", "FusedGemm"): _gemm,
    ("com.microsoft", "FusedMatMul"): _product(0, 1),
    ("com.microsoft", "DynamicQuantizeMatMul"): _product(0, 1),
    ("com.microsoft", "MatMulIntegerToFloat"): _product(0, 1),
    ("com.microsoft", "MatMulNBits"): _narrow_product,
    ("com.microsoft", "MultiHeadAttention"): _multi_head_attention,
}
