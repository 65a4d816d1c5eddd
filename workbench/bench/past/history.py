"""``wb.history``: the races of this machine that were kept, and how their times went."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.arrays import dtype_name
from workbench.bench import place
from workbench.bench.race import Race
from workbench.bench.racing.contest import parse_shape
from workbench.errors import HistoryError, InputError
from workbench.folders import data_folder

from . import store

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

ALL = "all"


@dataclass(frozen=True)
class Time:
    """What one contender took in one run: the median of its seconds per call, with its 95 % interval."""

    contender: str
    version: str
    median: float
    low: float
    high: float
    right: bool


@dataclass(frozen=True)
class Run:
    """One race of a history, without its samples.

    Parameters
    ----------
    id
        Its number; ``history[id]`` is the whole race.
    began
        When, in UTC: ``"2026-11-20T15:40:00Z"``.
    machine
        Where, as :func:`workbench.bench.place.machine` tells.
    op, shape, dtype
        What was raced, and on what.
    out
        Whether those that can wrote into a preallocated array.
    cache
        ``"warm"`` or ``"cold"``.
    libraries
        Versions of all that a time may depend on, by name.
    times
        The fastest first.
    device
        Name of the GPU on which it was raced; empty for the CPU.
    """

    id: int
    began: str
    machine: str
    op: str
    shape: tuple[int, ...]
    dtype: str
    out: bool
    cache: str
    libraries: Mapping[str, str]
    times: tuple[Time, ...]
    device: str = ""

    @property
    def question(self) -> tuple[str, tuple[int, ...], str, bool, str, str]:
        """What was asked; only runs with the same question can be compared."""
        return self.op, self.shape, self.dtype, self.out, self.cache, self.device

    def __getitem__(self, contender: str) -> Time:
        return next(time for time in self.times if time.contender == contender)

    def __contains__(self, contender: object) -> bool:
        return any(time.contender == contender for time in self.times)


@dataclass(frozen=True)
class History:
    """Races that were kept, the oldest first.

    Parameters
    ----------
    runs
        Those that fit what was asked for.
    path
        The file.
    machine
        Whose they are; ``"all"`` for those of every machine.
    elsewhere
        How many more of the same would be there with ``machine="all"``.
    """

    runs: tuple[Run, ...]
    path: Path = field(repr=False)
    machine: str = ALL
    elsewhere: int = 0

    def __len__(self) -> int:
        return len(self.runs)

    def __iter__(self) -> Iterator[Run]:
        return iter(self.runs)

    def __getitem__(self, run: int | Run) -> Race:
        """Return a race in full by its number, or by its run; ``history[-1]`` is the last one."""
        run = run.id if isinstance(run, Run) else run
        if run < 0 and -run <= len(self.runs):
            run = self.runs[run].id
        found = _select(self.path, "SELECT record FROM runs WHERE id = ?", [run])
        if not found:
            known = ", ".join(str(each.id) for each in self.runs[-10:])
            raise InputError(f"There is no run {run} in the history{f'; the last ones are {known}' if known else ''}.")
        return Race.from_json(found[0][0])

    def delete(self, *runs: int) -> History:
        """Delete runs by their numbers for good, and return the history without them."""
        with store.opened(self.path, write=True) as connection:
            for run in runs:
                if not connection.execute("DELETE FROM runs WHERE id = ?", (run,)).rowcount:
                    raise InputError(f"There is no run {run} in the history; nothing was deleted.")
        return replace(self, runs=tuple(run for run in self.runs if run.id not in runs))

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per run and contender; times in seconds."""
        from workbench.bench.tables import history_frame

        return history_frame(self)

    def to_csv(self, path: str | Path) -> None:
        """Write the table of :meth:`to_pandas` as CSV."""
        from workbench.bench.tables import to_csv

        to_csv(self.to_pandas(), path)

    def to_parquet(self, path: str | Path) -> None:
        """Write the table of :meth:`to_pandas` as Parquet, which needs pyarrow."""
        from workbench.bench.tables import to_parquet

        to_parquet(self.to_pandas(), path)

    def plot(self) -> go.Figure:
        """Return the trend: each contender's median with its interval, run by run; changed libraries are marked.

        Raises
        ------
        workbench.errors.InputError
            If the runs do not all answer the same question.
        """
        from workbench.views.races import trend_chart

        return trend_chart.trend(self)

    def __repr__(self) -> str:
        from .text import history_text

        return history_text(self)

    def _repr_html_(self) -> str:
        from workbench.views.races import history_card

        return history_card.history_card(self)


def history(
    op: str | None = None,
    *,
    shape: Any = None,
    dtype: Any = None,
    contender: str | None = None,
    out: bool | None = None,
    last: int | None = None,
    machine: str | None = None,
    path: str | Path | None = None,
) -> History:
    """Return the races that ``race.save()`` and ``workbench bench --record`` have kept.

    Parameters
    ----------
    op, shape, dtype, out
        Only those of this operation (``"custom"`` for functions), shape and dtype, and with ``out=`` or without.
    contender
        Only those in which it ran, and of them only its times.
    last
        Only the last so many.
    machine
        This machine's if None; ``"all"``, or the identity of another one, which a run tells.
    path
        The file. If None, what ``WORKBENCH_HISTORY`` names, or ``history.sqlite`` among the user's data.

    Raises
    ------
    workbench.errors.HistoryError
        If the file is locked or damaged.
    """
    if last is not None and last < 1:
        raise InputError(f"last= takes how many runs to show, at least 1; got {last}.")
    whose = place.machine() if machine is None else machine
    sizes = None if shape is None else json.dumps(list(parse_shape(shape)) if shape != () else [])
    wanted = {"op": op, "shape": sizes, "dtype": None if dtype is None else dtype_name(dtype), "out": out}
    conditions = [(f"runs.{name} = ?", value) for name, value in wanted.items() if value is not None]
    if contender is not None:
        conditions.append(("EXISTS (SELECT 1 FROM times WHERE run = runs.id AND contender = ?)", contender))
    where = " AND ".join(["1", *(text for text, _ in conditions)])
    values = [value for _, value in conditions]
    file = file_of(path)
    columns = "id, began, machine, op, shape, dtype, out, cache, libraries, device"
    rows = _select(file, f"SELECT {columns} FROM runs WHERE {where} ORDER BY began, id", values)
    here = [row for row in rows if whose in (ALL, row[2])]
    shown = here[-last:] if last is not None else here
    times = _times(file, [row[0] for row in shown], contender)
    return History(tuple(_run(file, row, times[row[0]]) for row in shown), file, whose, len(rows) - len(here))


def save(race: Race, path: str | Path | None = None) -> int:
    """Keep a race and return its number; the same race again has the same one. See :meth:`Race.save`."""
    file, text = file_of(path), race.to_json()
    conditions = race.conditions
    run = {
        "digest": hashlib.sha256(text.encode()).hexdigest(),
        "began": conditions.get("began") or datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "machine": place.machine(race.environment),
        "op": race.op,
        "shape": json.dumps(list(race.shape)),
        "dtype": race.dtype,
        "out": bool(conditions.get("out")),
        "cache": conditions.get("cache", "warm"),
        "device": conditions.get("device", ""),
        "libraries": json.dumps(libraries(race)),
        "record": text,
    }
    times = [(r.contender, r.version, r.median, *r.interval, r.right) for r in race.results]
    try:
        return store.add(file, run, times)
    except HistoryError as error:
        kept = _rescued(file, run["digest"], text)
        raise HistoryError(f"{error} The race is in {kept}; `workbench history import FILE` takes it in.") from error


def file_of(path: str | Path | None = None) -> Path:
    """Return the history's file: the given one, that of ``WORKBENCH_HISTORY``, or the user's; a folder holds one."""
    given = path if path is not None else os.environ.get("WORKBENCH_HISTORY", "")
    file = Path(given).expanduser() if str(given) else data_folder() / "history.sqlite"
    return file / "history.sqlite" if file.is_dir() else file


def libraries(race: Race) -> dict[str, str]:
    """Return versions of all that a time of a race may depend on, and what was set for them, by name."""
    where = race.environment
    named = {"python": where.get("python"), **where.get("libraries", {}), "blas": where.get("blas")}
    return {name: str(value) for name, value in {**named, "settings": where.get("settings")}.items() if value}


def changed(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return in words which libraries differ, such as ``numpy 2.4.5 -> 2.4.6``."""
    return [
        "settings"
        if name == "settings"
        else f"{name} {before.get(name, 'none')} \N{RIGHTWARDS ARROW} {now.get(name, 'none')}"
        for name in {**before, **now}
        if before.get(name) != now.get(name)
    ]


def _select(file: Path, query: str, values: list[Any]) -> list[Any]:
    if not file.exists():
        return []
    with store.opened(file) as connection:
        return connection.execute(query, values).fetchall()


def _times(file: Path, runs: list[int], contender: str | None) -> dict[int, list[Time]]:
    found: dict[int, list[Time]] = {run: [] for run in runs}
    if runs:
        query = "SELECT run, contender, version, median, low, high, right FROM times WHERE run >= ? ORDER BY run, place"
        for run, name, version, median, low, high, right in _select(file, query, [min(runs)]):
            if run in found and contender in (None, name):
                found[run].append(Time(name, version, median, low, high, bool(right)))
    return found


def _run(file: Path, row: Any, times: list[Time]) -> Run:
    number, began, machine, op, shape, dtype, out, cache, versions, device = row
    try:
        sizes, libraries = tuple(json.loads(shape)), dict(json.loads(versions))
    except (TypeError, ValueError) as error:
        raise HistoryError(store.damaged(file, f"run {number} cannot be read")) from error
    return Run(number, began, machine, op, sizes, dtype, bool(out), cache, libraries, tuple(times), device)


def _rescued(file: Path, digest: str, text: str) -> Path:
    """Write a race that the history does not take beside it, or where there is room."""
    name = f"race-{digest[:12]}.json"
    for folder in (file.parent, Path(tempfile.gettempdir())):
        try:
            (folder / name).write_text(text, encoding="utf-8")
        except OSError:
            continue
        return folder / name
    raise HistoryError(f"{file} cannot be written, nor can {file.parent} or {tempfile.gettempdir()}.")
