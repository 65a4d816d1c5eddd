"""The ceilings of this machine, measured once and kept in the user's cache folder under the machine's identity."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from workbench.bench.environment import environment
from workbench.bench.place import machine
from workbench.bench.process import work_in_child
from workbench.folders import cache_folder

from .ceilings import Ceilings

DAYS = 30
"""Older measurements are made again: kernels, firmware and hosts are renewed."""
_VERSION = 1
_LIBRARIES = ("numba", "llvmlite", "fusion-workbench")
"""Those that compile the measuring loops."""


def ceilings(*, fresh: bool = False) -> Ceilings:
    """Return the ceilings of this machine; what was measured before, if it was on this machine and not long ago.

    They are measured in a process of their own, in two to six seconds. Two processes that want them at once do not
    measure at once: the second one waits, and reads what the first one found. What was measured while other programs
    ran is measured again by the next call, and the higher of the two is kept.

    Parameters
    ----------
    fresh
        Measure again, whatever is kept.

    Raises
    ------
    workbench.errors.RaceError
        If the measuring process ends without a result.
    """
    identity = _identity()
    path = cache_folder() / "ceilings" / f"{identity['machine']}-{identity['threads']}.json"
    began = time.time()
    if not fresh and (known := _read(path, identity)) is not None and not known.disturbed:
        return known
    with _alone(path):
        # Another process may have measured while this one waited.
        known = _read(path, identity, since=began if fresh else 0.0)
        if known is not None and not known.disturbed:
            return known
        found = _measured()
        if known is not None:
            found = found.or_higher(known)
        _write(path, {"version": _VERSION, "when": time.time(), **identity, "ceilings": found.to_dict()})
    return found


def _measured() -> Ceilings:
    with closing(work_in_child("ceilings", {})) as messages:
        return Ceilings.from_dict(next(messages)["ceilings"])


def _identity() -> dict[str, Any]:
    """Return what a measurement depends on: the machine, the threads that the kernels use, and who compiles them."""
    from fused_kernels.cpu import threads

    here = environment()
    libraries = {name: here["libraries"].get(name, "") for name in _LIBRARIES}
    return {"machine": machine(here), "threads": threads.count(), "libraries": libraries}


def _read(path: Path, identity: dict[str, Any], since: float = 0.0) -> Ceilings | None:
    """Return what is kept, unless it is not of this machine, or stale, or damaged."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        age = time.time() - record["when"]
        same = record["version"] == _VERSION and all(record[name] == value for name, value in identity.items())
        if not same or not 0 <= age < DAYS * 86_400 or record["when"] < since:
            return None
        return Ceilings.from_dict(record["ceilings"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(path: Path, record: dict[str, Any]) -> None:
    """Keep a record; where the folder cannot be written it is measured anew next time."""
    new = path.with_name(f"{path.name}.{os.getpid()}")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        new.write_text(json.dumps(record), encoding="utf-8")
        new.replace(path)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Wait until no other process is within; the system ends a process's claim with the process."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_suffix(".lock").open("a+b")
    except OSError:  # no folder to write into, so there is nothing to share either
        yield
        return
    with lock:
        _claim(lock.fileno())
        yield


def _claim(file: int) -> None:
    """Lock a file until it is closed; where the file system has no locks, go on without."""
    if os.name == "nt":
        import msvcrt

        for _ in range(6):  # each try waits ten seconds
            with suppress(OSError):
                msvcrt.locking(file, msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined,unused-ignore]
                return
    else:
        import fcntl

        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
