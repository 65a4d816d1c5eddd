"""The thread behind a batcher, and what it shares with the callers."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic

from workbench.errors import ClosedError, QueueFullError, RunError
from workbench.text import format_seconds

from .config import BatchConfig
from .halving import Outcome, run_apart
from .line import Item, Line, Request
from .metrics import BatchMetrics, Recorder
from .reply import Answer, LoopReply, Result, deliver

_AT_EXIT = 5.0
"""Seconds that the end of the interpreter waits for a run under way."""


class Worker(Generic[Item, Result]):
    """A line of requests and the thread that runs them, which starts with the first request.

    Parameters
    ----------
    function, config, name
        As for :class:`~workbench.pipelines.batching.batcher.Batcher`.
    lengths
        Whether the lengths of requests mean anything.
    """

    def __init__(
        self,
        function: Callable[[list[Item]], Sequence[Result | BaseException]],
        config: BatchConfig,
        *,
        lengths: bool,
        name: str,
    ) -> None:
        self.config = config
        self.closed = False
        self._function, self._lengths, self._name = function, lengths, name
        self._reborn = threading.Lock()  # taken in a child process only
        self._begin()

    def _begin(self) -> None:
        self._thread: threading.Thread | None = None
        self._line: Line[Item, Result] = Line(self.config.max_batch_size, self.config.max_wait_ms / 1000)
        self._recorder = Recorder()
        # Its lock can be taken again by the thread that has it: a collection may end another batcher at any time.
        self._changed = threading.Condition()
        self._process = os.getpid()

    def submit(self, item: Item, length: float, future: Future[Result] | LoopReply[Result]) -> None:
        """Add a request; start the thread if there is none."""
        self._after_fork()
        with self._changed:
            if self.closed:
                raise ClosedError("This batcher is closed and takes no more requests; make a new one.")
            if len(self._line) >= self.config.max_queue:
                self._drop_cancelled()
            now = time.monotonic()
            if len(self._line) >= self.config.max_queue:
                self._recorder.refused += 1
                raise QueueFullError(
                    f"The queue is full: {len(self._line):,} requests wait (max_queue={self.config.max_queue}), the "
                    f"oldest for {format_seconds(now - (self._line.oldest() or now))}. Send this one later, or send "
                    "fewer at a time; a larger max_queue only makes them wait longer."
                )
            if self._line.add(Request(item, length, now, future)):
                self._changed.notify_all()
            if self._thread is None:
                self._start()

    def metrics(self) -> BatchMetrics:
        """Return what was counted."""
        self._after_fork()
        with self._changed:
            self._drop_cancelled()
            return self._recorder.metrics(len(self._line), lengths=self._lengths)

    def here(self) -> bool:
        """Tell whether the caller runs in this worker's thread."""
        return threading.current_thread() is self._thread

    def finish(self) -> None:
        """Let the thread run what waits and then end; take nothing more."""
        self._after_fork()
        with self._changed:
            self.closed = True
            self._changed.notify_all()

    def join(self, timeout: float | None = None) -> None:
        """Wait until the thread has ended."""
        thread = self._thread
        if thread is not None and not self.here():
            thread.join(timeout)

    def _start(self) -> None:
        # A daemon, since the interpreter tells others that it ends only after it has waited for them to end.
        self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
        self._at_exit = weakref.finalize(self._thread, self._leave)
        self._thread.start()

    def _leave(self) -> None:
        """Let the thread end before the interpreter does, which else kills it in the middle of a library's work."""
        if self._process != os.getpid():
            return  # a forked child that never used it: the thread is not here, and the lock may be taken for ever
        with self._changed:
            self.closed = True  # in one step with what follows: a thread that sees it first runs all that waits
            self._line.clear()
            self._changed.notify_all()
        self.join(_AT_EXIT)

    def _after_fork(self) -> None:
        """Begin anew in a child process: the thread is the parent's, its lock may be taken, its callers are there."""
        if self._process != os.getpid():
            with self._reborn:
                if self._process != os.getpid():
                    self._begin()

    def _work(self) -> None:
        try:
            while batch := self._next():
                try:
                    self._run(batch)
                except BaseException as error:  # not the function's: a future that somebody else has settled, no memory
                    deliver([(request.future, None, error) for request in batch if not request.future.done()])
                del batch  # what a sleeping thread refers to cannot be collected
        finally:
            self._at_exit.detach()

    def _next(self) -> list[Request[Item, Result]]:
        """Wait for the next batch; an empty one means that there will be none."""
        with self._changed:
            while True:
                self._drop_cancelled()
                now = time.monotonic()
                remaining = self._line.starts_in(now)
                if remaining is not None and (remaining <= 0 or self.closed):
                    batch = self._line.take(now)
                    self._recorder.batch([request.length for request in batch])
                    return batch
                if self.closed:
                    return []
                self._changed.wait(remaining)

    def _run(self, batch: list[Request[Item, Result]]) -> None:
        began = time.monotonic()

        def settle(outcomes: list[Outcome]) -> None:
            self._settle(batch, outcomes, began)

        runs = run_apart(
            self._function,
            [request.item for request in batch],
            settle,
            lambda place: not batch[place].future.cancelled(),
        )
        with self._changed:
            self._recorder.took(time.monotonic() - began)
            self._recorder.reruns += runs - 1

    def _settle(self, batch: list[Request[Item, Result]], outcomes: list[Outcome], began: float) -> None:
        now = time.monotonic()
        with self._changed:  # counted first, so that whoever has an answer finds it counted
            self._recorder.took(now - began)
            live: list[Answer] = []
            for place, result, error in outcomes:
                request = batch[place]
                if request.future.set_running_or_notify_cancel():
                    self._recorder.request(began - request.since, now - request.since, failed=error is not None)
                    live.append((request.future, result, _raisable(error)))
                else:
                    self._recorder.cancelled += 1
        deliver(live)

    def _drop_cancelled(self) -> None:
        for request in self._line.drop_cancelled():
            request.future.set_running_or_notify_cancel()  # tells those who wait for several futures
            self._recorder.cancelled += 1


def _raisable(error: BaseException | None) -> BaseException | None:
    """Return what a future can raise: a coroutine that a ``StopIteration`` reaches would wait for ever."""
    if not isinstance(error, StopIteration):
        return error
    wrapped = RunError("The function of this batcher raised StopIteration; an iterator in it ended too early.")
    wrapped.__cause__ = error
    return wrapped
