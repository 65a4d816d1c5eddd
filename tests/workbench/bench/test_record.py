"""A race as a record: out and in without loss, and its tables as files."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import workbench as wb
from workbench.bench import tables
from workbench.bench.environment import environment
from workbench.bench.place import machine
from workbench.bench.race import Race, Result
from workbench.errors import InputError, MissingLibraryError

ODD = Race(
    "custom",
    (),
    "object",
    (
        Result("a", "", (0.1 + 0.2, 5e-324, 1e22), 1.5, math.inf, False, "returns <b>nothing</b> of \u00b5"),
        Result("b", "b 1", (1.0, 2.0, 3.0), math.nan, math.nan, True),
    ),
    {"c": 'no "c" here\n'},
    {"cost": {"flops": np.int64(3), "share": np.float32(0.5)}, "load": None, "ends": [-math.inf, math.nan], "out": []},
    {"cpu": "a CPU", "caches": {"L1d": 2**53 + 1}},
)


@pytest.fixture(scope="module")
def race() -> Race:
    return wb.compare("softmax", shape=(8, 64), contenders=["numpy", "numba"], budget=0)


def test_a_race_goes_out_as_json_and_comes_back_equal(race: Race, tmp_path: Path) -> None:
    assert Race.from_json(race.to_json()) == race
    text = race.to_json(tmp_path / "race.json")
    assert Race.from_json(tmp_path / "race.json") == Race.from_json(str(tmp_path / "race.json")) == race
    assert (tmp_path / "race.json").read_text(encoding="utf-8") == text
    assert Race.from_json(text).verdict == race.verdict


def test_what_json_does_not_know_comes_back_too() -> None:
    text = ODD.to_json()

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    json.loads(text, parse_constant=refuse)
    back = Race.from_json(text)
    assert repr(back.to_dict()) == repr(Race.from_json(back.to_json()).to_dict())
    assert back.results[0] == ODD.results[0], "each number to its last bit"
    assert math.isnan(back["b"].error)
    assert math.isnan(back["b"].first_call)
    assert back.conditions["ends"][0] == -math.inf
    assert math.isnan(back.conditions["ends"][1])
    assert back.conditions["cost"] == {"flops": 3, "share": 0.5}
    assert back.environment == ODD.environment


def test_a_race_of_an_older_version_is_read(race: Race) -> None:
    record = race.to_dict()
    for result in record["results"]:
        del result["fault"]
    assert Race.from_json(json.dumps(record)) == race


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"op": "softmax"}', "no race of this version of the workbench: it has no 'results'"),
        ('{"op": ', "it is no JSON"),
        ("nothing.json", "nothing.json cannot be read as a race: No such file"),
    ],
)
def test_what_is_no_race_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Race.from_json(text)


def test_what_a_later_version_adds_is_named(race: Race) -> None:
    record = race.to_dict()
    record["results"][0]["colour"] = "red"
    with pytest.raises(InputError, match="'colour'"):
        Race.from_json(json.dumps(record))


def test_tables_go_into_files_and_come_back(race: Race, tmp_path: Path) -> None:
    samples = race.samples()
    assert list(samples.columns) == ["contender", "round", "seconds"]
    assert len(samples) == len(race.results) * race.conditions["rounds"]
    assert tuple(samples.query("contender == 'numba'").seconds) == race["numba"].seconds
    race.to_csv(tmp_path / "race.csv")
    race.to_csv(tmp_path / "samples.csv", samples=True)
    race.to_parquet(tmp_path / "race.parquet")
    race.to_parquet(tmp_path / "samples.parquet", samples=True)
    for name, frame in (("race", race.to_pandas()), ("samples", samples)):
        pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / f"{name}.parquet"), frame)
        read = pd.read_csv(tmp_path / f"{name}.csv", keep_default_na=False)
        pd.testing.assert_frame_equal(read, frame, check_exact=True)


def test_without_pyarrow_the_message_has_the_pip_line(
    race: Race, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workbench.bench import environment

    monkeypatch.setattr(environment, "installed", lambda distribution: "")
    with pytest.raises(MissingLibraryError, match="pip install"):
        race.to_parquet(tmp_path / "race.parquet")
    with pytest.raises(InputError, match="cannot be written"):
        tables.to_csv(race.to_pandas(), tmp_path / "nowhere" / "race.csv")


def test_the_environment_tells_what_a_time_depends_on_and_not_whose_machine_it_is() -> None:
    here = environment()
    assert {"cpu", "cores", "caches", "frequency", "microcode", "memory", "huge_pages", "limits", "governor"} <= set(
        here
    )
    assert {"container", "blas", "libraries", "settings", "python"} <= set(here)
    assert json.loads(json.dumps(here)) == here


def test_a_machine_is_the_same_by_what_computes() -> None:
    here = environment()
    assert machine() == machine(here) == machine(here | {"system": "other", "libraries": {}})
    assert machine(here | {"cores": 1000}) != machine(here)
    assert len(machine({})) == 12
