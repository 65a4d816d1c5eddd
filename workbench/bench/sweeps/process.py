"""A sweep or a roofline in a process of its own, as :mod:`workbench.bench.process` does it for a race."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

from fused_kernels.catalog import OPS
from workbench.bench.process import work_in_process
from workbench.bench.progress import SuiteProgress
from workbench.bench.rooflines.roofline import Roofline
from workbench.errors import RaceError

from .sweeping import growing
from .swept import Sweep

Report = Callable[[SuiteProgress], object]


async def sweep_in_process(
    op: str, *, grown: Callable[[Sweep], object] | None = None, progress: Report | None = None, **options: Any
) -> Sweep:
    """Sweep in a child process, as :func:`workbench.sweep` does here, without blocking the event loop.

    An operation that was defined in this process is known to no other: it is swept here, in a thread.

    Parameters
    ----------
    op
        Name of an operation of the catalogue.
    grown
        Called in the event loop with the sweep so far, after each size.
    progress
        Called in the event loop a few times a second.
    options
        Those of ``sweep`` that JSON can carry.

    Raises
    ------
    workbench.errors.WorkbenchError
        As ``sweep``.
    asyncio.CancelledError
        If the task is cancelled: the child is then dead already. What ``grown`` was given last is what is done.
    """
    if OPS.is_added(op):
        return await _sweep_in_thread(op, grown=grown, progress=progress, **options)
    found: Sweep | None = None
    async with aclosing(work_in_process("sweep", {"op": op, **options}, progress=progress)) as messages:
        async for message in messages:
            found = Sweep.from_dict(message["sweep"])
            if grown is not None:
                grown(found)
    assert found is not None
    return found


async def roofline_in_process(*, progress: Report | None = None, **options: Any) -> Roofline:
    """Return what :func:`workbench.roofline` does, made in a child process; parameters and errors are its own."""
    async with aclosing(work_in_process("roofline", options, progress=progress)) as messages:
        async for message in messages:
            return Roofline.from_dict(message["roofline"])
    raise AssertionError("the child ends with a roofline or an error")


async def _sweep_in_thread(
    op: str, *, grown: Callable[[Sweep], object] | None, progress: Report | None, **options: Any
) -> Sweep:
    """Sweep in a thread of this process; one that is cancelled ends with its next report."""
    loop, cancelled = asyncio.get_running_loop(), threading.Event()

    def report(step: SuiteProgress) -> None:
        if cancelled.is_set():
            raise RaceError("cancelled")
        if progress is not None:
            loop.call_soon_threadsafe(progress, step)

    def run() -> Sweep:
        found: Sweep | None = None
        for found in growing(op, progress=report, **options):
            if cancelled.is_set():
                break
            if grown is not None:
                loop.call_soon_threadsafe(grown, found)
        assert found is not None
        return found

    try:
        return await asyncio.to_thread(run)
    finally:
        cancelled.set()
