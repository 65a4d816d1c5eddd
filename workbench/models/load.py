"""``load``: from a path, bytes, a ModelProto, a hub id or a sample's name to a model, told apart by content."""

from __future__ import annotations

import difflib
import errno
import operator
import os
import re
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

from workbench.errors import InputError, LoadError

from .foreign import what_it_is, what_to_make_of
from .formats import Format, Option, formats
from .model import Model
from .source import Source

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9_][\w.-]*)?")
_URL = re.compile(r"[a-z][a-z0-9+]+://([^/]*)")
_MOST_SHOWN = 300  # characters of a path in a message
_SUFFIXES = (".onnx", ".safetensors", ".pb", ".ort", ".bin", ".pt", ".pth", ".npz", ".npy", ".gguf", ".h5", ".json")


def load(source: Any, **options: Any) -> Model:
    """Load a model; its weights stay in the file until they are asked for.

    Parameters
    ----------
    source
        One of:

        - a path: an ONNX, safetensors, ``.npy`` or ``.npz`` file, the folder of a Hugging Face model, or a folder of
          safetensors shards with their index;
        - the bytes of such a file, or a file object opened for reading bytes;
        - an ``onnx.ModelProto``, or a ``torch.nn.Module``;
        - the id of a model on the Hugging Face hub, ``"organisation/name"``, fetched unless the cache has it;
        - ``"sample:NAME"``: see :func:`workbench.models.samples.available`.
    **options
        For ONNX: ``provider`` (``"cpu"``, ``"cuda"``, ``"tensorrt"``, or ONNX Runtime's names of these; ``"reference"``
        for onnx's own evaluator, ``"auto"`` for it where ONNX Runtime refuses the model), ``provider_options``,
        ``optimization`` (``"disable"``, ``"basic"``, ``"extended"``, ``"all"``), ``intra_threads``, ``inter_threads``.
        For Hugging Face: ``revision``, ``cache_dir``, ``cache`` (a :class:`~workbench.models.cache.config.CacheConfig`
        or a :class:`~workbench.models.cache.cache.ModelCache`: a folder with a budget, in which the model stays at
        least until it is closed or collected), ``device``, ``trust_remote_code``, ``allow_pickle``.
        :func:`workbench.models.formats.formats` describes them.

    Returns
    -------
    workbench.models.model.Model
        With ``info``, ``tensors`` and ``run``.

    Raises
    ------
    workbench.errors.LoadError
        If there is nothing there, or no format takes it, or it is damaged.
    workbench.errors.InputError
        If an option is unknown, belongs to another format, or has a value that it cannot have.
    workbench.errors.MissingLibraryError
        If a provider or device is asked for that is not there; with the line that installs it.

    Examples
    --------
    >>> load("sample:mlp").info
    mlp (onnx)
      parameters 676, 2.70 kB, float32 100%
      opset ai.onnx 17; IR version 8
      operators Gemm 2, Relu 1, Softmax 1
      producer fusion-workbench
      input  x: float32 [batch, 16]
      output probabilities: float32 [batch, 4]
    """
    found = find(source)
    chosen = recognise(found)
    return chosen.open(found, _checked(chosen, found, options))


def find(source: Any) -> Source:
    """Return what a source refers to, before it is read; see :func:`load`."""
    if isinstance(source, str) and source.startswith("sample:"):
        from .samples import find_sample

        name = source.removeprefix("sample:")
        return replace(find(find_sample(name)), given=source, label=name)
    if isinstance(source, (str, os.PathLike)):
        return _find_path(os.fsdecode(source), may_be_hub_id=isinstance(source, str))
    if isinstance(source, (bytes, bytearray, memoryview)):
        return Source(given=f"the given {type(source).__name__} object", label="bytes", data=bytes(source))
    if hasattr(source, "read"):
        path = getattr(source, "name", None)
        given = path if isinstance(path, str) else "the given file object"
        try:
            data = source.read()
        except Exception as error:
            said = str(error).rstrip(".")
            raise LoadError(f"{given} cannot be read: {said}. Open it for reading bytes: open(path, 'rb').") from error
        if not isinstance(data, bytes):
            raise LoadError(f"{given} gives {type(data).__name__}, not bytes. Open it with open(path, 'rb').")
        return Source(given=given, label=Path(given).name if isinstance(path, str) else "file", data=data)
    return Source(given=f"the given {type(source).__name__}", label=type(source).__name__, value=source)


def recognise(source: Source) -> Format:
    """Return the format of a source by its content.

    Raises
    ------
    workbench.errors.LoadError
        If it is of none; the message says what it is instead, where that can be seen.
    """
    for one in formats():
        if one.recognises(source):
            return one
    if source.is_folder:
        models = (
            sorted(path.name for path in source.path.iterdir() if path.suffix in _SUFFIXES[:2]) if source.path else []
        )
        next_step = (
            f"Load a file in it: load({source.given + '/' + models[0]!r})." if models else "Is it another folder?"
        )
        raise LoadError(
            f"{source.given} is a folder without a config.json, so it is no Hugging Face model; it has "
            f"{source.listing()}. {next_step}"
        )
    if source.is_file:
        beside = source.path is not None and (source.path.parent / "config.json").is_file()
        next_step = " It belongs to a Hugging Face model: load its folder." if beside else ""
        if b'"weight_map"' in source.read(1 << 20):
            next_step = " It is the index of a model in several files: load its folder."
        raise LoadError(
            f"{source.given} is no ONNX, safetensors or NumPy file, or not a whole one: "
            f"{what_it_is(source)}.{next_step}"
        )
    raise LoadError(
        f"A model cannot be loaded from {source.given}. Give a path, bytes, a file object, an onnx.ModelProto, a "
        f"torch.nn.Module, the id of a model on the Hugging Face hub, or 'sample:NAME'.{what_to_make_of(source.value)}"
    )


def _find_path(given: str, may_be_hub_id: bool) -> Source:
    if not given.strip() or "\0" in given:
        raise LoadError(
            f"{given!r} is no path and no id. Give a path, a hub id such as 'organisation/name', or 'sample:NAME'."
        )
    if url := _URL.match(given):
        way = "the id of the model, 'organisation/name'" if "huggingface.co" in url[1] else "its path"
        raise LoadError(f"{given[:_MOST_SHOWN]} is an address, and nothing is fetched from one. Give {way}.")
    try:
        path = Path(given).expanduser()
    except RuntimeError as error:
        raise LoadError(f"{given} begins with ~ and there is no such home folder. Give the whole path.") from error
    try:
        mode = path.stat().st_mode
    except PermissionError as error:
        raise LoadError(f"{given} cannot be read: {error.strerror}. Check who may read it.") from error
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP) and path.is_symlink():
            raise LoadError(f"{given} is a link to {path.readlink()}, which leads nowhere. Mend the link.") from error
        hint, near = _nearby(path)
        misspelt = near and path.parent != Path()
        if (
            may_be_hub_id
            and len(given) <= _MOST_SHOWN
            and _HUB_ID.fullmatch(given)
            and not given.endswith(_SUFFIXES)
            and not misspelt
        ):
            return Source(
                given=given, label=given, hub_id=given, hint=f" There is no file or folder {given} here either.{hint}"
            )
        shown = given if len(given) <= _MOST_SHOWN else f"{given[:_MOST_SHOWN]}... ({len(given)} characters)"
        raise LoadError(f"There is no {shown}.{hint}") from None
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise LoadError(f"{given} is a device or a pipe. Read it and give the bytes.")
    path = path.absolute()  # links stay: beside the link lies what belongs to it
    return Source(given=given.rstrip("/") or given, label=path.name or path.resolve().name, path=path)


def _nearby(path: Path) -> tuple[str, bool]:
    """Say what there is where something is missing, and whether that has names like it."""
    folder = path.parent
    wanted = path.name
    try:
        while not folder.is_dir():
            wanted, folder = folder.name, folder.parent
        names = sorted(entry.name for entry in os.scandir(folder) if not entry.name.startswith("."))
    except OSError:
        return "", False
    near = difflib.get_close_matches(wanted, names, n=3, cutoff=0.6)
    place = "the current folder" if folder == Path() else str(folder)
    if near:
        return f" Did you mean {' or '.join(near)} in {place}?", True
    if not names:
        return f" There is nothing in {place}.", False
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return f" In {place} there are: {', '.join(names[:8])}{more}.", False


def _checked(chosen: Format, source: Source, options: dict[str, Any]) -> dict[str, Any]:
    """Return a value for each of the format's options."""
    known = {option.name: option for option in chosen.options}
    for name in options:
        if name not in known:
            names = ", ".join(known) or "none"
            others = [other.title for other in formats() if any(option.name == name for option in other.options)]
            belongs = f"belongs to {others[0]}" if others else "is no option"
            raise InputError(
                f"{name}= {belongs}, and {source.given} is {chosen.title}; the options for it are: {names}."
            )
    return {name: _value(option, options.get(name, option.default)) for name, option in known.items()}


def _value(option: Option, value: Any) -> Any:
    if value is None and option.default is None:
        return None
    if option.make is not None:
        return option.make(value)
    if isinstance(value, os.PathLike) and option.kind is str:
        value = os.fspath(value)
    elif type(value).__module__ == "torch" and type(value).__name__ == "device":
        value = str(value)
    elif option.kind is int and not isinstance(value, bool) and hasattr(value, "__index__"):
        value = operator.index(value)  # NumPy's too
    if isinstance(value, str):
        value = option.aliases.get(value, value)
    if option.choices and value not in option.choices:
        raise InputError(f"{option.name}={value!r} is none of {', '.join(map(repr, option.choices))}.")
    if type(value) is not option.kind or (isinstance(value, int) and not isinstance(value, bool) and value < 1):
        kind = {int: "a number from 1 on", bool: "True or False", str: "a text", dict: "a dict"}[option.kind]
        raise InputError(f"{option.name}={value!r} is not {kind}; it says {option.help}.")
    return value
