"""The files of a Hugging Face checkpoint: its configuration, and its tensors over one or many files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from workbench.errors import LoadError
from workbench.models.formats.safetensors.file import SafetensorsFile
from workbench.models.model import Tensor
from workbench.models.pickled import pickled_tensors
from workbench.models.source import Source
from workbench.text import format_bytes

_ONE, _INDEX = "model.safetensors", "model.safetensors.index.json"
_PICKLED, _PICKLED_INDEX = "pytorch_model.bin", "pytorch_model.bin.index.json"
_PICKLES = ("pytorch_model*.bin", "*.pt", "*.pth")
_MOST_JSON = 100_000_000  # bytes of a configuration or an index; the largest in use have a few millions

Reader = Callable[[Source], list[Tensor]]


def read_config(source: Source) -> dict[str, Any]:
    """Return the content of config.json."""
    return _read_object(source, "config.json")


def is_pickled(source: Source) -> bool:
    """Return whether the weights are only there as a pickle that transformers knows by its name."""
    folder = _folder(source)
    return not any(folder.glob("*.safetensors")) and any(
        (folder / name).is_file() for name in (_PICKLED, _PICKLED_INDEX)
    )


def read_tensors(source: Source, allow_pickle: bool = False) -> list[Tensor]:
    """Return the tensors of the checkpoint, from the headers of its files alone.

    Parameters
    ----------
    source
        The folder.
    allow_pickle
        Whether pytorch_model.bin is read where there is nothing else: its tensors, and no code.

    Raises
    ------
    workbench.errors.LoadError
        If a file is missing or damaged, or if there are only pickles and they were not asked for.
    """
    folder = _folder(source)
    if is_pickled(source) and allow_pickle:
        if (folder / _PICKLED).is_file():
            return _pickle(_file(source, _PICKLED))
        return list(_sharded(source, _PICKLED_INDEX, _pickle))
    if (folder / _INDEX).is_file() and not (folder / _ONE).is_file():
        return list(_sharded(source, _INDEX, _safetensors))
    names = [_ONE] if (folder / _ONE).is_file() else sorted(path.name for path in folder.glob("*.safetensors"))
    if not names:
        pickles = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
        if pickles:
            raise LoadError(
                f"{source.given} has its weights in {pickles[0]}, a Python pickle, which could run any code when it is "
                "read. Save it once as safetensors, where you trust it: model.save_pretrained(folder). Or load it with "
                "allow_pickle=True, with which torch reads its tensors and runs nothing."
            )
        raise LoadError(
            f"{source.given} has a config.json and no .safetensors file beside it; it has {source.listing()}. "
            "Download the weights too."
        )
    return [tensor for name in names for tensor in _safetensors(_file(source, name))]


def _sharded(source: Source, index: str, read: Reader) -> Iterator[Tensor]:
    places = _read_object(source, index).get("weight_map")
    if not isinstance(places, dict) or not places or not all(isinstance(name, str) for name in places.values()):
        raise LoadError(f"{source.given}/{index} has no weight_map from tensors to files. Download it again.")
    for name in dict.fromkeys(places.values()):
        if Path(name).name != name or "\\" in name:
            raise LoadError(
                f"{source.given}/{index} names the file {name!r}, which is not in its folder; it is refused."
            )
        found = {tensor.name: tensor for tensor in read(_file(source, name))}
        expected = [tensor for tensor, place in places.items() if place == name]
        if missing := [tensor for tensor in expected if tensor not in found]:
            raise LoadError(
                f"{source.given}/{name} lacks {len(missing)} tensors that {index} says it has, {missing[0]!r} first. "
                "Both must be of one version: download them again."
            )
        if more := [tensor for tensor in found if tensor not in places]:
            raise LoadError(
                f"{source.given}/{name} has {len(more)} tensors that {index} does not name, {more[0]!r} first. "
                "Both must be of one version: download them again."
            )
        yield from (found[tensor] for tensor in expected)


def _safetensors(source: Source) -> list[Tensor]:
    return SafetensorsFile(source).tensors


def _pickle(source: Source) -> list[Tensor]:
    return pickled_tensors(source)[0]


def _file(source: Source, name: str) -> Source:
    path = _folder(source) / name
    if not path.is_file():
        raise LoadError(f"{source.given} lacks the file {name}, which its index names. Download it too.")
    return Source(given=f"{source.given}/{name}", label=name, path=path)


def _read_object(source: Source, name: str) -> dict[str, Any]:
    path = _folder(source) / name
    try:
        size = path.stat().st_size
        if size > _MOST_JSON:
            raise LoadError(
                f"{source.given}/{name} has {format_bytes(size)}, and {format_bytes(_MOST_JSON)} is the most that is "
                "read of it. Is it another file?"
            )
        content = json.loads(path.read_bytes(), object_pairs_hook=_without_doubles)
    except OSError as error:
        raise LoadError(f"{source.given}/{name} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise LoadError(f"{source.given}/{name} is not JSON: {error}. Download it again.") from error
    if not isinstance(content, dict):
        raise LoadError(f"{source.given}/{name} is not a JSON object. Download it again.")
    return content


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"it has {next(name for name in names if names.count(name) > 1)!r} twice")
    return entries


def _folder(source: Source) -> Path:
    assert source.path is not None
    return source.path
