"""Long work behind a button: it shows how far it is, can be cancelled, and never fails in silence.

A job runs on an event loop of its own thread, made at the first start and shared by all jobs of the process.
ipykernel may hand a click to its main thread or to a subshell's, each with another event loop, and the main one
stands still while a cell runs; on its own loop a job starts, reports and stops alike in all of these cases, and
in a plain Python process without any loop.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError, Future
from functools import cache
from typing import Any, Generic, TypeVar

import ipywidgets as widgets
import traitlets

from workbench.models.awaited import Stop

from .status import error_html, progress_html, status_html

T = TypeVar("T")
Report = Callable[[str, float | None], None]
"""``report(text, share)``: what is being done, and the share of it that is done (0 to 1, or None if unknown)."""

STATES = ("empty", "working", "done", "failed", "cancelled")


def stoppable(report: Report, stop: Stop) -> Callable[[Any], None]:
    """Return what takes the steps of work in another thread, tells of them, and ends it at one where that is asked."""

    def progress(step: Any) -> None:
        if stop.requested:
            raise asyncio.CancelledError
        report(str(step), step.fraction)

    return progress


class Job(widgets.VBox, Generic[T]):  # type: ignore[misc]
    """A Run and a Cancel button with a status line under them, around one coroutine function.

    Parameters
    ----------
    work
        ``await work(report)`` does the work and returns its result. Cancel raises ``asyncio.CancelledError`` in it.
    done
        Called with the result, in the job's thread. What it raises is shown like a failure of the work.
    label
        The word on the button that starts the work.
    hint
        What the status says before the first run.
    said
        Makes the status of a finished run from its result; "Done." if None.
    rest
        Seconds after a run in which a click does nothing: for quick work that a double click is not to do twice.

    Attributes
    ----------
    state
        One of :data:`STATES`; may be observed.
    error
        The exception of the last run if it failed.
    failure
        A widget that shows it, with the traceback folded; to be placed where there is room for it.
    buttons
        The row of the two; others may stand beside them.
    """

    state = traitlets.Enum(STATES, default_value="empty")

    def __init__(
        self,
        work: Callable[[Report], Awaitable[T]],
        done: Callable[[T], None] | None = None,
        *,
        label: str = "Run",
        hint: str = "",
        said: Callable[[T], str] | None = None,
        rest: float = 0.0,
    ) -> None:
        self.rest, self._ended = rest, -math.inf
        self._work, self._done, self._said = work, done, said
        self._lock = threading.Lock()
        self._task: asyncio.Task[T] | None = None
        self._settled: Future[T] = Future()
        self._reported, self._again = 0.0, False
        self.error: BaseException | None = None
        self.run_button = widgets.Button(description=label, layout=widgets.Layout(width="auto"))
        self.cancel_button = widgets.Button(description="Cancel", disabled=True, layout=widgets.Layout(width="auto"))
        self.run_button.add_class("fw-primary")
        self.status, self.failure = widgets.HTML(status_html(hint)), widgets.HTML()
        self.run_button.on_click(lambda _: self._click())
        self.cancel_button.on_click(lambda _: self.cancel())
        self.buttons = widgets.HBox([self.run_button, self.cancel_button]).add_class("fw-actions")
        super().__init__([self.buttons, self.status], _dom_classes=("fw-job",))

    def start(self) -> None:
        """Start the work and return at once; does nothing while it is under way."""
        with self._lock:
            if self.state == "working":
                return
            self._settled, self.error, self._reported = Future(), None, 0.0
            self.run_button.disabled, self.cancel_button.disabled = True, False
            self.status.value, self.failure.value = progress_html("starting", None), ""
            self.state = "working"
            loop().call_soon_threadsafe(self._begin)

    def restart(self) -> None:
        """Start the work; what is under way is cancelled first."""
        with self._lock:
            self._again = self.state == "working"
        if self._again:
            self.cancel()
        else:
            self.start()

    def cancel(self) -> None:
        """Ask the work to stop; does nothing if none is under way."""
        with self._lock:
            if self.state == "working":
                self.cancel_button.disabled = True
                loop().call_soon_threadsafe(self._stop)

    def result(self, timeout: float | None = None) -> T:
        """Wait for the run that was started last and return its result.

        Raises
        ------
        concurrent.futures.CancelledError
            If it was cancelled.
        TimeoutError
            If it takes longer than ``timeout`` seconds; it goes on.
        Exception
            Whatever the work raised.
        """
        return self._settled.result(timeout)

    def say(self, hint: str) -> None:
        """Say what the next run would be, in place of how the last one ended, unless one is under way."""
        if self.state != "working":
            self.status.value, self.failure.value = status_html(hint), ""

    async def finished(self) -> str:
        """Wait for the run under way, if there is one, without blocking the event loop; return :attr:`state`."""
        if self.state == "working":
            await asyncio.wait([asyncio.wrap_future(self._settled)])
        return str(self.state)

    def _click(self) -> None:
        if time.monotonic() - self._ended >= self.rest:
            self.start()

    def _begin(self) -> None:
        self._task = asyncio.ensure_future(self._run())
        self._task.add_done_callback(self._settle)  # called even for a task that is cancelled before its first step

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> T:
        result = await self._work(self._report)
        if self._done is not None:
            self._done(result)
        return result

    def _settle(self, task: asyncio.Task[T]) -> None:
        outcome: T | None = None
        error: BaseException | None = CancelledError() if task.cancelled() else task.exception()
        if task.cancelled():
            state, status = "cancelled", status_html("Cancelled.")
        elif error is not None:
            state, status, self.error = "failed", status_html("Failed."), error
            self.failure.value = error_html(error)
        else:
            outcome = task.result()
            state, status = "done", status_html(self._said(outcome) if self._said else "Done.")
        self.status.value, self._ended = status, time.monotonic()
        self.run_button.disabled, self.cancel_button.disabled = False, True
        self.state = state
        if error is None:
            self._settled.set_result(outcome)  # type: ignore[arg-type]
        else:
            self._settled.set_exception(error)
        with self._lock:
            again, self._again = self._again, False
        if again:
            self.start()

    def _report(self, text: str, share: float | None) -> None:
        now = time.monotonic()
        # A faster line cannot be read, and each one is a message to the browser; one without a share stays for long.
        if share is None or now - self._reported >= 0.1:
            self._reported = now
            self.status.value = progress_html(text, share)


@cache
def loop() -> asyncio.AbstractEventLoop:
    """Return the event loop of all jobs, which runs in a thread of its own."""
    made = asyncio.new_event_loop()
    threading.Thread(target=made.run_forever, name="workbench-jobs", daemon=True).start()
    return made
