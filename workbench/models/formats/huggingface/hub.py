"""Fetching a model from the Hugging Face hub, or from the cache of an earlier fetch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from workbench.errors import InputError, LoadError, MissingLibraryError, WorkbenchError
from workbench.models.cache import ModelCache, OpenModel
from workbench.models.source import Source

_FILES = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja"]
_CODE, _PICKLES = ["*.py"], ["pytorch_model*.bin"]
_NOT_THESE = ["original/*", "onnx/*", "openvino/*", "*.fp16.safetensors"]


def fetched(source: Source, options: Mapping[str, Any]) -> tuple[Source, OpenModel | None]:
    """Return a model of the hub as the folder that it was fetched into, and what keeps that folder in its cache.

    Parameters
    ----------
    source
        With a ``hub_id``.
    options
        Those of the format.

    Raises
    ------
    workbench.errors.InputError
        If two places to keep it are given.
    workbench.errors.LoadError
        If there is no such model, no way to it, or nothing of transformers in it.
    workbench.errors.CacheError
        If it does not fit into the budget of the cache.
    """
    assert source.hub_id is not None
    cache: ModelCache | None = options["cache"]
    if cache is not None and options["cache_dir"] is not None:
        raise InputError(
            f"cache={cache.config!r} and cache_dir={options['cache_dir']!r} are two places for one model. Leave "
            "cache_dir out to keep it within a budget."
        )
    held = None if cache is None else cache.use(source.hub_id)
    try:
        fetching = partial(
            fetch,
            source.hub_id,
            options["revision"],
            options["cache_dir"],
            cache,
            with_code=options["trust_remote_code"],
            hint=source.hint,
        )
        folder = fetching(with_pickles=False)
        if options["allow_pickle"] and not any(folder.glob("*.safetensors")):
            folder = fetching(with_pickles=True)
        found = replace(source, path=folder, hub_id=None)
        if not (folder / "config.json").is_file():
            raise LoadError(
                f"{source.given} on the hub has no config.json, so it is no model of transformers; it has "
                f"{found.listing()}. Download the file that you want and load that."
            )
    except BaseException:
        if held is not None:
            held.close()
        raise
    return found, held


def fetch(
    hub_id: str,
    revision: str | None,
    cache_dir: str | None,
    cache: ModelCache | None,
    *,
    with_code: bool,
    with_pickles: bool,
    hint: str,
) -> Path:
    """Return the folder with the model's configuration, tokenizer and safetensors.

    Parameters
    ----------
    hub_id
        ``organisation/name`` or ``name``.
    revision
        Branch, tag or commit; the main branch if None.
    cache_dir
        Where to keep it; the hub library's own cache if None.
    cache
        Keeps it within a budget instead; the caller has told it that the model is in use.
    with_code
        Whether the model's Python files are fetched too.
    with_pickles
        Whether weights that are pickled are fetched too.
    hint
        Said at the end of every message; what the user may have meant instead.

    Raises
    ------
    workbench.errors.LoadError
        If there is no such model, or no way to it.
    """
    try:
        import huggingface_hub
        from huggingface_hub import constants, errors
    except ImportError as error:
        raise MissingLibraryError(
            f"Fetching {hub_id!r} needs huggingface_hub, which is not installed: pip install huggingface_hub."
        ) from error
    download = partial(huggingface_hub.snapshot_download, cache_dir=cache_dir) if cache is None else cache.download
    version = f"revision {revision!r} of {hub_id!r}" if revision else repr(hub_id)
    try:
        return Path(
            download(
                hub_id,
                revision=revision,
                allow_patterns=[*_FILES, *(_CODE if with_code else ()), *(_PICKLES if with_pickles else ())],
                ignore_patterns=_NOT_THESE,
            )
        )
    except WorkbenchError:  # the cache's own, that there is no room
        raise
    except errors.GatedRepoError as error:
        why, what_next = "its owner asks for consent", f"Agree at {constants.ENDPOINT}/{hub_id}, then: hf auth login"
        cause: Exception = error
    except errors.RevisionNotFoundError as error:
        why, what_next, cause = "the model has no such revision", "Name a branch, tag or commit that it has", error
    except errors.RepositoryNotFoundError as error:
        why, what_next, cause = (
            "the hub has no such model, or it is private",
            "Check the name, or: hf auth login",
            error,
        )
    except (errors.LocalEntryNotFoundError, OSError) as error:
        why, cause = "the hub cannot be reached and the cache does not have it", error
        what_next = "Go online once, or copy the model's folder here and load that"
    except Exception as error:
        why, what_next, cause = f"{type(error).__name__}: {str(error).splitlines()[0][:200]}", "Try again", error
    where = str(cache.config.folder) if cache is not None else cache_dir or constants.HF_HUB_CACHE
    tried = f"tried {constants.ENDPOINT} and the cache {_short(where)}"
    raise LoadError(f"{version} cannot be fetched: {why} ({tried}). {what_next}.{hint}") from cause


def _short(folder: str) -> str:
    home = str(Path.home())
    return folder.replace(home, "~", 1) if folder.startswith(home) else folder
