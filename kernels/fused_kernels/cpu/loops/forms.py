"""The forms that a loop over an array comes in, and which one suits a size.

``serial``: one thread. ``parallel``: several threads, each a contiguous share. ``streaming``: the result goes past the
caches, for results that would not stay in them, which pays for formulas only. ``staged``: each row is finished in a
scratch buffer before it is stored, for a result that overlaps an input; the compiler would otherwise read what it has
just overwritten.
"""

from __future__ import annotations

import functools
import sys
from pathlib import Path

from fused_kernels import trace
from fused_kernels.cpu import threads

_LAST_LEVEL_CACHE = 32 << 20


def shares_of(nbytes: int, parallel_from: int) -> int:
    """Return how many threads pay for so many bytes: two from ``parallel_from``, and one more for each half of it."""
    return min(threads.count(), 2 * nbytes // parallel_from) if nbytes >= parallel_from else 1


def skipped(
    nbytes: int, shares: int, *, overlap: bool = False, streaming: bool = False, parallel_from: int = 0
) -> bool:
    """Tell a trace that a loop is about to run, and why in this form; whether it is to be skipped."""
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
