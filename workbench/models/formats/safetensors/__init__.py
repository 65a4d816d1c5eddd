"""Safetensors without a graph: a lone file, or a folder of shards with their index."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.models.formats import Format
from workbench.models.model import Model, Tensor
from workbench.models.source import Source
from workbench.models.weights import WeightsModel

from .file import SafetensorsFile, looks_like_safetensors

_INDEX = "model.safetensors.index.json"


def _open(source: Source, options: Mapping[str, Any]) -> Model:
    tensors, metadata = _read(source)
    owner = "Load the folder that it came from, the one with config.json."
    return WeightsModel("safetensors", source, tensors, owner, metadata=metadata, producer=metadata.get("format", ""))


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


FORMAT = Format(
    name="safetensors",
    title="a safetensors file",
    options=(),
    recognises=_recognises,
    open=_open,
    order=1,  # a folder with a configuration is a Hugging Face model
)
