"""ONNX files that were just written: opened, measured, and told what was found out about them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from workbench.models.formats.onnx import FORMAT, OnnxModel
from workbench.models.source import Source

INLINE = 1_800_000_000
"""Bytes of weights that one file takes; protobuf ends at 2 GiB, graph included."""

_M = TypeVar("_M", bound=OnnxModel)


def open_onnx(kind: type[_M], path: Path, given: str) -> _M:
    """Return an ONNX file as a model of a class, with the options that ``load`` gives if none are asked for."""
    options: dict[str, Any] = {option.name: option.default for option in FORMAT.options}
    return kind(Source(given=given, label=path.name, path=path), options)


def append_metadata(path: Path, facts: Mapping[str, str]) -> None:
    """Add texts to a file's metadata without writing it anew: protobuf joins the fields of messages that follow."""
    from onnx import ModelProto, StringStringEntryProto

    entries = [StringStringEntryProto(key=key, value=value) for key, value in facts.items() if value]
    with path.open("ab") as file:
        file.write(ModelProto(metadata_props=entries).SerializeToString())


def file_bytes(path: Path) -> int:
    """Return the bytes of a file that lies in a folder of its own, with the external data beside it."""
    return sum(one.stat().st_size for one in path.parent.iterdir() if one.is_file())
