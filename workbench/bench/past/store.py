"""The file of the history: one SQLite database that several processes may write, and that a crash leaves whole.

SQLite is in Python's standard library, keeps everything in one file and has transactions. The journal is SQLite's
ordinary one and not the write-ahead log: a run is one short transaction, which another process simply waits for; the
log would be two more files that a copy of the history misses, and it does not work in a home folder on a network.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from workbench.errors import HistoryError

PATIENCE = 10.0
"""Seconds to wait for another process's transaction, each of which takes milliseconds."""
_APPLICATION = 0x46574248  # "FWBH": marks the file as ours
_MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE runs (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            digest TEXT NOT NULL UNIQUE,
            began TEXT NOT NULL,
            machine TEXT NOT NULL,
            op TEXT NOT NULL,
            shape TEXT NOT NULL,
            dtype TEXT NOT NULL,
            out INTEGER NOT NULL,
            cache TEXT NOT NULL,
            libraries TEXT NOT NULL,
            record TEXT NOT NULL
        )""",
        """CREATE TABLE times (
            run INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
            place INTEGER NOT NULL,
            contender TEXT NOT NULL,
            version TEXT NOT NULL,
            median REAL NOT NULL,
            low REAL NOT NULL,
            high REAL NOT NULL,
            right INTEGER NOT NULL,
            PRIMARY KEY (run, place)
        )""",
        "CREATE INDEX questions ON runs (machine, op, shape, dtype)",
    ),
    ("ALTER TABLE runs ADD COLUMN device TEXT NOT NULL DEFAULT ''",),
)
"""What makes each version of the schema out of the one before; those that stand are never changed, only added to."""


@contextmanager
def opened(path: Path, *, write: bool = False) -> Iterator[sqlite3.Connection]:
    """Open the history, made or brought to this version's schema if need be, for one transaction.

    Parameters
    ----------
    path
        The file; its folder is made.
    write
        Whether to lock it for writing at once, so that two writers wait for each other in place of failing.

    Raises
    ------
    workbench.errors.HistoryError
        If it is locked for longer than :data:`PATIENCE`, damaged, another program's, of a later version, or cannot be
        opened. The file is left as it is.
    """
    with _told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)) as connection:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA synchronous = FULL")
            _migrate(connection, path)
            connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            with connection:  # commits, or rolls back where an error passes
                yield connection


def add(path: Path, run: dict[str, Any], times: Sequence[Sequence[Any]]) -> int:
    """Add a run with the times of its contenders and return its number; one that is there keeps its own."""
    with opened(path, write=True) as connection:
        known = connection.execute("SELECT id FROM runs WHERE digest = ?", (run["digest"],)).fetchone()
        if known:
            return int(known[0])
        names, places = ", ".join(run), ", ".join(f":{name}" for name in run)
        added = connection.execute(f"INSERT INTO runs ({names}) VALUES ({places})", run)
        rows = [(added.lastrowid, place, *values) for place, values in enumerate(times)]
        connection.executemany("INSERT INTO times VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        return int(added.lastrowid or 0)


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Make the schema, or bring an older one to this version's, all of it or nothing."""
    if _version(connection) == len(_MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    with connection:
        version = _version(connection)  # another process may have done it meanwhile
        owner = connection.execute("PRAGMA application_id").fetchone()[0]
        if owner != _APPLICATION and (version or connection.execute("SELECT 1 FROM sqlite_master").fetchone()):
            raise HistoryError(f"{path} is a database of another program; name another file in WORKBENCH_HISTORY.")
        if version > len(_MIGRATIONS):
            raise HistoryError(
                f"{path} was written by a later version of the workbench (its schema is {version}, this version's "
                f"{len(_MIGRATIONS)}). Use that version, or name another file in WORKBENCH_HISTORY."
            )
        for statement in (statement for step in _MIGRATIONS[version:] for statement in step):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(_MIGRATIONS)}")
        connection.execute(f"PRAGMA application_id = {_APPLICATION}")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Say in our words what SQLite and the system find wrong with the file."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise HistoryError(damaged(path, "a text in it is none")) from error
    except OSError as error:
        raise HistoryError(
            f"The history's folder {path.parent} cannot be made: {error.strerror}. Name another file in "
            "WORKBENCH_HISTORY."
        ) from error
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise HistoryError(
                f"The history {path} has been locked by another process for {PATIENCE:g} seconds. End that one, or "
                "wait for it."
            ) from error
        # What is no text is found by Python, which gives no code.
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or str(error).startswith("Could not decode"):
            raise HistoryError(damaged(path, str(error))) from error
        raise HistoryError(
            f"The history {path} cannot be used: {error}. Name another file in WORKBENCH_HISTORY."
        ) from error


def damaged(path: Path, why: str) -> str:
    """Return the words for a history that cannot be read."""
    return (
        f"The history {path} is damaged ({why}). It is left as it is: move it away and a new one is begun; "
        f"`sqlite3 {path.name} .recover` gets out of it what can be read."
    )
