"""The forms that a loop over an array comes in, and which one suits a size.

``serial``: one thread. ``parallel``: all threads, each a contiguous share. ``streaming``: parallel, and the result
goes past the caches, for results that would not stay in them. ``staged``: parallel or not, each piece finished in a
scratch buffer before it is stored, for a result that overlaps an input; the compiler would otherwise take the scalar
path of its overlap check, or read what it has just overwritten.
"""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fused_kernels import trace

from . import threads
from .compile import Kernel

_LAST_LEVEL_CACHE = 32 << 20


@dataclass(frozen=True)
class Forms:
    """The compiled forms of one loop.

    Parameters
    ----------
    direct
        ``direct(*arrays)`` on one thread.
    parallel
        ``parallel(threads, *arrays)``.
    staged
        ``staged(threads, streaming, *arrays)``; None where results never overlap inputs and are not streamed.
    staged_serial
        The same without starting threads: they do not survive a fork, and GNU OpenMP ends a child that asks for them.
    parallel_from
        Bytes of the result from which all threads pay; below it starting them costs more.
    streams
        Whether a result larger than the last cache is written past it.
    """

    direct: Kernel
    parallel: Kernel
    staged: Kernel | None
    staged_serial: Kernel | None
    parallel_from: int
    streams: bool = True

    def run(self, nbytes: int, overlap: bool, *arrays: Any) -> None:
        """Run the form that suits a result of ``nbytes``, which overlaps an input or not."""
        if nbytes < self.parallel_from and not overlap:
            if trace.listeners and trace.launching("numba", "serial", f"{nbytes} bytes: too few for threads"):
                return
            self.direct(*arrays)
        else:
            self._run_on_threads(nbytes, overlap, arrays)

    def _run_on_threads(self, nbytes: int, overlap: bool, arrays: tuple[Any, ...]) -> None:
        count = threads.count() if nbytes >= self.parallel_from else 1
        streaming = self.streams and nbytes >= last_level_cache() and not overlap
        if trace.listeners:
            form = "staged" if overlap else "streaming" if streaming else "parallel" if count > 1 else "serial"
            reason = f"{nbytes} bytes on {count} thread{'s' if count > 1 else ''}"
            reason += ", out= overlaps an input" if overlap else ", more than the last cache" if streaming else ""
            if trace.launching("numba", form, reason):
                return
        if count == 1 and not (overlap or streaming):
            self.direct(*arrays)
        elif count == 1 and self.staged_serial is not None:
            self.staged_serial(1, streaming, *arrays)
        elif threads.needs_exclusive():
            with threads.exclusive():
                self._launch(count, overlap, streaming, arrays)
        else:
            self._launch(count, overlap, streaming, arrays)

    def _launch(self, count: int, overlap: bool, streaming: bool, arrays: tuple[Any, ...]) -> None:
        if self.staged is not None and (overlap or streaming):
            self.staged(count, streaming, *arrays)
        else:
            self.parallel(count, *arrays)


@functools.cache
def last_level_cache() -> int:
    """Return the bytes of the largest cache of this processor; 32 MiB where the system does not tell."""
    sizes = []
    if sys.platform == "linux":
        for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
            text = path.read_text().strip()
            sizes.append(int(text.rstrip("KM")) << {"K": 10, "M": 20}.get(text[-1], 0))
    return max(sizes, default=_LAST_LEVEL_CACHE)
