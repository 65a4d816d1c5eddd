"""Two processes share a cache that is too small for them, and are killed at random in the middle of what they do."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import huggingface_hub
import pytest

from workbench.models.cache import CacheConfig, ModelCache

from .hub_of_many import SETTINGS, make_models, serving

KILOBYTES = 300
NAMES = ["ant", "bee", "cat", "dog", "eel", "fox"]
BUDGET = 4.2 * KILOBYTES * 1000
"""Room for four of the six; each process opens up to two at a time."""

# Imports once and forks a user for each line that it reads, so that a killed one is replaced in no time.
NURSERY = """
    import os, random, signal, sys, time, traceback
    from pathlib import Path
    from huggingface_hub import HfApi, snapshot_download
    from workbench.errors import CacheError
    from workbench.models.cache import CacheConfig, ModelCache
    import filelock

    folder, log, budget, kilobytes, *names = sys.argv[1:]
    size = int(kilobytes)

    def whole(model):
        name = model.name.removeprefix("team/")
        expected = {
            "config.json": f'{{"name": "{name}"}}'.encode(),
            "model.safetensors": name.encode().ljust(10, b".") * (size * 60),
            "extra.safetensors": name.encode().ljust(10, b"-") * (size * 40),
        }
        for file, content in expected.items():
            assert (model.path / file).read_bytes() == content, f"{model.name} {file} is not whole"

    def use(seed):
        chance = random.Random(seed)
        cache = ModelCache(CacheConfig(folder, max_size_gb=float(budget) / 1e9))
        while True:
            models, said = [], "ok"
            try:
                for name in chance.sample(names, chance.choice([1, 1, 2])):
                    models.append(cache.open(f"team/{name}"))
                    whole(models[-1])
                time.sleep(chance.random() * 0.02)
                for model in models:
                    whole(model)
            except CacheError:
                said = "full"
            for model in models:
                model.close()
            if chance.random() < 0.1:
                cache.prune()
            os.write(out, f"{said}\\n".encode())

    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        child = os.fork()
        if not child:
            try:
                use(int(line))
            except BaseException:
                os.write(out, ("failed " + traceback.format_exc().replace("\\n", "|") + "\\n").encode())
            os._exit(1)
        print(child, flush=True)
"""


class Nursery:
    """Starts users of a cache in no time."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process, self._seed = process, 0

    def start(self) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._seed += 1
        self._process.stdin.write(f"{self._seed}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@contextmanager
def nursery(folder: Path, log: Path, address: str) -> Iterator[Nursery]:
    arguments = [sys.executable, "-c", textwrap.dedent(NURSERY), folder, log, BUDGET, KILOBYTES, *NAMES]
    with subprocess.Popen(
        list(map(str, arguments)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **SETTINGS, "HF_ENDPOINT": address},
    ) as process:
        yield Nursery(process)
        assert process.stdin is not None
        process.stdin.close()


def bytes_in(folder: Path) -> int:
    """Return the bytes of all files of models, those on their way in and out included."""
    found = 0
    for place, _, files in os.walk(folder):
        if "blobs" in Path(place).parts:
            for file in files:
                try:
                    found += (Path(place) / file).lstat().st_size
                except FileNotFoundError:
                    continue
    return found


def over_budget(folder: Path) -> bool:
    """Tell whether there is more than the budget; a file that moves meanwhile may count twice, but not each time."""
    return all(bytes_in(folder) > BUDGET for _ in range(4))


@pytest.mark.parametrize("seconds", [3, pytest.param(60, marks=pytest.mark.slow)])
def test_killed_processes_leave_whole_models_within_the_budget(tmp_path: Path, seconds: int) -> None:
    make_models(tmp_path / "hub", NAMES, KILOBYTES)
    folder, log = tmp_path / "cache", tmp_path / "log"
    chance = random.Random(1)
    kills = looks = 0
    with serving(tmp_path / "hub", slowly=0.0005) as address:
        with nursery(folder, log, address) as users:
            running = [users.start(), users.start()]
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                pause = time.monotonic() + chance.choice([0.03, 0.1, 0.3]) * (0.5 + chance.random())
                while time.monotonic() < pause:
                    looks += 1
                    assert not over_budget(folder)
                    time.sleep(0.005)
                place = chance.randrange(2)
                try:
                    os.kill(running[place], signal.SIGKILL)
                    kills += 1
                except ProcessLookupError:  # it failed, which the log says
                    break
                running[place] = users.start()
            for child in running:
                os.kill(child, signal.SIGKILL)
        outcomes = Counter(line.split()[0] for line in log.read_text().splitlines())
        print(f"{kills} kills, {dict(outcomes)}, {looks} looks at the size")
        assert not outcomes["failed"], log.read_text()
        assert outcomes["ok"] > 2 * seconds
        assert kills > 2 * seconds
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
            cache = ModelCache(CacheConfig(folder, max_size_gb=BUDGET / 1e9))
            cache.prune()
            check_what_is_left(cache, folder, tmp_path / "hub")


def check_what_is_left(cache: ModelCache, folder: Path, hub: Path) -> None:
    contents = cache.contents()
    assert len(contents)
    assert not any(model.in_use for model in contents)
    for model in contents:
        name = model.name.removeprefix("team/")
        try:
            path = Path(huggingface_hub.snapshot_download(model.name, cache_dir=folder, local_files_only=True))
        except huggingface_hub.errors.LocalEntryNotFoundError:
            continue  # it was being fetched: not there, and nothing pretends that it is
        for file in (hub / name).iterdir():
            assert (path / file.name).read_bytes() == file.read_bytes()
    assert not list((folder / ".workbench" / "trash").iterdir())
    assert not list((folder / ".workbench" / "coming").iterdir())
    assert not list(folder.glob("**/*.incomplete"))
    assert bytes_in(folder) <= BUDGET


DIES = """
    import os, shutil, signal, sys
    from pathlib import Path
    from workbench.models.cache import CacheConfig, ModelCache

    def dies(folder, **options):
        next(path for path in Path(folder).rglob("*") if path.is_file()).unlink()
        os.kill(os.getpid(), signal.SIGKILL)

    shutil.rmtree = dies
    ModelCache(CacheConfig(sys.argv[1], max_size_gb=float(sys.argv[2]) / 1e9)).prune()
"""


def offline(folder: Path, name: str) -> bool:
    """Tell whether the hub's own library finds a model in the cache."""
    try:
        huggingface_hub.snapshot_download(f"team/{name}", cache_dir=folder, local_files_only=True)
    except huggingface_hub.errors.LocalEntryNotFoundError:
        return False
    return True


def test_killed_within_a_removal_it_leaves_nothing_of_the_model(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    make_models(tmp_path / "hub", NAMES[:2], KILOBYTES)
    with serving(tmp_path / "hub") as address:
        for name in NAMES[:2]:
            opens = f"ModelCache(CacheConfig({str(folder)!r})).open('team/{name}').close()"
            run(f"from workbench.models.cache import CacheConfig, ModelCache; {opens}", address)
        killed = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(DIES), folder, str(1.5 * KILOBYTES * 1000)], check=False
        )
        assert killed.returncode == -signal.SIGKILL
    assert not (folder / "models--team--ant").exists()
    assert list((folder / ".workbench" / "trash").iterdir())
    assert (offline(folder, "ant"), offline(folder, "bee")) == (False, True)
    cache = ModelCache(CacheConfig(folder))
    assert [model.name for model in cache.contents()] == ["team/bee"]
    cache.use("team/bee").close()
    assert not list((folder / ".workbench" / "trash").iterdir()), "swept by the next one who comes"


def test_killed_within_a_download_it_leaves_the_whole_files_and_no_model(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    make_models(tmp_path / "hub", NAMES[:1], KILOBYTES)
    (tmp_path / "hub" / "ant" / "model.safetensors").write_bytes(bytes(1_000_000))
    code = f"""
        from workbench.models.cache import CacheConfig, ModelCache
        ModelCache(CacheConfig({str(folder)!r}, max_size_gb=0.002)).open("team/ant")
    """
    with serving(tmp_path / "hub", slowly=0.02) as address:
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code)], env={**os.environ, **SETTINGS, "HF_ENDPOINT": address}
        )
        deadline = time.monotonic() + 60
        extra = folder / "models--team--ant" / "blobs" / b"extra.safetensors".hex()
        while not extra.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        process.kill()
        assert process.wait() == -signal.SIGKILL
        assert list(folder.glob("*/blobs/*.incomplete"))
        assert not offline(folder, "ant"), "no branch points to it"
        cache = ModelCache(CacheConfig(folder, max_size_gb=0.002))
        cache.use("team/other").close()
        assert not list(folder.glob("*/blobs/*.incomplete")), "swept by the next one who comes"
        assert not list((folder / ".workbench" / "coming").iterdir())
        assert not list((folder / "models--team--ant" / "snapshots").iterdir())
        assert extra.exists(), "what is whole need not be fetched again"
        assert "incomplete" in repr(cache.contents())
    with serving(tmp_path / "hub") as address:
        run(textwrap.dedent(code), address)
    assert offline(folder, "ant")


def run(code: str, address: str) -> None:
    subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **SETTINGS, "HF_ENDPOINT": address}, check=True, timeout=60
    )
