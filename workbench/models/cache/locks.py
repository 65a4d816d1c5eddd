"""Locks between processes, which the system ends with the process that holds them, however that ends.

They are those of ``flock``: one of each open file, so that two threads exclude each other as two processes do, and a
forked child that inherits an open model keeps it as long as it lives.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workbench.errors import CacheError

try:
    import fcntl
except ImportError:  # no POSIX system
    fcntl = None  # type: ignore[assignment,unused-ignore]


def shared(path: Path) -> int:
    """Wait until nobody has a file for itself, and return it locked together with others; `release` ends it."""
    return _locked(path, "LOCK_SH", wait=True)


def exclusive(path: Path, *, wait: bool) -> int | None:
    """Return a file that nobody else has, locked; None if somebody has it and ``wait`` is false."""
    try:
        return _locked(path, "LOCK_EX", wait=wait)
    except BlockingIOError:
        return None


def release(file: int) -> None:
    """Give a lock back."""
    os.close(file)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Wait for a file that nobody else has, and hold it."""
    file = _locked(path, "LOCK_EX", wait=True)
    try:
        yield
    finally:
        release(file)


def _locked(path: Path, kind: str, *, wait: bool) -> int:
    if fcntl is None:
        raise CacheError(
            "A cache with a budget needs the file locks of Linux or macOS, which this system lacks. Load with "
            "cache_dir= instead, which keeps all."
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise CacheError(
            f"The cache cannot write {path}: {error.strerror}. Name another folder, or make this one writable."
        ) from error
    try:
        fcntl.flock(file, getattr(fcntl, kind) | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        os.close(file)
        raise
    except OSError as error:
        os.close(file)
        raise CacheError(
            f"The disk with {path} has no file locks ({error.strerror}), without which a cache cannot know what is in "
            "use. Name a folder on a local disk."
        ) from error
    except BaseException:
        os.close(file)
        raise
    return file
