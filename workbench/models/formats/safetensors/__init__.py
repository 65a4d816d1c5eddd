"""Safetensors without a graph: a lone file, or a folder of shards with their index."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from workbench.errors import RunError
from workbench.models.formats import Format
from workbench.models.model import Model, ModelInfo, Tensor, TensorTable
from workbench.models.source import Source

from .file import SafetensorsFile, looks_like_safetensors

_INDEX = "model.safetensors.index.json"


class SafetensorsModel(Model):
    """Tensors by name, and no way to run them."""

    def __init__(self, source: Source) -> None:
        tensors, metadata = _read(source)
        self._given = source.given
        self.tensors = TensorTable(tensors)
        self.info = ModelInfo(
            format="safetensors",
            name=source.label,
            inputs=(),
            outputs=(),
            opset={},
            ir_version=None,
            producer=metadata.get("format", ""),
            parameters=self.tensors.elements,
            nbytes=self.tensors.nbytes,
            dtypes=self.tensors.dtypes,
            metadata=metadata,
        )

    def run(self, inputs: Any, outputs: list[str] | None = None) -> NoReturn:
        """Raise RunError: a safetensors file says nothing about what to compute."""
        raise RunError(
            f"{self._given} has tensors and no graph, so it cannot be run. Load the folder that it came from, "
            "the one with config.json."
        )


def _read(source: Source) -> tuple[list[Tensor], dict[str, str]]:
    if not source.is_folder:
        file = SafetensorsFile(source)
        return file.tensors, file.metadata
    from workbench.models.formats.huggingface.folder import read_tensors

    return read_tensors(source), {}


def _recognises(source: Source) -> bool:
    if source.is_folder:
        assert source.path is not None
        return (source.path / _INDEX).is_file()
    return source.is_file and looks_like_safetensors(source.head)


def _open(source: Source, options: Mapping[str, Any]) -> Model:
    return SafetensorsModel(source)


FORMAT = Format(
    name="safetensors",
    title="a safetensors file",
    options=(),
    recognises=_recognises,
    open=_open,
    order=1,  # a folder with a configuration is a Hugging Face model
)
