"""Compile kernels ahead of time: in several processes at once, into the cache on disk that later ones start from."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .catalog import OPS, Op
from .errors import DtypeError, KernelError

Report = Callable[[int, int, str], None]
_DTYPES = ("float32", "float64")
_LARGEST = 1 << 24
"""Elements of the samples at the most; the kernels for larger ones are the same."""


@dataclass(frozen=True)
class Warmup:
    """What was compiled.

    Parameters
    ----------
    operations, dtypes
        Their names.
    processes
        How many compiled at once; 0 if it was this one alone, since there is no cache on disk to share.
    seconds
        How long it took.
    failed
        What could not be compiled, with the reason.
    """

    operations: tuple[str, ...]
    dtypes: tuple[str, ...]
    processes: int
    seconds: float = field(compare=False, repr=False)
    failed: dict[str, str] = field(default_factory=dict)


def warmup(
    operations: Iterable[str] | str | None = None,
    *,
    dtypes: Iterable[str] = _DTYPES,
    processes: int | None = None,
    progress: Report | None = None,
) -> Warmup:
    """Compile operations before their first call, so that no call waits.

    Each is called on small and large arrays, into a new result and in place, in processes of their own. What they
    compile is kept on disk, from where this process and all later ones load it within milliseconds. An interrupt
    keeps what is done.

    Parameters
    ----------
    operations
        Names of the catalogue; all if None.
    dtypes
        ``"float32"``, ``"float64"`` or both.
    processes
        How many compile at once; as many as there are processors if None.
    progress
        Called with the number of steps done, of all steps, and what was compiled last; if None, a line is shown in a
        terminal and in Jupyter.

    Raises
    ------
    UnknownOperationError
        For a name that is not in the catalogue.
    DtypeError
        For another dtype.

    Examples
    --------
    >>> warmup("relu", dtypes=["float32"])
    Warmup(operations=('relu',), dtypes=('float32',), processes=1, failed={})
    """
    names = tuple(OPS) if operations is None else (operations,) if isinstance(operations, str) else tuple(operations)
    wanted = tuple(dict.fromkeys(dtypes))
    for name in names:
        OPS[name]
    for dtype in wanted:
        if dtype not in _DTYPES:
            raise DtypeError(f"warmup: kernels are compiled for {' and '.join(_DTYPES)}, and not for {dtype!r}.")
    if processes is not None and processes < 1:
        raise KernelError(f"warmup: processes must be 1 or more; received {processes}.")
    from .cpu.compile import cache_folder

    begin = time.perf_counter()
    steps = [(name, dtype) for name in names for dtype in wanted]
    apart = [step for step in steps if not OPS.is_added(step[0])] if cache_folder() else []
    count = min(len(apart), processes or os.cpu_count() or 1)
    with _shown(progress) as report:
        tally = _Tally(len(steps), report)
        if count:
            _compile_apart(apart, count, tally)
        for step in steps:
            if step not in apart:
                tally.done(*step, _compile(*step))
    return Warmup(names, wanted, count, time.perf_counter() - begin, tally.failed)


def _compile(name: str, dtype: str) -> str:
    """Call an operation in all the ways that need a kernel of their own; return what went wrong, or nothing."""
    op = OPS[name]
    rng = np.random.default_rng(0)
    try:
        for shape in op.shapes:
            if np.prod(shape) <= _LARGEST:
                inputs = op.sample(shape, np.dtype(dtype), rng)
                result = op.function(**inputs)
                _in_place(op, inputs, result)
    except Exception as error:  # one that fails must not keep the others from being compiled
        return f"{type(error).__name__}: {error}"
    return ""


def _in_place(op: Op, inputs: dict[str, Any], result: Any) -> None:
    for value in inputs.values():
        if isinstance(value, np.ndarray) and isinstance(result, np.ndarray) and value.shape == result.shape:
            op.function(**inputs, out=value)
            return


class _Tally:
    """Counts steps, from several threads."""

    def __init__(self, total: int, report: Report) -> None:
        self._total, self._report, self._count, self._lock = total, report, 0, threading.Lock()
        self.failed: dict[str, str] = {}

    def done(self, name: str, dtype: str, failure: str) -> None:
        with self._lock:
            self._count += 1
            if failure:
                self.failed[f"{name} {dtype}"] = failure
            self._report(self._count, self._total, f"{name} {dtype}")


def _compile_apart(steps: list[tuple[str, str]], count: int, tally: _Tally) -> None:
    waiting: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
    for step in steps:
        waiting.put(step)
    command = [sys.executable, "-c", "from fused_kernels.warmup import _serve; _serve()"]
    path = os.pathsep.join(entry for entry in sys.path if entry)
    workers = [
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path}
        )
        for _ in range(count)
    ]
    feeders = [threading.Thread(target=_feed, args=(worker, waiting, tally), daemon=True) for worker in workers]
    try:
        for feeder in feeders:
            feeder.start()
        for feeder in feeders:
            while feeder.is_alive():  # with a time limit, so that an interrupt is heard
                feeder.join(0.1)
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()


def _feed(worker: subprocess.Popen[str], waiting: queue.SimpleQueue[tuple[str, str]], tally: _Tally) -> None:
    assert worker.stdin is not None
    assert worker.stdout is not None
    while True:
        try:
            step = waiting.get_nowait()
        except queue.Empty:
            return
        try:
            worker.stdin.write(json.dumps(step) + "\n")
            worker.stdin.flush()
            answer = worker.stdout.readline()
        except OSError:
            answer = ""
        tally.done(*step, json.loads(answer) if answer else "the compiling process ended")


def _serve() -> None:
    """Be a worker: a step in each line of the input, what went wrong in each line of the output."""
    for line in sys.stdin:
        print(json.dumps(_compile(*json.loads(line))), flush=True)


@contextlib.contextmanager
def _shown(progress: Report | None) -> Iterator[Report]:
    """Give what reports: the caller's own, or a line that is written over where somebody looks."""
    looking = sys.stderr.isatty() or "ipykernel" in sys.modules
    if progress is not None or not looking:
        yield progress or (lambda done, total, what: None)
        return

    def line(done: int, total: int, what: str) -> None:
        print(f"\rcompiled {done} of {total}: {what:<30}", end="", file=sys.stderr, flush=True)

    try:
        yield line
    finally:
        print(file=sys.stderr)
