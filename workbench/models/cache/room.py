"""Keeping a folder within its budget: who goes, how, and what is left of a process that was killed meanwhile.

Everything here happens behind one gate, which one process at a time passes. A model goes in two steps: its folder is
renamed into the trash, which either happens or does not, and then removed. So a process that is killed leaves a whole
model or none, and trash that the next one to pass the gate removes. A download leaves a note of what it will need,
which counts as if it were there; a note whose process has ended says which revision may be incomplete, and that is
taken apart.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from workbench.errors import CacheError
from workbench.text import format_bytes

from . import layout, locks
from .config import CacheConfig
from .contents import CacheContents, CachedModel, Pruned, at


class Room:
    """What a folder holds, and how it is kept within its budget.

    Parameters
    ----------
    config
        The folder and the budget.
    """

    def __init__(self, config: CacheConfig) -> None:
        self._folder, self._budget = config.folder, config.max_bytes
        ours = self._folder / layout.OURS
        self._gate, self._locks, self._used = ours / "gate.lock", ours / "models", ours / "used"
        self._coming, self._trash = ours / "coming", ours / "trash"

    def lock_of(self, name: str) -> Path:
        """Return the file that whoever uses a model has locked together with others."""
        return self._locks / f"{name}.lock"

    def stamp(self, name: str) -> None:
        """Note that a model is used now; what the system notes of its own depends on how the disk is mounted."""
        now = time.time_ns()
        with suppress(OSError):
            self._used.mkdir(parents=True, exist_ok=True)
            (self._used / name).touch()
            os.utime(self._used / name, ns=(now, now))

    def tidy(self) -> None:
        """Remove what processes left that were killed, if there is anything."""
        if _listed(self._coming) or _listed(self._trash):
            with locks.alone(self._gate):
                self._sweep()

    def contents(self) -> CacheContents:
        """Return what is there."""
        if not self._folder.exists():
            return CacheContents((), 0, self._limit())
        with locks.alone(self._gate):
            models = layout.stored_models(self._folder)
            held = self._unused(list(models))
            for file in held.values():
                locks.release(file)
            return CacheContents(
                tuple(self._described(name, models[name], name not in held) for name in self._by_use(models)),
                layout.total(models.values()),
                self._limit(),
            )

    def prune(self, *, dry_run: bool) -> Pruned:
        """Take out the least recently used models that nobody uses, until the rest is within the budget."""
        if not self._folder.exists():
            return Pruned((), 0, 0, self._limit(), dry_run)
        with locks.alone(self._gate), ExitStack() as stack:
            if not dry_run:
                self._sweep()
            models, gone = self._chosen(stack)
            described = tuple(self._described(name, models[name], in_use=False) for name in gone)
            kept = layout.total(model for name, model in models.items() if name not in gone)
            if not dry_run:
                self._remove(gone)
            freed = layout.total(models.values()) - kept
            return Pruned(described, freed, kept, self._limit(), dry_run)

    @contextmanager
    def coming(self, name: str, nbytes: int, commit: str) -> Iterator[None]:
        """Make room for a download of a model that the caller uses, and keep it while the download lasts.

        Raises
        ------
        workbench.errors.CacheError
            If it does not fit, even if all that nobody uses went; then nothing goes.
        """
        with locks.alone(self._gate), ExitStack() as stack:
            self._sweep()
            now = layout.stored(self._folder / name).nbytes
            models, gone = self._chosen(stack, name, now + nbytes)
            there = layout.total(model for other, model in models.items() if other not in gone)
            if there + self._promised(models, name, now + nbytes) > self._budget:
                raise CacheError(self._refusal(name, nbytes, there))
            self._remove(gone)
            note = self._coming / f"{name}.{secrets.token_hex(8)}"
            file = locks.exclusive(note, wait=True)
            assert file is not None  # its name is new
            os.write(file, json.dumps({"model": name, "commit": commit, "until": now + nbytes}).encode())
            os.fsync(file)
        try:
            yield
        finally:
            locks.release(file)  # `arrived` removes the note; else whoever passes the gate next takes the rest apart

    def arrived(self, name: str, commit: str, revision: str) -> None:
        """Note that a commit is there in whole, and is what a branch or tag of that name means."""
        for note in _listed(self._coming):
            file = locks.exclusive(note, wait=False) if note.name.startswith(f"{name}.") else None
            if file is not None:
                with suppress(OSError, ValueError):
                    if json.loads(note.read_text())["commit"] == commit:
                        note.unlink(missing_ok=True)
                locks.release(file)
        self._drop_parts(name)
        reference = self._folder / name / "refs" / revision
        if revision != commit and not (reference.is_file() and reference.read_text() == commit):
            reference.parent.mkdir(parents=True, exist_ok=True)
            new = reference.with_name(f"{reference.name}.{secrets.token_hex(4)}.tmp")
            new.write_text(commit)
            new.replace(reference)

    def _drop_parts(self, name: str) -> None:
        """Remove what a killed process had half fetched of a model, unless another one is fetching it."""
        if not list((self._folder / name).glob("blobs/*.incomplete")):
            return
        with locks.alone(self._gate):  # so that no other download begins meanwhile
            for note in _listed(self._coming):
                file = locks.exclusive(note, wait=False) if note.name.startswith(f"{name}.") else -1
                if file is None:
                    return
                if file >= 0:
                    locks.release(file)
            if layout.is_downloading(self._folder, name):
                return
            for part in (self._folder / name).glob("blobs/*.incomplete"):
                part.unlink(missing_ok=True)

    def _chosen(self, stack: ExitStack, name: str = "", until: int = 0) -> tuple[dict[str, layout.Stored], list[str]]:
        """Return all models, and those that go so that one can grow until so many bytes; the stack has their locks."""
        models = layout.stored_models(self._folder)
        gone: list[str] = []
        need = self._promised(models, name, until) - self._budget
        for other in self._by_use(models):
            if layout.total(model for kept, model in models.items() if kept not in gone) + need <= 0:
                break
            for file in self._unused([other]).values():
                stack.callback(locks.release, file)
                gone.append(other)
        return models, gone

    def _promised(self, models: dict[str, layout.Stored], name: str, until: int) -> int:
        """Return the bytes that downloads under way still need, and a further one of the model ``name``."""
        promised = {name: until}
        for note in _listed(self._coming):
            file = locks.exclusive(note, wait=False)
            if file is not None:
                locks.release(file)
                continue
            with suppress(OSError, ValueError, KeyError):
                told = json.loads(note.read_text())
                promised[told["model"]] = max(promised.get(told["model"], 0), int(told["until"]))
        return sum(max(0, size - (models[name].nbytes if name in models else 0)) for name, size in promised.items())

    def _unused(self, names: list[str]) -> dict[str, int]:
        """Return those models that nobody uses or fetches, with a lock for each that keeps it so."""
        held = {}
        for name in names:
            file = locks.exclusive(self.lock_of(name), wait=False)
            if file is not None and layout.is_downloading(self._folder, name):
                locks.release(file)
            elif file is not None:
                held[name] = file
        return held

    def _remove(self, names: list[str]) -> None:
        """Remove models whose locks are held."""
        for name in names:
            self._discard(self._folder / name)
        if names:
            self._empty_trash()

    def _sweep(self) -> None:
        """Remove what processes left that were killed: trash, and revisions that may be incomplete."""
        for note in _listed(self._coming):
            file = locks.exclusive(note, wait=False)
            if file is None:
                continue
            with suppress(
                OSError, ValueError, KeyError
            ):  # a note of which nothing could be written: nothing was fetched
                told = json.loads(note.read_text())
                held = self._unused([told["model"]])
                if not held:  # somebody else has it open; another time
                    locks.release(file)
                    continue
                self._take_apart(self._folder / told["model"], str(told["commit"]))
                for model in held.values():
                    locks.release(model)
            note.unlink(missing_ok=True)
            locks.release(file)
        self._empty_trash()

    def _take_apart(self, folder: Path, commit: str) -> None:
        """Remove a revision and what was half fetched; whole files stay, and need not be fetched again."""
        for reference in [path for path in folder.glob("refs/**/*") if path.is_file()]:
            if reference.read_text().strip() == commit:
                reference.unlink(missing_ok=True)
        if commit and (folder / "snapshots" / commit).is_dir():
            self._discard(folder / "snapshots" / commit)
        for part in folder.glob("blobs/*.incomplete"):
            part.unlink(missing_ok=True)

    def _discard(self, path: Path) -> None:
        with suppress(FileNotFoundError):
            self._trash.mkdir(parents=True, exist_ok=True)
            path.rename(self._trash / f"{path.name}.{secrets.token_hex(8)}")

    def _empty_trash(self) -> None:
        for path in _listed(self._trash):
            shutil.rmtree(path, ignore_errors=True)
        layout.drop_orphans(self._folder)

    def _by_use(self, models: dict[str, layout.Stored]) -> list[str]:
        return sorted(models, key=lambda name: (self._last_used(name, models[name]), name))

    def _last_used(self, name: str, model: layout.Stored) -> float:
        try:
            return (self._used / name).stat().st_mtime
        except OSError:
            return model.changed

    def _described(self, name: str, model: layout.Stored, in_use: bool) -> CachedModel:
        used = at(self._last_used(name, model))
        return CachedModel(layout.hub_id(name), model.nbytes, model.revisions, used, in_use)

    def _limit(self) -> int | None:
        return None if self._budget == float("inf") else int(self._budget)

    def _refusal(self, name: str, nbytes: int, there: int) -> str:
        budget = f"the budget of this cache is {format_bytes(self._budget)}"
        asked = f"{layout.hub_id(name)!r} needs {format_bytes(nbytes)}"
        if nbytes > self._budget:
            return f"{asked}, and {budget}. Nothing was fetched or removed. Give it a larger max_size_gb."
        return (
            f"{asked}, {budget}, and {format_bytes(there)} of that are in use or being fetched, by this process or "
            "another. Nothing was fetched or removed. Close models that are no longer needed, or give it a larger "
            "max_size_gb."
        )


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
