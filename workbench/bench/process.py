"""A race in a process of its own: its clock is not disturbed by the notebook, and Cancel is a real kill.

The child runs :mod:`workbench.bench.worker`. It is started with ``subprocess`` and read by a thread, not with asyncio's
own subprocesses: those need the main thread's event loop, or a loop that Jupyter does not use on Windows.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping
from contextlib import aclosing, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import fused_kernels
import workbench
from fused_kernels.catalog import OPS
from workbench import errors
from workbench.errors import InputError, RaceError, WorkbenchError

from .compare import compare
from .progress import Progress, Report, SuiteProgress
from .race import Race

_STDERR_LINES = 20
_NOTHING: Mapping[str, str] = {}
Message = dict[str, Any]


async def race_in_process(op: str, *, progress: Report | None = None, **options: Any) -> Race:
    """Race in a child process, as :func:`workbench.compare` does here, without blocking the event loop.

    An operation that was defined in this process, with ``fk.elementwise``, is known to no other: it races here, in a
    thread.

    Parameters
    ----------
    op
        Name of an operation of the catalogue.
    progress
        Called in the event loop with each :class:`~workbench.bench.progress.Progress`.
    options
        Those of ``compare`` that JSON can carry: shape, dtype, contenders, out, budget, rounds, seed.

    Raises
    ------
    workbench.errors.WorkbenchError
        As ``compare``; the child's traceback is in the error's ``__notes__``.
    workbench.errors.RaceError
        If the process ends without a result; the message has its last words.
    asyncio.CancelledError
        If the task is cancelled: the child is then dead already.
    """
    if OPS.is_added(_name(op)):
        return await _race_in_thread(op, progress=progress, **options)
    async with aclosing(work_in_process("race", {"op": _name(op), **options}, progress=progress)) as messages:
        async for message in messages:
            return Race.from_dict(message["race"])
    raise AssertionError("the child ends with a race or an error")


async def work_in_process(
    task: str, options: Mapping[str, Any], *, progress: Callable[[Any], object] | None = None
) -> AsyncGenerator[Message, None]:
    """Yield the messages of a child process as :func:`work_in_child` does, without blocking the event loop.

    To be closed when it is left early, as ``contextlib.aclosing`` does: that kills the child.
    """
    loop = asyncio.get_running_loop()
    messages: asyncio.Queue[Message | None] = asyncio.Queue()

    def deliver(message: Message | None) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(messages.put_nowait, message)

    with _Child(_spec(task, options)) as child:
        reader = threading.Thread(target=child.read, args=(deliver,), name="workbench-race", daemon=True)
        reader.start()
        while (message := await messages.get()) is not None:
            if "done" in message:
                return
            if (found := _outcome(message, progress)) is not None:
                yield found
        raise child.death()


async def _race_in_thread(op: str, *, progress: Report | None, **options: Any) -> Race:
    """Race in a thread of this process; one that is cancelled ends with its next report."""
    loop, cancelled = asyncio.get_running_loop(), threading.Event()

    def report(step: Progress) -> None:
        if cancelled.is_set():
            raise RaceError("cancelled")
        if progress is not None:
            loop.call_soon_threadsafe(progress, step)

    try:
        return await asyncio.to_thread(compare, op, progress=report, **options)
    finally:
        cancelled.set()


def race_in_child(op: str, *, progress: Report | None = None, **options: Any) -> Race:
    """Race in a child process and wait for it, as the command line does; Ctrl-C kills the child.

    Parameters, result and errors are those of :func:`race_in_process`.
    """
    for message in work_in_child("race", {"op": _name(op), **options}, progress=progress):
        return Race.from_dict(message["race"])
    raise AssertionError("the child ends with a race or an error")


def work_in_child(
    task: str, options: Mapping[str, Any], *, progress: Report | None = None, environment: Mapping[str, str] = _NOTHING
) -> Generator[Message, None, None]:
    """Give a child process a task of :mod:`workbench.bench.worker`, and yield its messages until the task is done.

    Parameters
    ----------
    task, options
        Name of the task, and its arguments, such as JSON can carry.
    progress
        Called with each report of a race.
    environment
        Variables that the child has beside this process's own.

    Raises
    ------
    workbench.errors.WorkbenchError
        What the child raised, or a :class:`~workbench.errors.RaceError` if it died.
    """
    with _Child(_spec(task, options), environment) as child:
        for message in child.messages():
            if "done" in message:
                return
            if (found := _outcome(message, progress)) is not None:
                yield found
        raise child.death()


class _Child:
    """The process, dead and gone at the end of the ``with``."""

    def __init__(self, spec: str, environment: Mapping[str, str] = _NOTHING) -> None:
        if not sys.executable:
            raise RaceError("This Python does not know its own executable, so it cannot start another; use wb.compare.")
        self._last_words: deque[str] = deque(maxlen=_STDERR_LINES)
        self._process = subprocess.Popen(
            # -P: a file named like a module in the notebook's folder must not be imported instead of it.
            [sys.executable, "-P", "-m", "workbench.bench.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**_environment(), **environment},
            encoding="utf-8",
            errors="replace",
            start_new_session=True,  # a group of its own: killed as a whole, and a Ctrl-C here is ours to handle
        )
        self._listener = threading.Thread(target=self._listen, name="workbench-race-stderr", daemon=True)
        self._listener.start()
        with suppress(OSError):  # if it died at once, reading finds the end, and its last words say why
            _pipe(self._process.stdin).write(spec + "\n")
            _pipe(self._process.stdin).flush()

    def __enter__(self) -> _Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._kill()
        self._process.wait()
        self._listener.join(timeout=1)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            with suppress(OSError):  # what was still to be written has nobody to read it
                _pipe(pipe).close()

    def messages(self) -> Iterator[Message]:
        """Yield the child's messages until it ends; what was printed before it took its output counts as words."""
        for line in _pipe(self._process.stdout):
            try:
                message = json.loads(line)
            except ValueError:
                message = None
            if isinstance(message, dict):
                yield message
            else:
                self._last_words.append(line.rstrip("\n"))

    def read(self, deliver: Callable[[Message | None], None]) -> None:
        """Hand over each message, then None; runs in a thread."""
        try:
            for message in self.messages():
                deliver(message)
        except ValueError:  # closed
            pass
        finally:
            deliver(None)

    def death(self) -> RaceError:
        """Return the error for a child that ended without a result."""
        code = self._process.wait()
        self._listener.join(timeout=1)
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        hint = " Perhaps the memory did not suffice: try a smaller shape." if code == -signal.SIGKILL else ""
        words = "\n".join(self._last_words)
        return RaceError(f"The race's process {how} before it had a result.{hint}" + (f"\n{words}" if words else ""))

    def _listen(self) -> None:
        with suppress(ValueError):  # closed
            for line in _pipe(self._process.stderr):
                self._last_words.append(line.rstrip("\n"))

    def _kill(self) -> None:
        with suppress(ProcessLookupError, PermissionError):  # it has ended by itself
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()


def _name(op: Any) -> str:
    if not isinstance(op, str):
        raise InputError("Only operations of the catalogue race in another process; race functions with wb.compare.")
    return op


def _spec(task: str, options: Mapping[str, Any]) -> str:
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in options.items()}
    try:
        return json.dumps({"task": task, "options": plain})
    except TypeError as error:
        raise InputError(f"Another process takes plain options only, no arrays: {error}. Use wb.compare.") from error


def _outcome(message: Message, progress: Callable[[Any], object] | None) -> Message | None:
    """Return a message that brings a result, raise the error that one brings, or report the progress."""
    if "error" in message:
        raise _error(**message["error"])
    if "progress" not in message:
        return message
    if progress is not None:
        step = message["progress"]
        progress(SuiteProgress(**step) if "what" in step else Progress(**step))
    return None


def _error(kind: str, message: str, traceback: str) -> WorkbenchError:
    known = getattr(errors, kind, None)
    error: WorkbenchError = RaceError(f"The race failed with {kind}: {message}")
    if isinstance(known, type) and issubclass(known, WorkbenchError):
        error = known(message)
    error.add_note(f"In the race's process:\n{traceback}")
    return error


def _environment() -> dict[str, str]:
    """Return the child's environment, in which it finds the packages that run here, installed or not."""
    roots = {str(Path(package.__path__[0]).resolve().parent): None for package in (workbench, fused_kernels)}
    # Those of an installation are found anyway; ahead of the standard library its folder could hide a module.
    roots = {root: None for root in roots if Path(root).name not in ("site-packages", "dist-packages")}
    before = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([*before, *roots])}


def _pipe(pipe: Any) -> Any:
    assert pipe is not None
    return pipe
