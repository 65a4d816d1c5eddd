"""What lies in a folder of huggingface_hub, and beside it what is ours.

Theirs (https://huggingface.co/docs/hub/local-cache): ``models--team--name/`` with ``blobs/``, ``snapshots/<commit>/``
of links to blobs, and ``refs/``; ``.locks/models--team--name/`` with a lock for each file under way; and, for files of
Xet storage, ``blobs/<two digits>/<hash>`` beside the models, to which their own blobs are links.

Ours, under ``.workbench/``: ``gate.lock``, held while somebody plans or deletes; ``models/<model>.lock``, shared by all
that have the model open; ``used/<model>``, changed when it was used; ``coming/``, a note for each download under way;
``trash/``, what is on its way out.

A walk of our own and not their ``scan_cache_dir``, which fails where a download changes the folder under it, and does
not count what an interrupted download left.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

PREFIX = "models--"
OURS = ".workbench"
_PAYLOAD = re.compile(r"[0-9a-f]{64}")
_MARKER = ".huggingface-shared-blobs"


@dataclass(frozen=True)
class Stored:
    """One model's folder: its own bytes, the payloads it shares with others, complete revisions, last change."""

    own: int
    payloads: dict[str, int]
    revisions: int
    changed: float

    @property
    def nbytes(self) -> int:
        """Bytes of all its files, wherever they lie."""
        return self.own + sum(self.payloads.values())


def model_folder(hub_id: str) -> str:
    """Return the name of a model's folder.

    >>> model_folder("team/tiny")
    'models--team--tiny'
    """
    return PREFIX + hub_id.replace("/", "--")


def hub_id(folder: str) -> str:
    """Return the model whose folder has a name."""
    return folder.removeprefix(PREFIX).replace("--", "/", 1)


def stored_models(folder: Path) -> dict[str, Stored]:
    """Return each model in a cache, by the name of its folder."""
    return {
        entry.name: stored(folder / entry.name)
        for entry in _entries(folder)
        if entry.name.startswith(PREFIX) and entry.is_dir(follow_symlinks=False)
    }


def stored(folder: Path) -> Stored:
    """Look at one model's folder; what vanishes meanwhile is not counted."""
    own, payloads, changed = 0, {}, 0.0
    store = folder.parent.resolve() / "blobs"
    for entry in itertools.chain(_files(folder / "blobs"), _files(folder / "snapshots")):
        try:
            status = entry.stat(follow_symlinks=False)
            if not entry.is_symlink():
                own += status.st_size
            elif _PAYLOAD.fullmatch((target := Path(entry.path).resolve()).name) and store in target.parents:
                payloads[str(target)] = target.stat().st_size
            changed = max(changed, status.st_mtime)
        except OSError:
            continue
    revisions = sum(1 for _ in _entries(folder / "snapshots"))
    return Stored(own, payloads, revisions, changed)


def total(models: Iterable[Stored]) -> int:
    """Return the bytes of models together; what they share counts once."""
    models = list(models)
    return sum(model.own for model in models) + sum(
        {path: nbytes for model in models for path, nbytes in model.payloads.items()}.values()
    )


def is_downloading(folder: Path, name: str) -> bool:
    """Tell whether huggingface_hub fetches a file of a model right now, in whichever process."""
    from filelock import FileLock, Timeout

    for entry in _entries(folder / ".locks" / name):
        try:
            with FileLock(entry.path, blocking=False):
                pass
        except (Timeout, NotImplementedError):  # held; or no locks here, where the file itself says that it is
            return True
        except OSError:
            continue
    return False


def drop_orphans(folder: Path) -> None:
    """Remove shared payloads that no model refers to any more, each under huggingface_hub's own lock for it."""
    from filelock import FileLock, Timeout

    store = folder / "blobs"
    if not (store / _MARKER).is_file():
        return
    payloads = [
        Path(entry.path)
        for part in _entries(store)
        for entry in _entries(Path(part.path))
        if _PAYLOAD.fullmatch(entry.name)
    ]
    referred = _referred(folder)
    for payload in payloads:
        if str(payload.resolve()) in referred:
            continue
        try:
            with FileLock(f"{payload}.lock", blocking=False, mode=0o666):
                if str(payload.resolve()) not in _referred(folder):  # linked while we looked
                    payload.unlink(missing_ok=True)
                    payload.with_name(f"{payload.name}.refs").unlink(missing_ok=True)
        except (Timeout, OSError, NotImplementedError):
            continue


def _referred(folder: Path) -> set[str]:
    """Return all that the blobs of models, data sets and spaces are links to."""
    return {
        os.path.realpath(blob.path)
        for repository in _entries(folder)
        if "--" in repository.name
        for blob in _entries(Path(repository.path) / "blobs")
        if blob.is_symlink()
    }


def _files(folder: Path) -> Iterator[os.DirEntry[str]]:
    for entry in _entries(folder):
        if entry.is_dir(follow_symlinks=False):
            yield from _files(Path(entry.path))
        else:
            yield entry


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []
