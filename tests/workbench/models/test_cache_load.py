"""``load(..., cache=)``: fetched within a budget, kept while the model lives, given back when it is closed."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import workbench as wb
from workbench.errors import CacheError, InputError, LoadError
from workbench.models.cache import CacheConfig, ModelCache

from ..alike import same  # noqa: TID252
from .hub_of_many import asking, serving

NAMES = ["ant", "bee", "cat"]


@pytest.fixture(scope="module")
def hub(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give the folder behind a hub that this process asks; each of its models is a small BERT."""
    folder = tmp_path_factory.mktemp("hub")
    for name in NAMES:
        shutil.copytree(bert, folder / name)
    (folder / "notes").mkdir()
    (folder / "notes" / "readme.txt").write_text("no model")
    with serving(folder) as address, asking(address):
        yield folder


@pytest.fixture
def config(bert: Path, tmp_path: Path) -> CacheConfig:
    """Return a cache with room for one and a half of the hub's models."""
    size = sum(file.stat().st_size for file in bert.iterdir())
    return CacheConfig(tmp_path / "cache", max_size_gb=1.5 * size / 1e9)


def kept(config: CacheConfig) -> list[tuple[str, bool]]:
    return [(model.name.removeprefix("team/"), model.in_use) for model in ModelCache(config).contents()]


def test_a_model_is_kept_within_the_budget_while_it_lives(hub: Path, config: CacheConfig) -> None:
    model = wb.load("team/ant", cache=config)
    assert kept(config) == [("ant", True)]
    with pytest.raises(CacheError, match=r"'team/bee' needs .* in use"):
        wb.load("team/bee", cache=ModelCache(config))
    assert model.run("a fused kernel")["last_hidden_state"].shape[-1] == 32, "built from files that are still there"
    del model
    gc.collect()
    wb.load("team/bee", cache=config)
    gc.collect()
    assert kept(config) == [("bee", False)]


def test_a_closed_model_may_go_and_what_is_in_memory_runs_on(hub: Path, config: CacheConfig) -> None:
    model = wb.load("team/ant", cache=config)
    before = model.run("a fused kernel")["last_hidden_state"]
    model.close()
    model.close()
    assert kept(config) == [("ant", False)]
    other = wb.load("team/bee", cache=config)
    assert kept(config) == [("bee", True)]
    assert same(model.run("a fused kernel")["last_hidden_state"], before)
    other.close()


def test_a_pipeline_keeps_its_model(hub: Path, config: CacheConfig) -> None:
    pipe = wb.pipeline("feature-extraction", "team/ant", cache=config)
    assert pipe("a fused kernel").shape == (32,)
    assert kept(config) == [("ant", True)]
    with pytest.raises(InputError, match="cache= says how a model is loaded"):
        wb.pipeline("feature-extraction", pipe.model, cache=config)
    with pipe.reopened(engine="torch"):
        pass
    assert kept(config) == [("ant", True)], "the other one did not load it"
    pipe.close()
    assert kept(config) == [("ant", False)]
    model = wb.load("team/ant", cache=config)
    wb.pipeline("feature-extraction", model).close()
    assert kept(config) == [("ant", True)], "the model is the caller's"
    model.close()
    with pytest.raises(InputError, match="made for"):
        wb.pipeline("text-classification", "team/ant", cache=config)
    assert kept(config) == [("ant", False)]


def test_what_fails_keeps_nothing_from_going(hub: Path, config: CacheConfig) -> None:
    with pytest.raises(LoadError, match=r"no config\.json") as caught:
        wb.load("team/notes", cache=config)
    assert kept(config) == [("notes", False)], "also while the error is looked at"
    with pytest.raises(LoadError, match=r"'team/none' cannot be fetched: the hub has no such model.*cache"):
        wb.load("team/none", cache=config)
    with pytest.raises(wb.WorkbenchError, match=r"cuda|device"):
        wb.load("team/ant", cache=config, device="cuda:99")
    assert ("ant", False) in kept(config)
    assert caught.value is not None


def test_offline_it_is_found_in_the_cache(hub: Path, config: CacheConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    wb.load("team/ant", cache=config).close()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert wb.load("team/ant", cache=config).info.parameters > 0
    with pytest.raises(LoadError, match=r"'team/bee' cannot be fetched: .*Go online"):
        wb.load("team/bee", cache=config)


@pytest.mark.parametrize(
    ("source", "options", "said"),
    [
        ("team/ant", {"cache": "models"}, r"cache='models' is no cache. Give wb.CacheConfig\('models', max_size_gb"),
        ("team/ant", {"cache": 3}, r"a wb.ModelCache"),
        ("team/ant", {"cache": CacheConfig("a"), "cache_dir": "b"}, "two places for one model"),
        ("sample:tiny-bert", {"cache": CacheConfig("a")}, "Leave cache out"),
        ("sample:mlp", {"cache": CacheConfig("a")}, "belongs to a Hugging Face model"),
    ],
)
def test_a_cache_that_makes_no_sense_is_refused(source: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        wb.load(source, **options)
