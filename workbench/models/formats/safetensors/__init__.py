"""A lone safetensors file: tensors without a graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from workbench.errors import RunError
from workbench.models.formats import Format
from workbench.models.model import Model, ModelInfo, TensorTable
from workbench.models.source import Source

from .file import SafetensorsFile, looks_like_safetensors


class SafetensorsModel(Model):
    """Tensors by name, and no way to run them."""

    def __init__(self, source: Source) -> None:
        file = SafetensorsFile(source)
        self._given = source.given
        self.tensors = TensorTable(file.tensors)
        self.info = ModelInfo(
            format="safetensors",
            name=source.label,
            inputs=(),
            outputs=(),
            opset={},
            ir_version=None,
            producer=file.metadata.get("format", ""),
            parameters=self.tensors.elements,
            nbytes=self.tensors.nbytes,
            dtypes=self.tensors.dtypes,
            metadata=file.metadata,
        )

    def run(self, inputs: Any, outputs: list[str] | None = None) -> NoReturn:
        """Raise RunError: a safetensors file says nothing about what to compute."""
        raise RunError(
            f"{self._given} has tensors and no graph, so it cannot be run. Load the folder that it came from, "
            "the one with config.json."
        )


def _open(source: Source, options: Mapping[str, Any]) -> Model:
    return SafetensorsModel(source)


FORMAT = Format(
    name="safetensors",
    title="a safetensors file",
    options=(),
    recognises=lambda source: source.is_file and looks_like_safetensors(source.head),
    open=_open,
)
