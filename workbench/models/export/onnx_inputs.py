"""What inputs an ONNX model can be tried with: its specs, and the vocabulary of its ids by the tables they index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.models.inputs import InputRules

from .examples import Feeds, Limits

if TYPE_CHECKING:
    from workbench.models.formats.onnx import OnnxModel
    from workbench.models.model import ModelInfo


class OnnxInputs:
    """An ONNX model as one that takes inputs which are made up.

    Parameters
    ----------
    model
        The model.
    """

    def __init__(self, model: OnnxModel) -> None:
        self.info: ModelInfo = model.info
        self.limits = Limits(*_tables(model))
        self._rules = InputRules(model.info.inputs)

    def feeds(self, inputs: Any) -> Feeds:
        """Return given inputs as arrays, checked."""
        return self._rules.check(inputs)


def _tables(model: OnnxModel) -> tuple[int, frozenset[int], int | None]:
    """Return how many rows the tables have that inputs index, and that a table of positions has, if it can be seen."""
    names = {spec.name for spec in model.info.inputs}
    through: dict[str, str] = {name: name for name in names}
    vocabulary: int | None = None
    for node in model.proto.graph.node:
        if node.op_type in ("Cast", "Identity", "Reshape", "Unsqueeze", "Squeeze") and node.input[0] in through:
            through[node.output[0]] = through[node.input[0]]
        if node.op_type == "Gather" and node.input[1] in through and node.input[0] in model.tensors:
            rows = model.tensors[node.input[0]].shape[0]
            if "ids" in through[node.input[1]]:
                vocabulary = rows if vocabulary is None or "input_ids" in through[node.input[1]] else vocabulary
    positions = [
        tensor.shape[0]
        for name, tensor in model.tensors.items()
        if "position_embeddings.weight" in name and tensor.shape
    ]
    return vocabulary or 2, frozenset({0}), min(positions, default=None)
