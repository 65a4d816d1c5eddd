"""Attributes on which ONNX Runtime divides or loops without a look: a damaged file would end the process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.errors import LoadError

from .walk import all_nodes

if TYPE_CHECKING:
    from onnx import ModelProto

_MOST = 1 << 24
_BOUNDS = {
    # divided by: a zero, or what overflows when it is multiplied, ends the process
    **dict.fromkeys(["q_num_heads", "kv_num_heads", "num_heads", "num_groups", "group", "blocksize"], (1, _MOST)),
    # looped over: sizes of 2**31 and more take hours
    **dict.fromkeys(["kernel_shape", "strides", "dilations"], (1, _MOST)),
    **dict.fromkeys(["ngram_indexes", "max_skip_count", "max_gram_length"], (0, _MOST)),
    **dict.fromkeys(["axis", "axes"], (-64, 64)),
    "batch_dims": (0, 64),
}
"""Least and greatest value by an attribute's name, which ONNX's operators and ONNX Runtime's own use alike."""
_DOMAINS = ("", "ai.onnx", "com.microsoft")


def check_hazards(proto: ModelProto, given: str) -> None:
    """Refuse a model with a value that no model means and that would end or hold up the process.

    Found by giving each attribute of ONNX's conformance suite the values 0, -1, 2**31 - 1, 2**62 and -2**63.

    Raises
    ------
    workbench.errors.LoadError
        Names the node, the attribute and the value.
    """
    for node in all_nodes(proto):
        if node.domain not in _DOMAINS:
            continue
        for attribute in node.attribute:
            if attribute.name not in _BOUNDS or attribute.ref_attr_name:
                continue
            low, high = _BOUNDS[attribute.name]
            for value in (attribute.i,) if attribute.type == attribute.INT else attribute.ints:
                if not low <= value <= high:
                    raise LoadError(
                        f"{given} cannot be run: its node {node.name or node.op_type!r} of {node.op_type} has "
                        f"{attribute.name}={value}, and that is from {low} to {high}. The file is damaged, or its "
                        "export went wrong: make it again."
                    )
