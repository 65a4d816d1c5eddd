"""The runtime behind the Ring panel: its kernels, those that were launched from the panel, and code for them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from workbench.errors import InputError
from workbench.models.awaited import Stop, awaited
from workbench.pipelines.task import Pipeline
from workbench.ring.handle import KernelHandle
from workbench.ring.metrics import KernelMetrics, KernelStatus
from workbench.ring.runtime import Runtime
from workbench.ring.states import State
from workbench.views import controls
from workbench.views.jobs import Report, loop, stoppable

from .board import FORGET, VERBS
from .launch import Launch, state_of

PATIENCE = 5.0
"""Seconds that a kernel may take to finish the message that it runs, before a step is said to be late."""


class RingKernels:
    """The kernels of one runtime, as they come and go.

    Those that have ended stay until somebody forgets them, or another one has their name.
    """

    def __init__(self) -> None:
        self._runtime: Runtime | None = None
        self._own = True
        self._handles: dict[str, KernelHandle] = {}
        self._looks: dict[str, tuple[KernelStatus, KernelMetrics]] = {}
        self._launched: dict[str, Launch] = {}
        self._pipes: dict[str, Pipeline] = {}
        self._lock = threading.Lock()

    @property
    def runtime(self) -> Runtime:
        """The runtime; made when it is first asked for."""
        with self._lock:
            if self._runtime is None:
                self._runtime, self._own = Runtime(), True
            return self._runtime

    def show(self, runtime: Runtime) -> None:
        """Take another runtime; the one before is shut down if it was made here."""
        self.close()
        with self._lock:
            self._runtime, self._own = runtime, False

    def __getitem__(self, name: str) -> KernelHandle | None:
        return self._handles.get(name)

    @property
    def names(self) -> list[str]:
        """The names of those that have not ended."""
        return list(self._runtime) if self._runtime is not None else []

    def look(self) -> list[tuple[KernelStatus, KernelMetrics]]:
        """Look at all kernels; the numbers of one that did nothing since are not gathered again."""
        runtime = self._runtime
        if runtime is None:
            return []
        with self._lock:
            for name in runtime:
                known = self._handles.get(name)
                if known is None or known.state is State.TERMINATED:
                    with suppress(InputError):  # it has ended meanwhile
                        self._handles[name] = runtime[name]
            looks = {}
            for name, handle in self._handles.items():
                status, before = handle.status, self._looks.get(name)
                unchanged = before is not None and before[0] == status
                looks[name] = before if before is not None and unchanged else (status, handle.metrics)
            self._looks = looks
            ended = [name for name in self._pipes if self._handles[name].state is State.TERMINATED]
            for name in ended:
                _close(self._pipes.pop(name))
            return list(looks.values())

    async def launch(self, launch: Launch, report: Report, instead: KernelHandle | None = None) -> KernelHandle:
        """Launch a kernel; a runtime that was shut down is replaced by a new one.

        Parameters
        ----------
        launch
            What.
        report
            As in a :class:`~workbench.views.jobs.Job`.
        instead
            A kernel of the same name, which is terminated once it is known that the new one can be launched.

        Raises
        ------
        workbench.errors.WorkbenchError
            As :meth:`workbench.ring.Runtime.launch`, and what opening a pipeline raises.
        """
        if self._runtime is not None and self._runtime.closed:
            self.close()
        if launch.name in self.names and instead is None:
            raise InputError(f"There is a kernel {launch.name!r} already. Terminate it first, or choose another name.")
        given: dict[str, Any] = dict(launch.options)
        if (make := launch.handler) is not None:
            report(f"opening what {launch.name} runs", None)

            def opened(stop: Stop) -> Any:
                return make(stoppable(report, stop))

            given["handler"] = await awaited(opened)
        if (state := state_of(launch)) is not None:
            given["state"] = state
        try:
            if instead is not None:
                await instead.aterminate(timeout=PATIENCE)
            handle = await asyncio.to_thread(lambda: self.runtime.launch(launch.name, **given))
        except BaseException:
            if isinstance(given.get("handler"), Pipeline):
                _close(given["handler"])
            raise
        with self._lock:
            self._handles[launch.name], self._launched[launch.name] = handle, launch
            if isinstance(given.get("handler"), Pipeline):
                self._pipes[launch.name] = given["handler"]
        return handle

    async def open(self, launches: Sequence[Launch], report: Report) -> list[KernelHandle]:
        """Return handles of active kernels; those that were launched in the same way are used again."""
        handles = []
        for launch in launches:
            before = self._launched.get(launch.name)
            known = self._handles.get(launch.name) if before is not None else None
            if known is None or known.state is State.TERMINATED:
                handles.append(await self.launch(launch, report))
            elif before is None or before.code != launch.code:
                handles.append(await self.launch(launch, report, known))
            else:
                if known.state is not State.ACTIVE:
                    known.activate()
                handles.append(known)
        return handles

    async def step(self, name: str, verb: str) -> None:
        """Let a kernel take a step; nothing happens if it has taken it already.

        Raises
        ------
        workbench.errors.WorkbenchError
            If it cannot, or is late.
        """
        handle = self._handles.get(name)
        if handle is None or VERBS.get(handle.state) == verb:
            return
        if verb == FORGET:
            if handle.state is State.TERMINATED:
                with self._lock:
                    self._forget(name)
        elif verb == VERBS[State.ACTIVE]:
            handle.activate()
        elif verb == VERBS[State.TERMINATED]:
            await handle.aterminate(timeout=PATIENCE)
        elif not await handle.adeactivate(timeout=PATIENCE):
            raise InputError(
                f"{name} is deactivated, and still runs the message that it had begun; it takes no other one."
            )

    def code(self) -> list[str]:
        """Return the lines that make the runtime, and launch again what was launched here and is still on the board."""
        lines = ["runtime = wb.Runtime()"] if self._own else []
        launched = [
            (launch, self._handles[name].status) for name, launch in self._launched.items() if name in self._handles
        ]
        lines += [launch.code for launch, _ in launched]
        for launch, status in launched:
            kernel = f"runtime[{controls.literal(launch.name)}]"
            if status.route is not None:
                lines.append(controls.call("runtime.route", launch.name, status.route))
            if status.state is State.DEACTIVATED:
                lines.append(f"{kernel}.deactivate()")
            elif status.state is State.ACTIVE and not launch.options.get("auto_activate", True):
                lines.append(f"{kernel}.activate()")
        return lines

    def close(self) -> None:
        """Forget all kernels; a runtime that was made here is shut down, which others have to themselves."""
        with self._lock:
            runtime, own = self._runtime, self._own
            pipes = list(self._pipes.values())
            self._runtime, self._own = None, True
            for kept in (self._handles, self._looks, self._launched, self._pipes):
                kept.clear()
        if runtime is not None and own and not runtime.closed:
            runtime.shutdown(drain=False)
        for pipe in pipes:
            _close(pipe)

    def _forget(self, name: str) -> None:
        for kept in (self._handles, self._looks, self._launched):
            kept.pop(name, None)


def _close(pipe: Pipeline) -> None:
    """Give back what a pipeline holds, which may take as long as what it computes."""
    asyncio.run_coroutine_threadsafe(asyncio.to_thread(pipe.close), loop())
