"""Fetching a model from the Hugging Face hub, or from the cache of an earlier fetch."""

from __future__ import annotations

from pathlib import Path

from workbench.errors import LoadError, MissingLibraryError

_FILES = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja"]
_CODE, _PICKLES = ["*.py"], ["pytorch_model*.bin"]
_NOT_THESE = ["original/*", "onnx/*", "openvino/*", "*.fp16.safetensors"]


def fetch(
    hub_id: str, revision: str | None, cache_dir: str | None, *, with_code: bool, with_pickles: bool, hint: str
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
    version = f"revision {revision!r} of {hub_id!r}" if revision else repr(hub_id)
    try:
        return Path(
            huggingface_hub.snapshot_download(
                hub_id,
                revision=revision,
                cache_dir=cache_dir,
                allow_patterns=[*_FILES, *(_CODE if with_code else ()), *(_PICKLES if with_pickles else ())],
                ignore_patterns=_NOT_THESE,
            )
        )
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
    where = cache_dir or constants.HF_HUB_CACHE
    tried = f"tried {constants.ENDPOINT} and the cache {_short(where)}"
    raise LoadError(f"{version} cannot be fetched: {why} ({tried}). {what_next}.{hint}") from cause


def _short(folder: str) -> str:
    home = str(Path.home())
    return folder.replace(home, "~", 1) if folder.startswith(home) else folder
