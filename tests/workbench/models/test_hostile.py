"""Files made to do harm: each is refused or looked at within bounded memory and time, and nothing in them is run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import workbench as wb
from workbench.errors import LoadError

from .hostile import CASES, cyclic

ROOM = 1_500_000_000
"""Bytes of address space beyond what Python and its libraries have taken: room for the compiler, and for one copy."""


@pytest.mark.skipif(sys.platform != "linux", reason="bounds the address space of a process")
@pytest.mark.parametrize("case", CASES)
def test_it_is_refused_or_looked_at_in_bounded_memory_and_time(case: str) -> None:
    script = Path(__file__).with_name("hostile.py")
    done = subprocess.run(
        [sys.executable, str(script), case, str(ROOM)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(("refused: ", "loaded"))
    assert "ran" not in done.stdout.split()
    if case.startswith(("safetensors", "pickle", "npy", "torch")):
        assert done.stdout.startswith("refused: the given bytes object is ") or done.stdout.startswith(
            "refused: the given bytes object has"
        )


def test_a_cycle_is_an_error_when_it_is_run() -> None:
    with pytest.raises(LoadError, match="cannot run the given bytes object"):
        wb.load(cyclic()).run({"x": np.ones((2, 2), np.float32)})
