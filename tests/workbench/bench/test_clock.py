"""The clock: threads that wait for a core, cold caches, the memory of a call, and when a race ends."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from workbench.bench.compare import compare
from workbench.bench.racing.footprint import peak_of
from workbench.bench.racing.scheduler import Scheduler
from workbench.errors import InputError

counts = pytest.mark.skipif(not Scheduler().counts, reason="this system does not count what threads wait")
SPIN = "import time\nend = time.monotonic() + 60\nwhile time.monotonic() < end: pass"


@pytest.fixture
def one_core() -> Iterator[int]:
    """Bind this thread, and what it starts, to one core."""
    allowed = os.sched_getaffinity(0)
    core = min(allowed)
    os.sched_setaffinity(0, {core})
    yield core
    os.sched_setaffinity(0, allowed)


@counts
def test_waiting_for_a_core_that_another_program_has_is_seen(one_core: int) -> None:
    scheduler = Scheduler()
    with subprocess.Popen([sys.executable, "-c", SPIN]) as busy:
        try:
            waited = 0.0
            for _ in range(50):
                scheduler.begin()
                begin = time.perf_counter()
                while time.perf_counter() < begin + 0.02:
                    pass
                waited += scheduler.waited(time.perf_counter() - begin)
        finally:
            busy.kill()
    assert waited > 0.1  # of one second on a core that two share


@counts
def test_a_thread_that_sleeps_does_not_wait() -> None:
    scheduler, done = Scheduler(), threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        waited = []
        for _ in range(30):
            scheduler.begin()
            begin = time.perf_counter()
            while time.perf_counter() < begin + 0.002:
                pass
            waited.append(scheduler.waited(time.perf_counter() - begin))
    finally:
        done.set()
        thread.join()
    assert min(waited) < 0.0005  # one of them, whatever else goes on


def test_threads_that_come_and_go_leave_no_open_file() -> None:
    def opened() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208

    if not os.path.isdir("/proc/self/fd"):  # noqa: PTH112
        pytest.skip("this system lists no open files")
    before = opened()
    scheduler = Scheduler()
    for _ in range(20):
        threads = [threading.Thread(target=time.sleep, args=(0.002,)) for _ in range(5)]
        for thread in threads:
            thread.start()
        scheduler.begin()
        scheduler.others_run()
        for thread in threads:
            thread.join()
        scheduler.waited(0.001)
    del scheduler
    assert opened() <= before


def test_a_cold_race_goes_through_more_memory_than_the_caches_hold() -> None:
    seen: set[int] = set()

    def note(x: np.ndarray) -> np.ndarray:
        seen.add(x.__array_interface__["data"][0])
        return x + 1

    x = np.ones((256, 1024), np.float32)
    race = compare({"note": note}, inputs=(x,), cache="cold", budget=0)
    assert race.conditions["cache"] == "cold"
    assert "cold cache" in race.conditions_text
    caches = race.environment["caches"]
    assert len(seen) * x.nbytes >= max(caches.values(), default=0)


def test_a_cold_race_of_small_arrays_has_a_bounded_number_of_places() -> None:
    seen: set[int] = set()

    def note(x: np.ndarray) -> np.ndarray:
        seen.add(x.__array_interface__["data"][0])
        return x + 1

    race = compare({"note": note}, inputs=(np.ones(64),), cache="cold", budget=0)
    assert race["note"].right
    assert 100 < len(seen) < 1100


@pytest.mark.parametrize("out", [True, False])
def test_every_usual_contender_races_cold(out: bool) -> None:
    race = compare("softmax", shape=(64, 256), cache="cold", budget=0, out=out)
    assert {result.contender for result in race.results} >= {"numpy", "numba"}
    assert all(result.right for result in race.results)


def test_the_memory_of_a_call_is_told_in_bytes() -> None:
    peak = peak_of(lambda: np.ones(4 << 20))
    if peak is None:
        pytest.skip("this system does not tell the memory of a process")
    assert 0.9 * (32 << 20) < peak < 1.5 * (32 << 20)
    assert peak_of(lambda: np.ones(8)) == 0


def test_a_race_that_knows_its_ratios_ends_before_its_time() -> None:
    x = np.ones(1000)
    race = compare({"one": lambda x: x + 1, "other": lambda x: x + 1}, inputs=(x,), budget=30, interval=0.5)
    assert race.conditions["stopped"] == "interval"
    assert race.conditions["rounds"] < 100
    assert compare({"one": lambda x: x + 1}, inputs=(x,), rounds=8).conditions["stopped"] == "rounds"


@pytest.mark.parametrize("wrong", [{"cache": "lukewarm"}, {"interval": 2}, {"interval": -0.1}, {"interval": "narrow"}])
def test_what_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError, match="|".join(wrong)):
        compare({"one": lambda x: x}, inputs=(np.ones(3),), **wrong)
