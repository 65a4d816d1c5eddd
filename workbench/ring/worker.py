"""The thread of a kernel: it starts with the first message that is handed over, and sleeps while there is none."""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from typing import TYPE_CHECKING

from workbench.errors import RunError

from .states import State

if TYPE_CHECKING:
    from .turns import Turns

_AT_EXIT = 5.0
"""Seconds that the end of the interpreter waits for a run under way."""


class Worker:
    """Runs a kernel's messages in a thread of its own.

    Attributes
    ----------
    asleep
        Whether the thread found nothing to do; read and written under the kernel's guard.
    """

    def __init__(self, kernel: Turns) -> None:
        self.asleep = False
        self._kernel = kernel
        self._thread: threading.Thread | None = None
        self._wake = threading.Lock()
        self._wake.acquire()
        self._process = os.getpid()

    @property
    def alive(self) -> bool:
        """Whether its thread runs or sleeps."""
        return self._thread is not None and self._thread.is_alive()

    def rouse(self) -> None:
        """Wake the thread if it sleeps, start it if there is none; who calls this holds the kernel's guard."""
        if self._thread is None:
            # A daemon, since the interpreter tells others that it ends only after it has waited for them to end.
            name = f"workbench-ring-{self._kernel.name}"
            thread = threading.Thread(target=self._work, name=name, daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                raise RunError(
                    f"Kernel {self._kernel.name!r} cannot start its thread: {error}. End kernels that are not used, or "
                    "allow more threads; a call that finds the kernel idle needs none."
                ) from error
            self._thread = thread  # which waits for the guard
            self._at_exit = weakref.finalize(thread, self._leave)
        elif self.asleep:
            self.asleep = False
            self.poke()

    def poke(self) -> None:
        """Let the thread look again; from anywhere, also from a collection of garbage, so without any lock."""
        with contextlib.suppress(RuntimeError):  # it was poked before and has not slept since
            self._wake.release()

    def join(self, seconds: float) -> None:
        """Wait until the thread has ended, but not for itself."""
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(max(seconds, 0.0))

    def _work(self) -> None:
        kernel = self._kernel
        try:
            while True:
                kernel.push_out()
                if kernel.step() or kernel.outgoing:
                    continue
                if kernel.state is State.TERMINATED or kernel.abandoned:
                    break
                self._wake.acquire()
        finally:
            self._at_exit.detach()
            self._thread = None
            kernel.close_when_free(0.0)

    def _leave(self) -> None:
        """Let the thread end before the interpreter does, which else kills it in the middle of a library's work."""
        thread = self._thread
        if self._process != os.getpid() or thread is None:
            return  # a forked child: the thread is not here
        self._kernel.abandoned = True
        with self._kernel.guard:
            self._kernel.inbox.items.clear()
        self.poke()
        thread.join(_AT_EXIT)
