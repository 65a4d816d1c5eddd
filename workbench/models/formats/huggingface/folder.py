"""The files of a Hugging Face checkpoint: its configuration, and its tensors over one or many safetensors files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workbench.errors import LoadError
from workbench.models.formats.safetensors.file import SafetensorsFile
from workbench.models.model import Tensor
from workbench.models.source import Source

_ONE, _INDEX = "model.safetensors", "model.safetensors.index.json"
_PICKLES = ("pytorch_model*.bin", "*.pt", "*.pth")


def read_config(source: Source) -> dict[str, Any]:
    """Return the content of config.json."""
    return _read_object(source, "config.json")


def read_tensors(source: Source) -> list[Tensor]:
    """Return the tensors of the checkpoint, from the headers of its files alone.

    Raises
    ------
    workbench.errors.LoadError
        If a file is missing or damaged, or if there are only pickles.
    """
    folder = _folder(source)
    if (folder / _INDEX).is_file() and not (folder / _ONE).is_file():
        return list(_sharded(source))
    names = [_ONE] if (folder / _ONE).is_file() else sorted(path.name for path in folder.glob("*.safetensors"))
    if not names:
        pickles = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
        if pickles:
            raise LoadError(
                f"{source.given} has its weights in {pickles[0]}, a Python pickle, which could run any code when it is "
                "read. Save it once as safetensors, where you trust it: model.save_pretrained(folder)."
            )
        raise LoadError(
            f"{source.given} has a config.json and no .safetensors file beside it; it has {source.listing()}. "
            "Download the weights too."
        )
    return [tensor for name in names for tensor in _file(source, name).tensors]


def _sharded(source: Source) -> Iterator[Tensor]:
    places = _read_object(source, _INDEX).get("weight_map")
    if not isinstance(places, dict) or not all(isinstance(name, str) for name in places.values()):
        raise LoadError(f"{source.given}/{_INDEX} has no weight_map from tensors to files. Download it again.")
    for name in dict.fromkeys(places.values()):
        if Path(name).name != name:
            raise LoadError(
                f"{source.given}/{_INDEX} names the file {name!r}, which is not in its folder; it is refused."
            )
        found = {tensor.name: tensor for tensor in _file(source, name).tensors}
        expected = [tensor for tensor, place in places.items() if place == name]
        if missing := [tensor for tensor in expected if tensor not in found]:
            raise LoadError(
                f"{source.given}/{name} lacks {len(missing)} tensors that {_INDEX} says it has, {missing[0]!r} first. "
                "Both must be of one version: download them again."
            )
        yield from (found[tensor] for tensor in expected)


def _file(source: Source, name: str) -> SafetensorsFile:
    path = _folder(source) / name
    if not path.is_file():
        raise LoadError(f"{source.given} lacks the file {name}, which its index names. Download it too.")
    return SafetensorsFile(Source(given=f"{source.given}/{name}", label=name, path=path))


def _read_object(source: Source, name: str) -> dict[str, Any]:
    path = _folder(source) / name
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise LoadError(f"{source.given}/{name} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise LoadError(f"{source.given}/{name} is not JSON: {error}. Download it again.") from error
    if not isinstance(content, dict):
        raise LoadError(f"{source.given}/{name} is not a JSON object. Download it again.")
    return content


def _folder(source: Source) -> Path:
    assert source.path is not None
    return source.path
