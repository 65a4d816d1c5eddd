"""A job behind a button: every state, in a process without an event loop and beside one."""

import asyncio
import threading
import time
from concurrent.futures import CancelledError

import ipywidgets as widgets
import pytest

from workbench.errors import LoadError
from workbench.views.jobs import Job
from workbench.views.status import guarded


async def forever(report):
    while True:
        report("round 3 of 20", 0.15)
        await asyncio.sleep(0.01)


def wait_until(condition):
    give_up = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.005)


def test_a_run_goes_from_empty_to_done_and_hands_its_result_on():
    async def work(report):
        report("half of it", 0.5)
        return 42

    seen, states = [], []
    job = Job(work, seen.append, hint="nothing yet", said=lambda result: f"it is {result}")
    job.observe(lambda change: states.append(change["new"]), "state")
    assert job.state == "empty"
    assert "nothing yet" in job.status.value
    job.run_button.click()
    assert job.result(5) == 42
    assert seen == [42]
    assert states == ["working", "done"]
    assert "it is 42" in job.status.value
    assert not job.run_button.disabled
    assert job.cancel_button.disabled


def test_progress_is_shown_while_it_works_and_cancel_stops_it():
    job = Job(forever)
    job.start()
    wait_until(lambda: "round 3 of 20" in job.status.value)
    assert 'aria-valuenow="15"' in job.status.value
    assert job.run_button.disabled
    job.cancel_button.click()
    with pytest.raises(CancelledError):
        job.result(5)
    assert job.state == "cancelled"
    assert "Cancelled" in job.status.value
    assert not job.run_button.disabled


def test_work_can_clean_up_before_a_cancelled_job_may_start_again():
    cleaned = []

    async def work(report):
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.1)
            cleaned.append(True)

    job = Job(work)
    job.start()
    wait_until(lambda: job.state == "working")
    time.sleep(0.05)
    job.cancel()
    job.start()  # still cleaning up: not a second run
    with pytest.raises(CancelledError):
        job.result(5)
    assert cleaned == [True]


def test_a_job_cancelled_before_its_first_step_is_cancelled_and_can_run_again():
    for _ in range(50):
        job = Job(forever)
        job.start()
        job.cancel()
        with pytest.raises(CancelledError):
            job.result(5)
        assert job.state == "cancelled"
        assert not job.run_button.disabled


def test_a_second_click_does_not_start_a_second_run():
    started = []

    async def work(report):
        started.append(threading.current_thread().name)
        await asyncio.sleep(0.1)

    job = Job(work)
    clicks = [threading.Thread(target=job.run_button.click) for _ in range(8)]
    for click in clicks:
        click.start()
    for click in clicks:
        click.join()
    job.result(5)
    assert len(started) == 1


def test_our_error_is_a_sentence_with_the_traceback_folded():
    async def work(report):
        raise LoadError("There is no file <missing>.onnx; give a path that exists.")

    job = Job(work)
    job.start()
    with pytest.raises(LoadError):
        job.result(5)
    assert job.state == "failed"
    assert isinstance(job.error, LoadError)
    assert "Failed" in job.status.value
    sentence, folded = job.failure.value.split("<details>")
    assert "There is no file &lt;missing&gt;.onnx; give a path that exists." in sentence
    assert "LoadError" not in sentence
    assert "Traceback" in folded


def test_a_foreign_error_and_one_in_the_receiver_are_shown_too():
    async def work(report):
        return {}

    job = Job(work, lambda result: result["absent"])
    job.start()
    with pytest.raises(KeyError):
        job.result(5)
    assert "KeyError" in job.failure.value.split("<details>")[0]
    assert not job.run_button.disabled


def test_a_failed_job_can_be_run_again():
    attempts = []

    async def work(report):
        attempts.append(len(attempts))
        if len(attempts) == 1:
            raise LoadError("not yet")
        return "loaded"

    job = Job(work)
    job.start()
    with pytest.raises(LoadError):
        job.result(5)
    job.start()
    assert job.result(5) == "loaded"
    assert job.error is None
    assert job.failure.value == ""


def test_a_job_works_beside_a_running_loop_that_is_blocked():
    async def work(report):
        await asyncio.sleep(0.01)
        return threading.current_thread().name

    async def cell():
        job = Job(work)
        job.start()
        time.sleep(0.2)  # a cell that blocks the kernel's loop
        assert job.state == "done"
        job.start()
        assert await job.finished() == "done"
        return job.result(0)

    assert asyncio.run(cell()) != threading.main_thread().name


def test_finished_returns_the_state_of_a_cancelled_and_of_an_idle_job():
    async def cell():
        job = Job(forever)
        assert await job.finished() == "empty"
        job.start()
        await asyncio.sleep(0.05)
        job.cancel()
        return await job.finished()

    assert asyncio.run(cell()) == "cancelled"


def test_a_guarded_handler_says_what_went_wrong():
    status = widgets.HTML()
    button = widgets.Button()
    button.on_click(guarded(lambda _: (_ for _ in ()).throw(LoadError("no such folder")), status))
    button.click()
    assert "no such folder" in status.value
