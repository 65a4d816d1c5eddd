"""The persistent kernel through NVIDIA's own compiler: no warning, no spills, and the fences that it is argued with."""

from __future__ import annotations

import re

import pytest

from fused_kernels.cuda.compile import ARCHITECTURES, ENTRY, assembly, compiled, nvrtc_library, usages, warnings
from fused_kernels.cuda.source import Kernel, program
from fused_kernels.errors import KernelError
from workbench.ring.cuda.program import THREADS, kernel

KERNELS = {"ring": kernel(), "once": kernel("once(a);", "OnceArguments")}
REGISTERS = 65_536
"""Of a multiprocessor."""


@pytest.fixture(autouse=True)
def nvrtc() -> None:
    """NVIDIA's compiler is there."""
    try:
        nvrtc_library()
    except KernelError as error:
        pytest.skip(str(error))


def check(made: Kernel, architecture: str) -> None:
    log = compiled(program([made], [ENTRY]), architecture).log
    assert not warnings(log), log
    spilled = re.findall(r"(\d+) bytes spill (?:stores|loads)", log)
    assert spilled, "functions that are not inlined are listed, too"
    # For sm_75 ptxas keeps some words of the loop that polls around its calls; what computes spills nothing.
    assert max(map(int, spilled)) <= 64, log
    assert re.search(r"work.*\n.* 0 bytes spill stores, 0 bytes spill loads", log), log
    assert usages(log)[ENTRY].registers * THREADS <= REGISTERS // 2, "another kernel has room beside it"


def test_it_compiles() -> None:
    check(KERNELS["ring"], "sm_75")


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("name", KERNELS)
def test_it_compiles_for_every_architecture(name: str, architecture: str) -> None:
    check(KERNELS[name], architecture)


def test_words_are_handed_over_with_fences() -> None:
    text = assembly(program([KERNELS["ring"]], [ENTRY]), "compute_75")
    for instruction in (
        "ld.relaxed.sys.u64",
        "st.relaxed.sys.u64",
        "fence.acq_rel.sys",
        "ld.acquire.gpu.u64",
        "st.release.gpu.u64",
        "atom.acq_rel.gpu.cas.b64",
    ):
        assert instruction in text, instruction
    assert "ld.global.nc" not in text, "what an earlier message had at an address must not be read again"
