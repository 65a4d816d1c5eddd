"""Models from the hub in a folder with a budget: the least recently used goes first, and none that is in use."""

from __future__ import annotations

import os
import re
import weakref
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Any

from workbench.errors import InputError, LoadError, MissingLibraryError, WorkbenchError

from . import layout, locks
from .config import CacheConfig
from .contents import CacheContents, Pruned
from .room import Room

Patterns = str | Sequence[str] | None


class OpenModel:
    """A model's folder, which stays as long as this is open: until `close`, the end of a ``with``, or its collection.

    Parameters
    ----------
    name
        Its id on the hub.
    room
        The cache that it is in.
    """

    def __init__(self, name: str, room: Room) -> None:
        self.name = name
        self.path = Path()
        """The folder with the files of the revision."""
        folder = layout.model_folder(name)
        file = locks.shared(room.lock_of(folder))
        room.stamp(folder)
        self._closing = weakref.finalize(self, _used_until_now, room, folder, file)

    @property
    def closed(self) -> bool:
        """Whether it may be removed, as far as this one is concerned."""
        return not self._closing.alive

    def close(self) -> None:
        """Let others remove it, and note that it was used until now."""
        self._closing()

    def __enter__(self) -> OpenModel:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"OpenModel: {self.name!r}{', closed' if self.closed else ''}"


class ModelCache:
    """A folder of models from the hub that keeps within a budget.

    Several processes may share it, and any of them may be killed at any time: no model that is open goes, and none is
    left half removed or half fetched. Before a download the models that were not used for longest go, until it fits. A
    program that reads the folder without this class (huggingface_hub, transformers) is respected while it downloads,
    and not while it reads.

    Parameters
    ----------
    config
        The folder and the budget.

    Raises
    ------
    workbench.errors.InputError
        If ``config`` is something else.

    Examples
    --------
    >>> cache = ModelCache(CacheConfig("~/models", max_size_gb=10))
    >>> cache
    ModelCache: at most 10 GB; see .contents()
    >>> with cache.open("sentence-transformers/all-MiniLM-L6-v2") as model:               # doctest: +SKIP
    ...     files = list(model.path.iterdir())
    """

    def __init__(self, config: CacheConfig) -> None:
        if not isinstance(config, CacheConfig):
            raise InputError(f"A cache needs a CacheConfig, got {config!r}.")
        self.config = config
        self._room = Room(config)

    @classmethod
    def of(cls, given: CacheConfig | ModelCache) -> ModelCache:
        """Return the cache that is meant by an argument ``cache=``: itself, or the one of a configuration."""
        if isinstance(given, ModelCache):
            return given
        if not isinstance(given, CacheConfig):
            path = given if isinstance(given, str | os.PathLike) else "folder"
            raise InputError(
                f"cache={given!r} is no cache. Give wb.CacheConfig({os.fspath(path)!r}, max_size_gb=10), or a "
                "wb.ModelCache."
            )
        return cls(given)

    def open(
        self,
        hub_id: str,
        *,
        revision: str | None = None,
        allow_patterns: Patterns = None,
        ignore_patterns: Patterns = None,
    ) -> OpenModel:
        """Fetch a model, or find it, and keep it from being removed while it is open.

        Parameters
        ----------
        hub_id
            ``organisation/name`` or ``name``.
        revision
            Branch, tag or commit; the main branch if None.
        allow_patterns, ignore_patterns
            Which files, as for ``huggingface_hub.snapshot_download``.

        Raises
        ------
        workbench.errors.LoadError
            If it can be neither fetched nor found.
        workbench.errors.CacheError
            If it does not fit into the budget, or the folder cannot be written.
        """
        opened = self.use(hub_id)
        try:
            opened.path = Path(
                self.download(hub_id, revision=revision, allow_patterns=allow_patterns, ignore_patterns=ignore_patterns)
            )
        except WorkbenchError:
            opened.close()
            raise
        except Exception as error:
            opened.close()
            first = (str(error).splitlines() or [""])[0][:200]
            raise LoadError(
                f"{hub_id!r} can be neither fetched nor found in the cache: {type(error).__name__}: {first}. Check the "
                "name, the revision and the connection."
            ) from error
        except BaseException:
            opened.close()
            raise
        return opened

    def use(self, hub_id: str) -> OpenModel:
        """Keep a model from being removed, whether it is there yet or not; `download` then needs that."""
        if not isinstance(hub_id, str) or not hub_id.strip("/"):
            raise InputError(f"A model of the hub has a name such as 'organisation/name', got {hub_id!r}.")
        self._room.tidy()
        return OpenModel(hub_id, self._room)

    def download(
        self,
        hub_id: str,
        *,
        revision: str | None = None,
        allow_patterns: Patterns = None,
        ignore_patterns: Patterns = None,
    ) -> str:
        """Make room for what is missing of a model, fetch it, and return its folder; `use` it first.

        As ``huggingface_hub.snapshot_download``, with its exceptions, and:

        Raises
        ------
        workbench.errors.CacheError
            If it does not fit into the budget.
        """
        try:
            from huggingface_hub import snapshot_download
            from huggingface_hub.errors import HfHubHTTPError
        except ImportError as error:
            raise MissingLibraryError(
                f"Fetching {hub_id!r} needs huggingface_hub, which is not installed: pip install huggingface_hub."
            ) from error
        wanted: dict[str, Any] = {"allow_patterns": allow_patterns, "ignore_patterns": ignore_patterns}
        wanted["cache_dir"] = str(self.config.folder)
        commit, unreachable = _commit(hub_id, revision)
        if commit is None:
            try:
                return str(snapshot_download(hub_id, revision=revision, local_files_only=True, **wanted))
            except Exception as error:
                raise (unreachable if isinstance(unreachable, HfHubHTTPError) else error) from unreachable
        # By its commit, since that writes no reference: a branch never points to what is not there in whole.
        files = snapshot_download(hub_id, revision=commit, dry_run=True, tqdm_class=_silent_bar(), **wanted)
        coming: AbstractContextManager[None] = nullcontext()
        if not all(Path(file.local_path).exists() for file in files):
            missing = sum(file.file_size or 0 for file in files if file.will_download)
            coming = self._room.coming(layout.model_folder(hub_id), missing, commit)
        with coming:
            path = snapshot_download(hub_id, revision=commit, **wanted)
        self._room.arrived(layout.model_folder(hub_id), commit, revision or "main")
        return str(path)

    def contents(self) -> CacheContents:
        """Return what is kept, how large it is and when it was used last, the first to go on top."""
        return self._room.contents()

    def prune(self, *, dry_run: bool = False) -> Pruned:
        """Take out the least recently used models until the rest is within the budget, but none that is in use.

        Parameters
        ----------
        dry_run
            Whether to tell only which ones would go.
        """
        return self._room.prune(dry_run=dry_run)

    def __repr__(self) -> str:
        limit = self.config.max_size_gb
        return f"ModelCache: {'no limit' if limit is None else f'at most {limit:g} GB'}; see .contents()"


def _commit(hub_id: str, revision: str | None) -> tuple[str | None, Exception | None]:
    """Return the commit of a revision as the hub has it now, or None and why not."""
    from huggingface_hub import HfApi

    if revision and re.fullmatch(r"[0-9a-f]{40}", revision):
        return revision, None
    try:
        return HfApi().model_info(hub_id, revision=revision or "main").sha, None
    except Exception as error:
        return None, error


def _silent_bar() -> type[Any]:
    """Return a progress bar that is not shown, for what only asks."""
    from huggingface_hub.utils.tqdm import tqdm

    class Silent(tqdm):  # type: ignore[misc,unused-ignore]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **{**options, "disable": True})  # type: ignore[no-untyped-call,unused-ignore]

    return Silent


def _used_until_now(room: Room, folder: str, file: int) -> None:
    room.stamp(folder)
    locks.release(file)
