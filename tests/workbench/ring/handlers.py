"""What the tests of kernels share."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
from collections import Counter
from typing import Any

from workbench.ring.options import Thread

THREADS: list[Thread] = ["auto", "any", "own"]


def same(payload: Any) -> Any:
    return payload


def count(state: Counter[str], payload: str) -> int:
    state[payload] += 1
    return state[payload]


class Gate:
    """A handler that waits until it is let through, and tells that it has begun."""

    def __init__(self) -> None:
        self.began, self.go = threading.Semaphore(0), threading.Semaphore(0)

    def __call__(self, payload: Any) -> Any:
        self.began.release()
        assert self.go.acquire(timeout=30)
        return payload


def run(code: str) -> str:
    """Return what a fresh process prints that runs some code, without an error."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout
