"""A race in a child process: its result, its progress, its death."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

import fused_kernels as fk
from workbench.bench.process import race_in_child, race_in_process
from workbench.bench.progress import Progress
from workbench.errors import InputError, RaceError

QUICK: dict[str, Any] = {"shape": (8, 8), "contenders": ("numpy",), "rounds": 2}
ENDLESS: dict[str, Any] = {"shape": (8, 8), "contenders": ["numpy"], "budget": 600.0}


def children() -> list[int]:
    """Return the races under way; other tests of this process may have children of their own, such as a browser."""
    return [child.pid for child in psutil.Process().children(recursive=True) if races(child)]


def races(process: psutil.Process) -> bool:
    try:
        return "workbench.bench.worker" in process.cmdline()
    except psutil.Error:  # it has ended meanwhile
        return False


async def until_it_races(steps: list[Progress]) -> None:
    while not any(step.stage == "racing" for step in steps):
        await asyncio.sleep(0.01)


def test_a_race_comes_back_with_its_progress() -> None:
    steps: list[Progress] = []
    race = asyncio.run(race_in_process("softmax", progress=steps.append, **QUICK))
    assert race["numpy"].right
    assert race.shape == (8, 8)
    assert {step.stage for step in steps} == {"preparing", "checking", "racing"}
    assert not children()


@pytest.fixture
def cube() -> Iterator[str]:
    """An operation that only this process knows."""

    @fk.elementwise
    def cube(x: Any) -> Any:
        return x * x * x

    yield "cube"
    fk.OPS._ops.pop("cube")
    fk.OPS._added.discard("cube")


def test_an_operation_of_this_process_races_here(cube: str) -> None:
    steps: list[Progress] = []
    race = asyncio.run(race_in_process(cube, progress=steps.append, shape=(8, 8), rounds=2))
    assert race["numba"].right, race.verdict
    assert {step.stage for step in steps} >= {"preparing", "checking"}


def test_cancel_ends_a_race_in_this_process(cube: str) -> None:
    async def cancel() -> None:
        steps: list[Progress] = []
        task = asyncio.create_task(race_in_process(cube, progress=steps.append, shape=(8, 8), budget=600.0))
        await until_it_races(steps)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())  # which waits for the threads of its executor: this ends only if the race does


def test_cancel_kills_the_child_and_a_second_race_works() -> None:
    async def cancel_then_race() -> None:
        steps: list[Progress] = []
        task = asyncio.create_task(race_in_process("softmax", progress=steps.append, **ENDLESS))
        await until_it_races(steps)
        (child,) = children()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not psutil.pid_exists(child)
        count = len(steps)
        race = await race_in_process("softmax", **QUICK)
        assert race["numpy"].right
        assert len(steps) == count, "a cancelled race reports no more"

    asyncio.run(cancel_then_race())


def test_a_race_runs_in_a_loop_of_another_thread() -> None:
    async def elsewhere() -> Any:
        return await asyncio.to_thread(lambda: asyncio.run(race_in_process("softmax", **QUICK)))

    assert asyncio.run(elsewhere())["numpy"].right


def test_a_failing_progress_ends_the_child() -> None:
    def fail(step: Progress) -> None:
        raise RuntimeError(step.stage)

    with pytest.raises(RuntimeError, match="preparing"):
        asyncio.run(race_in_process("softmax", progress=fail, **ENDLESS))
    assert not children()


def test_a_killed_child_is_a_race_error() -> None:
    def kill(step: Progress) -> None:
        if step.stage == "racing":
            os.kill(children()[0], signal.SIGKILL)

    with pytest.raises(RaceError, match=r"SIGKILL .* smaller shape"):
        race_in_child("softmax", progress=kill, **ENDLESS)


def test_a_crash_comes_with_the_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "onnxruntime.py").write_text(
        "import os, sys\nprint('the end is near', file=sys.stderr, flush=True)\nos.abort()\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(RaceError, match=r"SIGABRT(.|\n)*the end is near"):
        race_in_child("softmax", shape=(8, 8), contenders=["onnxruntime"])


def test_what_others_print_does_not_disturb_the_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sitecustomize.py").write_text("import os\nprint('good morning', flush=True)\nos.write(1, b'{\\n')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert race_in_child("softmax", **QUICK)["numpy"].right


def test_the_folder_of_the_notebook_hides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kernels").mkdir()
    for name in ("kernels/__init__.py", "numpy.py", "json.py"):
        (tmp_path / name).write_text("raise RuntimeError('the wrong module')\n")
    monkeypatch.chdir(tmp_path)
    assert race_in_child("softmax", **QUICK)["numpy"].right


def test_the_child_ends_with_its_parent(tmp_path: Path) -> None:
    """Killed with no time to clean up, a kernel leaves no race behind."""
    import subprocess
    import sys

    code = (
        "from workbench.bench.process import race_in_child\n"
        f"race_in_child('softmax', progress=lambda step: print(step.stage, flush=True), **{ENDLESS!r})\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent:
        assert any(line == "racing\n" for line in parent.stdout)
        (child,) = psutil.Process(parent.pid).children()
        parent.kill()
    assert not psutil.wait_procs([child], timeout=10)[1]


@pytest.mark.parametrize(
    "run", [race_in_child, lambda *args, **options: asyncio.run(race_in_process(*args, **options))]
)
def test_errors_arrive_as_they_are_with_the_childs_traceback(run: Any) -> None:
    with pytest.raises(InputError, match="Did you mean 'softmax'") as caught:
        run("softmx")
    assert "of_operation" in "".join(caught.value.__notes__)


def test_what_cannot_be_sent_is_said() -> None:
    with pytest.raises(InputError, match=r"wb\.compare"):
        race_in_child({"mine": print})  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no arrays"):
        race_in_child("softmax", inputs=object())
