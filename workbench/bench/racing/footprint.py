"""How much memory a call takes at the most, whichever library asks the system for it."""

from __future__ import annotations

import ctypes
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_LEAST = 1 << 20
"""Bytes; the system counts pages in batches, so that less than this cannot be told from nothing."""


def peak_of(call: Callable[[], Any]) -> int | None:
    """Call once, and return the bytes by which the memory of this process grew at the most; None where nobody tells.

    What allocators keep for later is given back before, so that a result is counted that would reuse it. Less than a
    megabyte counts as 0.
    """
    _give_back()
    before = _resident("VmRSS")
    try:
        _RESET.write_text("5", encoding="ascii")  # the highest value so far is from now on the present one
    except OSError:
        before = None
    returned = call()
    peak = _resident("VmHWM")
    del returned
    if before is None or peak is None:
        return None
    return peak - before if peak - before >= _LEAST else 0


def _give_back() -> None:
    if memory := sys.modules.get("fused_kernels.memory"):
        memory.POOL.clear()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError, TypeError):  # another C library
        return


def _resident(name: str) -> int | None:
    try:
        found = re.search(rf"^{name}:\s+(\d+) kB", _STATUS.read_text(encoding="ascii", errors="replace"), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) << 10 if found else None
