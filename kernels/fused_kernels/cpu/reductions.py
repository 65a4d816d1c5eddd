"""What kernels share that make one number of many."""

from __future__ import annotations

from typing import Any

from numba.extending import intrinsic

from fused_kernels import trace

from . import threads
from .compile import inline
from .views import address_of


def shares_of(nbytes: int, parallel_from: int) -> int:
    """Return on how many threads to read so many bytes: two from ``parallel_from``, one more for each half of it."""
    return 1 if nbytes < parallel_from else min(threads.count(), 2 * nbytes // parallel_from)


def skipped(nbytes: int, shares: int) -> bool:
    """Tell a trace that a kernel is about to run; whether it is to be skipped."""
    if not trace.listeners:
        return False
    form, threads_ = ("serial", "1 thread") if shares == 1 else ("parallel", f"{shares} threads")
    return trace.launching("numba", form, f"{nbytes} bytes on {threads_}")


@intrinsic
def smaller(_context: Any, a: Any, b: Any) -> Any:
    """Return the smaller of the two where neither is NaN, as `intrinsics.larger` does the larger."""

    def emit(_: Any, builder: Any, sig: Any, args: Any) -> Any:
        flags = ("nnan", "nsz")
        return builder.select(builder.fcmp_ordered("<", *args, flags=flags), *args, flags=flags)

    return a(a, b), emit


@inline
def before_line(x: Any) -> Any:
    """Return how many elements of ``x`` come before the first one at the start of a cache line."""
    return (-address_of(x) % 64) // x.itemsize
