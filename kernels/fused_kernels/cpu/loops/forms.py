"""The forms that a loop over an array comes in, and which one suits a size.

``serial``: one thread. ``parallel``: several threads, each a contiguous share. ``streaming``: the result goes past the
caches, for results that would not stay in them. ``staged``: each piece is finished in a scratch buffer before it is
stored, for a result that overlaps an input; the compiler would otherwise take the scalar path of its overlap check, or
read what it has just overwritten. Rows and columns have no ``streaming``, which pays for formulas only.
"""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fused_kernels import trace
from fused_kernels.cpu import threads
from fused_kernels.cpu.compile import Kernel

_LAST_LEVEL_CACHE = 32 << 20


@dataclass(frozen=True)
class Forms:
    """The compiled forms of one loop.

    Parameters
    ----------
    serial
        ``serial(*arrays)`` on one thread.
    parallel
        ``parallel(state, shares, *arrays)``, of `fork_join.parallel`.
    staged
        ``staged(state, shares, streaming, *arrays)``; None where results never overlap inputs and are not streamed.
    parallel_from
        Bytes of the result from which a second thread pays, and one more for each half of that.
    streams
        Whether a result larger than the last cache is written past it.
    """

    serial: Kernel
    parallel: Kernel
    staged: Kernel | None
    parallel_from: int
    streams: bool = True

    def run(self, nbytes: int, overlap: bool, *arrays: Any) -> None:
        """Run the form that suits a result of ``nbytes``, which overlaps an input or not."""
        if nbytes < self.parallel_from and not overlap:
            if trace.listeners and trace.launching("numba", "serial", f"{nbytes} bytes: too few for threads"):
                return
            self.serial(*arrays)
        else:
            self._run_on_threads(nbytes, overlap, arrays)

    def shares(self, nbytes: int) -> int:
        """Return the number of threads that pay for a result of ``nbytes``."""
        return shares_of(nbytes, self.parallel_from)

    def _run_on_threads(self, nbytes: int, overlap: bool, arrays: tuple[Any, ...]) -> None:
        shares = self.shares(nbytes)
        streaming = self.streams and nbytes >= last_level_cache() and not overlap
        if trace.listeners:
            form = "staged" if overlap else "streaming" if streaming else "parallel" if shares > 1 else "serial"
            reason = f"{nbytes} bytes on {threads.in_words(shares)}"
            reason += ", out= overlaps an input" if overlap else ", more than the last cache" if streaming else ""
            if trace.launching("numba", form, reason):
                return
        if self.staged is not None and (overlap or streaming):
            self.staged(threads.state(shares), shares, streaming, *arrays)
        elif shares == 1:
            self.serial(*arrays)
        else:
            self.parallel(threads.state(shares), shares, *arrays)


def shares_of(nbytes: int, parallel_from: int) -> int:
    """Return how many threads pay for so many bytes: two from ``parallel_from``, and one more for each half of it."""
    return min(threads.count(), 2 * nbytes // parallel_from) if nbytes >= parallel_from else 1


def skipped(
    nbytes: int, shares: int, *, overlap: bool = False, streaming: bool = False, parallel_from: int = 0
) -> bool:
    """Tell a trace that a loop which is no `Forms` is about to run; whether it is to be skipped."""
    if not trace.listeners:
        return False
    form = "staged" if overlap else "streaming" if streaming else "serial" if shares == 1 else "parallel"
    few = nbytes < parallel_from and not overlap
    reason = f"{nbytes} bytes" + (": too few for threads" if few else f" on {threads.in_words(shares)}")
    reason += ", out= overlaps an input" if overlap else ", more than the last cache" if streaming else ""
    return trace.launching("numba", form, reason)


@functools.cache
def last_level_cache() -> int:
    """Return the bytes of the largest cache of this processor; 32 MiB where the system does not tell."""
    sizes = []
    if sys.platform == "linux":
        for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
            text = path.read_text().strip()
            sizes.append(int(text.rstrip("KM")) << {"K": 10, "M": 20}.get(text[-1], 0))
    return max(sizes, default=_LAST_LEVEL_CACHE)
