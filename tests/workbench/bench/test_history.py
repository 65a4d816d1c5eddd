"""The history: what is kept stays, whatever happens to the processes that write it."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import pytest

import workbench as wb
from workbench.bench.environment import environment
from workbench.bench.past import store
from workbench.bench.race import Race, Result
from workbench.errors import HistoryError, InputError


def made(median: float = 1e-6, *, day: int = 1, op: str = "softmax", numpy: str = "2.4.5", **changes: Any) -> Race:
    """Return a race of this machine as it may come out."""
    results = tuple(
        Result(name, f"{name} 1", (seconds, 1.01 * seconds, 0.99 * seconds), 0.1, 1e-7, True)
        for name, seconds in (("numba", median), ("numpy", 10e-6))
    )
    conditions = {"began": f"2026-11-{day:02}T12:00:00Z", "cache": "warm", "out": ["numba"], "rounds": 3}
    where = environment() | {"libraries": {"numpy": numpy}}
    return replace(Race(op, (8, 64), "float32", results, {}, conditions, where), **changes)


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WORKBENCH_HISTORY", str(tmp_path / "of" / "mine" / "history.sqlite"))
    return tmp_path / "of" / "mine" / "history.sqlite"


def test_a_race_is_kept_and_comes_back_in_full(file: Path) -> None:
    race = wb.compare("softmax", shape=(8, 64), contenders=["numpy", "numba"], budget=0)
    assert len(wb.history()) == 0
    assert not file.exists(), "looking makes nothing"
    number = race.save()
    assert race.save() == number, "the same race is one run"
    history = wb.history()
    assert history[number] == history[-1] == race
    (run,) = history
    assert (run.op, run.shape, run.dtype, run.out) == ("softmax", (8, 64), "float32", True)
    assert run["numba"].median == race["numba"].median
    assert (run["numba"].low, run["numba"].high) == race["numba"].interval
    assert run.libraries["numpy"] == race.environment["libraries"]["numpy"]
    assert "numba" in run
    assert "torch" not in run


def test_the_history_is_asked_for_what_one_wants() -> None:
    first, second = made(day=1).save(), made(2e-6, day=2).save()
    made(day=3, op="scale").save()
    made(day=4, dtype="float64").save()
    made(day=5, shape=(4, 4)).save()
    made(day=6, environment={"cpu": "another"}).save()
    assert [run.id for run in wb.history("softmax", shape="8x64", dtype="float32")] == [first, second]
    assert [run.id for run in wb.history("softmax", shape=(8, 64), dtype=float, last=1)] == [4]
    assert len(wb.history()) == 5
    assert wb.history().elsewhere == 1
    assert len(wb.history(machine="all")) == 6
    assert len(wb.history(out=False)) == 0
    only = wb.history("scale", contender="numpy")
    assert [time.contender for run in only for time in run.times] == ["numpy"]
    assert len(wb.history(contender="torch")) == 0
    with pytest.raises(InputError, match="at least 1"):
        wb.history(last=0)
    with pytest.raises(InputError, match=r"no run 99 in the history; the last ones are 1, 2"):
        wb.history()[99]


def test_runs_are_deleted_all_or_none() -> None:
    numbers = [made(day=day).save() for day in (1, 2, 3)]
    history = wb.history()
    with pytest.raises(InputError, match="no run 99 in the history; nothing was deleted"):
        history.delete(numbers[0], 99)
    assert len(wb.history()) == 3
    left = history.delete(*numbers[:2])
    assert [run.id for run in left] == [run.id for run in wb.history()] == numbers[2:]
    assert made(day=4).save() > max(numbers), "a number is never given twice"


def test_a_history_reads_as_text_as_html_and_as_a_table(tmp_path: Path) -> None:
    assert "race.save()" in repr(wb.history())
    made(day=1).save()
    made(2e-6, day=2, numpy="2.4.6").save()
    history = wb.history("softmax")
    text = repr(history)
    assert text.startswith("2 runs of this machine.")
    assert "softmax 8 x 64 float32, out=" in text
    assert "numba 1.00 µs" in text
    assert "NumPy 10.0x" in text
    assert "numpy 2.4.5 \N{RIGHTWARDS ARROW} 2.4.6" in text
    assert "numpy 2.4.5" in history._repr_html_()
    assert "<script" not in history._repr_html_()
    frame = history.to_pandas()
    assert list(frame.contender) == ["numba", "numpy"] * 2
    history.to_csv(tmp_path / "h.csv")
    history.to_parquet(tmp_path / "h.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "h.parquet"), frame)
    assert len(pd.read_csv(tmp_path / "h.csv")) == 4


def test_the_trend_draws_each_contender_and_marks_what_changed() -> None:
    assert wb.history().plot().layout.annotations[0].text.startswith("No runs yet")
    for day, (median, numpy) in enumerate([(1e-6, "2.4.5"), (1.1e-6, "2.4.5"), (2e-6, "2.4.6")], start=1):
        made(median, day=day, numpy=numpy).save()
    figure = wb.history("softmax").plot()
    assert isinstance(figure, go.Figure)
    lines = {trace.name: trace for trace in figure.data}
    scale = lines["numpy"].y[0] / 10e-6
    assert list(lines["numba"].y) == pytest.approx([1e-6 * scale, 1.1e-6 * scale, 2e-6 * scale])
    assert all(size > 0 for size in lines["numba"].error_y.array)
    (mark,) = figure.layout.shapes
    assert mark.x0 == 1.5
    assert any(note.text == "numpy 2.4.5 \N{RIGHTWARDS ARROW} 2.4.6" for note in figure.layout.annotations)
    assert {"numba", "NumPy"} <= {note.text for note in figure.layout.annotations}
    made(op="scale").save()
    with pytest.raises(InputError, match=r"here are 2.*wb\.history\('softmax', shape=\(8, 64\)"):
        wb.history().plot()


def started(code: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, str(Path(__file__).parent), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


WRITER = """
import sys; sys.path.insert(0, sys.argv[1])
from test_history import made
for turn in range(int(sys.argv[3])):
    print(made((1 + turn) * 1e-6, op=sys.argv[2]).save(), flush=True)
"""


def test_two_processes_write_at_once() -> None:
    writers = [started(WRITER, name, 30) for name in ("softmax", "scale")]
    outputs = [writer.communicate(timeout=100) for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0], outputs
    numbers = [int(number) for words, _ in outputs for number in words.split()]
    assert sorted(numbers) == sorted(run.id for run in wb.history())
    assert len(set(numbers)) == 60
    assert {run.op for run in wb.history()} == {"softmax", "scale"}


def test_a_killed_writer_loses_nothing_that_it_had_kept(file: Path) -> None:
    for round_ in range(3):
        writer = started(WRITER, f"op{round_}", 10_000)
        assert writer.stdout is not None
        kept = [int(writer.stdout.readline()) for _ in range(5 + 7 * round_)]
        writer.send_signal(signal.SIGKILL)
        rest, _ = writer.communicate(timeout=20)
        kept += [int(line) for line in rest.splitlines(keepends=True) if line.endswith("\n")]
        assert set(kept) <= {run.id for run in wb.history(f"op{round_}")}
        with sqlite3.connect(file) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert not connection.execute("SELECT id FROM runs WHERE id NOT IN (SELECT run FROM times)").fetchall()
        connection.close()
    made(day=9).save()


def test_a_crash_in_the_middle_of_a_transaction_is_rolled_back(file: Path) -> None:
    made().save()
    code = """
import os, signal, sys
from pathlib import Path
from workbench.bench.past import store
with store.opened(Path(sys.argv[2]), write=True) as connection:
    connection.execute("PRAGMA cache_spill = 1"); connection.execute("PRAGMA cache_size = 2")
    connection.execute("DELETE FROM times")
    connection.execute("UPDATE runs SET record = zeroblob(4000000)")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    writer = started(code, file)
    assert writer.wait(timeout=50) == -signal.SIGKILL
    assert file.with_name("history.sqlite-journal").exists(), "it was killed with half of it written"
    assert wb.history()[1] == made()


def test_a_locked_history_is_an_error_and_the_race_is_not_lost(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made().save()
    monkeypatch.setattr(store, "PATIENCE", 0.05)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    race = made(day=2)
    with pytest.raises(HistoryError, match=r"has been locked by another process.*workbench history import") as caught:
        race.save()
    other.close()
    (kept,) = file.parent.glob("race-*.json")
    assert str(kept) in str(caught.value)
    assert Race.from_json(kept) == race
    assert Race.from_json(kept).save() == 2


@pytest.mark.parametrize(
    "damage", [lambda data: b"no database" * 1000, lambda data: data[:100] + bytes(len(data) - 100)]
)
def test_a_damaged_history_is_an_error_and_left_as_it_is(file: Path, damage: Callable[[bytes], bytes]) -> None:
    for day in range(1, 9):
        made(day=day).save()
    file.write_bytes(damage(file.read_bytes()))
    before = file.read_bytes()
    with pytest.raises(HistoryError, match="is damaged"):
        wb.history()
    with pytest.raises(HistoryError, match="The race is in"):
        made(day=10).save()
    assert file.read_bytes() == before
    (kept,) = file.parent.glob("race-*.json")
    assert Race.from_json(kept) == made(day=10)


@pytest.mark.parametrize("column", ["libraries", "shape"])
def test_a_run_that_is_damaged_is_named(file: Path, column: str) -> None:
    made().save(), made(day=2).save()
    with sqlite3.connect(file) as connection:
        connection.execute(f"UPDATE runs SET {column} = '{{' WHERE id = 2")
    with pytest.raises(HistoryError, match=r"is damaged \(run 2 cannot be read\)"):
        wb.history()
    with sqlite3.connect(file) as connection:
        connection.execute(f"UPDATE runs SET {column} = CAST(x'ff' AS TEXT) WHERE id = 2")
    with pytest.raises(HistoryError, match=r"is damaged"):
        wb.history()


def test_a_run_is_as_good_as_its_number() -> None:
    made().save()
    history = wb.history()
    assert [history[run] for run in history] == [history[1]]


def test_a_place_that_cannot_be_written_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HistoryError, match="WORKBENCH_HISTORY"):
        made().save(tmp_path / "file" / "history.sqlite")


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    foreign = tmp_path / "places.sqlite"
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE bookmarks (url)")
    connection.close()
    before = foreign.read_bytes()
    with pytest.raises(HistoryError, match="another program"):
        made().save(foreign)
    assert foreign.read_bytes() == before


def test_an_older_history_is_brought_to_the_new_schema_and_a_later_one_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made().save()
    monkeypatch.setattr(store, "_MIGRATIONS", (*store._MIGRATIONS, ("ALTER TABLE runs ADD COLUMN note TEXT",)))
    made(day=2).save()
    assert len(wb.history()) == 2
    with store.opened(wb.history().path) as connection:
        assert connection.execute("SELECT note FROM runs").fetchall() == [(None,), (None,)]


def test_a_history_from_before_races_on_gpus_is_of_the_cpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite"
    with monkeypatch.context() as earlier:
        earlier.setattr(store, "_MIGRATIONS", store._MIGRATIONS[:1])
        earlier.setattr(store, "add", partial(_without_device, store.add))
        made().save(path)
    made(day=2).save(path)
    assert [run.device for run in wb.history(path=path)] == ["", ""]


def _without_device(add: Callable[..., int], path: Path, run: dict[str, Any], times: Any) -> int:
    return add(path, {name: value for name, value in run.items() if name != "device"}, times)


def test_a_history_of_a_later_version_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite"
    with monkeypatch.context() as later:
        later.setattr(store, "_MIGRATIONS", (*store._MIGRATIONS, ("SELECT 1",)))
        made().save(path)
    with pytest.raises(HistoryError, match=r"later version of the workbench \(its schema is 3"):
        wb.history(path=path)


def test_a_failed_migration_changes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite"
    made().save(path)
    with monkeypatch.context() as later:
        later.setattr(store, "_MIGRATIONS", (*store._MIGRATIONS, ("DROP TABLE times", "nonsense")))
        with pytest.raises(HistoryError, match="nonsense"):
            made(day=2).save(path)
    assert len(wb.history(path=path)) == 1


def test_it_lies_where_the_platform_keeps_a_users_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("WORKBENCH_HISTORY")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    if sys.platform == "linux":
        assert wb.history().path == tmp_path / "fusion-workbench" / "history.sqlite"
    monkeypatch.setenv("WORKBENCH_HISTORY", str(tmp_path))
    assert wb.history().path == tmp_path / "history.sqlite", "a folder holds one"


def test_a_history_knows_when() -> None:
    race = made()
    race = replace(race, conditions={name: value for name, value in race.conditions.items() if name != "began"})
    race.save()
    (run,) = wb.history()
    assert run.began.startswith(time.strftime("%Y", time.gmtime()))
