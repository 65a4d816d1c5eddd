"""What kernels share that make one number of many: steps that vectorise, and the axes of an array put in order."""

from __future__ import annotations

from typing import Any

from numba.extending import intrinsic

from .compile import inline
from .views import address_of


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
