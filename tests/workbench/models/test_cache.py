"""The cache with a budget: what goes, what stays, what it says, and what the hub's own library finds in it."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

from workbench.errors import CacheError, InputError, LoadError
from workbench.models.cache import CacheConfig, ModelCache

from .hub_of_many import asking, make_models, serving

KILOBYTES = 100
NAMES = ["ant", "bee", "cat", "dog"]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give the folder behind a hub that this process asks."""
    folder = tmp_path_factory.mktemp("hub")
    make_models(folder, NAMES, KILOBYTES)
    with serving(folder) as address, asking(address):
        yield folder


def cache_for(folder: Path, models: float) -> ModelCache:
    """Return a cache with room for so many of the hub's models."""
    return ModelCache(CacheConfig(folder, max_size_gb=models * (KILOBYTES * 1000 + 500) / 1e9))


def names(models: Any) -> list[str]:
    return [model.name.removeprefix("team/") for model in models]


def test_a_model_is_fetched_whole_in_the_layout_of_the_hub_s_library(hub: Path, tmp_path: Path) -> None:
    cache = cache_for(tmp_path, 2)
    with cache.open("team/ant") as model:
        for file in (hub / "ant").iterdir():
            assert (model.path / file.name).read_bytes() == file.read_bytes()
    found = huggingface_hub.scan_cache_dir(tmp_path)
    (repository,) = found.repos
    assert (repository.repo_id, set(repository.refs)) == ("team/ant", {"main"})
    (entry,) = cache.contents()
    assert (entry.name, entry.nbytes, entry.revisions, entry.in_use) == ("team/ant", repository.size_on_disk, 1, False)


def test_the_least_recently_used_goes_first_whatever_was_fetched_first(hub: Path, tmp_path: Path) -> None:
    cache = cache_for(tmp_path, 3)
    for name in ["ant", "bee", "cat", "ant"]:
        cache.open(f"team/{name}").close()
    assert names(cache.contents()) == ["bee", "cat", "ant"]
    cache.open("team/dog").close()
    assert names(cache.contents()) == ["cat", "ant", "dog"]
    assert not list((tmp_path / ".workbench" / "trash").iterdir())


def test_what_is_open_stays_and_a_refusal_touches_nothing(hub: Path, tmp_path: Path) -> None:
    cache = cache_for(tmp_path, 2)
    ant = cache.open("team/ant")
    cache.open("team/bee").close()
    with cache.open("team/cat"):
        assert names(cache.contents()) == ["ant", "cat"]
        assert [model.in_use for model in cache.contents()] == [True, True]
        with pytest.raises(
            CacheError, match=r"'team/dog' needs 100 kB, the budget of this cache is 201 kB, and 200 kB .*use"
        ):
            cache.open("team/dog")
        assert names(cache.contents()) == ["ant", "cat"]
    assert ant.path.joinpath("config.json").read_text() == '{"name": "ant"}'
    del ant  # closed by its collection
    gc.collect()
    cache.open("team/dog").close()
    assert names(cache.contents()) == ["ant", "dog"], "ant was fetched first, and used until after cat"


def test_what_never_fits_is_said_before_anything_goes(hub: Path, tmp_path: Path) -> None:
    cache_for(tmp_path, 1).open("team/ant").close()
    with pytest.raises(CacheError, match="larger max_size_gb"):
        cache_for(tmp_path, 0.5).open("team/bee")
    assert names(cache_for(tmp_path, 1).contents()) == ["ant"]


def test_pruning_can_be_tried_first(hub: Path, tmp_path: Path) -> None:
    wide = cache_for(tmp_path, 4)
    for name in ["ant", "bee", "cat"]:
        wide.open(f"team/{name}").close()
    narrow = cache_for(tmp_path, 1)
    with narrow.open("team/ant"):
        told = narrow.prune(dry_run=True)
        assert names(told.models) == ["bee", "cat"]
        assert len(wide.contents()) == 3
        done = narrow.prune()
        assert (done.models, done.freed, done.left) == (told.models, told.freed, told.left)
        assert names(narrow.contents()) == ["ant"]
        assert "went, 200 kB; 100 kB are left" in repr(done)
        over = cache_for(tmp_path, 0.5).prune()
        assert not over.models
        assert "since they are in use" in repr(over)


def test_a_cache_without_a_limit_keeps_all(hub: Path, tmp_path: Path) -> None:
    cache = ModelCache(CacheConfig(tmp_path))
    for name in NAMES:
        cache.open(f"team/{name}").close()
    assert len(cache.contents()) == 4
    assert not cache.prune().models
    assert "no limit" in repr(cache.contents())


def test_models_that_others_fetched_count_and_go(hub: Path, tmp_path: Path) -> None:
    huggingface_hub.snapshot_download("team/ant", revision="main", cache_dir=tmp_path)
    cache = cache_for(tmp_path, 1)
    assert names(cache.contents()) == ["ant"]
    cache.open("team/bee").close()
    assert names(cache.contents()) == ["bee"]


def test_offline_what_is_there_opens_and_what_is_not_says_so(
    hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = cache_for(tmp_path, 2)
    cache.open("team/ant").close()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with cache.open("team/ant") as model:
        assert sorted(file.name for file in model.path.iterdir()) == sorted(
            file.name for file in (hub / "ant").iterdir()
        )
    with pytest.raises(LoadError, match="'team/bee' can be neither fetched nor found"):
        cache.open("team/bee")
    assert names(cache.contents()) == ["ant"]


@pytest.mark.parametrize(("name", "revision", "said"), [("team/none", None, "Not"), ("team/ant", "v9", "Revision")])
def test_a_model_that_the_hub_lacks_leaves_nothing(
    hub: Path, tmp_path: Path, name: str, revision: str | None, said: str
) -> None:
    cache = cache_for(tmp_path, 2)
    with pytest.raises(LoadError, match=said):
        cache.open(name, revision=revision)
    assert not len(cache.contents())


def test_files_that_models_share_count_once_and_go_with_the_last_of_them(hub: Path, tmp_path: Path) -> None:
    """The layout in which huggingface_hub keeps files of Xet storage, made from plain downloads."""
    cache = cache_for(tmp_path, 4)
    for name in ["ant", "bee", "cat"]:
        cache.open(f"team/{name}").close()
    payload = tmp_path / "blobs" / "ab" / ("ab" * 32)
    payload.parent.mkdir(parents=True)
    (tmp_path / "blobs" / ".huggingface-shared-blobs").write_text("1\n")
    for name in ["ant", "bee"]:
        blob = next((tmp_path / f"models--team--{name}" / "blobs").glob(b"model.safetensors".hex()))
        blob.replace(payload)
        blob.symlink_to(os.path.relpath(payload, blob.parent))
    before = cache.contents()
    assert before.nbytes == sum(model.nbytes for model in before) - 60_000
    one = cache_for(tmp_path, 2.2).prune()
    assert names(one.models) == ["ant"]
    assert one.freed == before[0].nbytes - 60_000, "bee still has the other file"
    assert payload.exists()
    assert names(cache_for(tmp_path, 1.1).prune().models) == ["bee"]
    assert not payload.exists()


def test_one_process_respects_what_another_has_open(hub: Path, tmp_path: Path) -> None:
    cache_for(tmp_path, 1).open("team/ant").close()
    code = """
        import sys
        from workbench.models.cache import CacheConfig, ModelCache
        model = ModelCache(CacheConfig(sys.argv[1])).use("team/ant")
        print("open", flush=True)
        sys.stdin.read()
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(CacheError, match="or another"):
            cache_for(tmp_path, 1).open("team/bee")
        other.kill()  # and with it its hold on the model
    cache_for(tmp_path, 1).open("team/bee").close()
    assert names(cache_for(tmp_path, 1).contents()) == ["bee"]


def test_what_is_being_fetched_counts_as_if_it_were_there(hub: Path, tmp_path: Path) -> None:
    cache = cache_for(tmp_path, 1.5)
    with serving(hub, slowly=0.05) as slow, asking(slow):
        fetching = threading.Thread(target=lambda: cache.open("team/ant").close())
        fetching.start()
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob("*/blobs/*.incomplete")) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert cache.contents().nbytes < KILOBYTES * 500, "there is room for another one now, and not later"
        with pytest.raises(CacheError, match="being fetched"):
            cache.open("team/bee")
        fetching.join(timeout=60)
    cache.open("team/bee").close()
    assert names(cache.contents()) == ["bee"]


def test_a_download_under_way_by_the_hub_s_own_library_is_respected(hub: Path, tmp_path: Path) -> None:
    from filelock import FileLock

    huggingface_hub.snapshot_download("team/ant", revision="main", cache_dir=tmp_path)
    lock = next((tmp_path / ".locks" / "models--team--ant").iterdir())
    with FileLock(lock), pytest.raises(CacheError):
        cache_for(tmp_path, 1).open("team/bee")
    cache_for(tmp_path, 1).open("team/bee").close()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"dir": 3}, "path"),
        ({"dir": ""}, "path"),
        ({"dir": "x", "max_size_gb": 0}, "more than 0"),
        ({"dir": "x", "max_size_gb": "5"}, "'5'"),
    ],
)
def test_a_budget_that_makes_no_sense_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        CacheConfig(**options)


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheError, match="Name another folder"):
        ModelCache(CacheConfig(tmp_path / "file" / "cache")).open("team/ant")
    assert not len(ModelCache(CacheConfig(tmp_path / "none")).contents())
    assert not ModelCache(CacheConfig(tmp_path / "none")).prune().models
    assert not (tmp_path / "none").exists(), "looking makes no folder"


def test_the_contents_are_a_value_with_a_table_and_two_pictures(hub: Path, tmp_path: Path) -> None:
    cache = cache_for(tmp_path, 3)
    for name in ["ant", "bee"]:
        cache.open(f"team/{name}").close()
    contents = cache.contents()
    frame = contents.to_pandas()
    assert list(frame.columns) == ["model", "bytes", "revisions", "last_used", "in_use"]
    assert frame["last_used"].is_monotonic_increasing
    assert "2 models, 200 kB of 302 kB" in repr(contents)
    for text in ["team/ant", "team/bee", "100 kB"]:
        assert text in repr(contents)
        assert text.replace(" ", "\N{NO-BREAK SPACE}") in contents._repr_html_()
    assert "would go" in cache_for(tmp_path, 1).prune(dry_run=True)._repr_html_()
    assert str(tmp_path) not in repr(contents) + repr(cache)


def test_what_a_killed_process_had_half_fetched_goes_with_the_download_of_another(hub: Path, tmp_path: Path) -> None:
    """The note of the killed one is removed with the download's own, and with it the last trace of what it left."""
    cache = cache_for(tmp_path, 3)
    with cache.open("team/ant") as model:
        commit = model.path.name
    file = max((tmp_path / "models--team--ant" / "blobs").iterdir(), key=lambda path: path.stat().st_size)
    for path in model.path.iterdir():
        if path.resolve() == file.resolve():
            path.unlink()
    file.unlink()
    with cache.use("team/ant"):
        note = tmp_path / ".workbench" / "coming" / "models--team--ant.0123456789abcdef"
        note.write_text(f'{{"model": "models--team--ant", "commit": "{commit}", "until": 1}}')
        left = file.with_name(f"{file.name}.01234567.incomplete")
        left.write_bytes(bytes(1000))
        whole = Path(cache.download("team/ant"))
    assert not left.exists()
    assert not note.exists()
    assert {path.name for path in whole.iterdir()} == {path.name for path in (hub / "ant").iterdir()}
