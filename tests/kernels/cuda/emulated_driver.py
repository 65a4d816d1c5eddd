"""A GPU without one: the driver's interface over `driver.cpp`, and kernels that g++ has compiled.

Everything above the driver runs as it is: its ctypes calls, contexts, streams, launches, and threads of the host that
write while kernels read. Memory, time and atomics are the machine's own.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fused_kernels.cuda import driver
from fused_kernels.cuda.compile import ENTRY
from fused_kernels.cuda.source import Kernel, program

from .emulation import EMULATOR, HERE, built

MULTIPROCESSORS, TIMEOUT, MAPS, MODE, MAJOR, MINOR = 16, 17, 19, 20, 75, 76
"""Of CUdevice_attribute."""
LAUNCH_FAILED = 719
"""CUDA_ERROR_LAUNCH_FAILED, after which a context is of no more use."""


class Machine:
    """The emulated GPU and its driver.

    Parameters
    ----------
    folder
        Where compiled C++ is kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._libraries: list[ctypes.CDLL] = []
        self.driver = ctypes.CDLL(str(built(folder, (HERE / "driver.cpp").read_text(), ".so", "-shared")))
        self.driver.emulated_failure.restype = ctypes.c_char_p
        self.driver.emulated_given.restype = ctypes.c_size_t

    def compiled(self, kernel: Kernel, architecture: str) -> bytes:
        """Return what the emulated driver takes for machine code: the path of a library of the host."""
        text = (
            f'#define CONCURRENT\n#include "{HERE}/emulator.hpp"\n{program([kernel], [ENTRY])}'
            f'extern "C" {{ extern const size_t size_{ENTRY} = sizeof({kernel.arguments});\n'
            f"const char* run_{ENTRY}(const void* a, unsigned grid, unsigned block, unsigned resident) {{\n"
            f"return emulated::run_together([](const void* a) {{ {ENTRY}(*(const {kernel.arguments}*)a); }},"
            " a, grid, block, resident); } }\n"
        )
        emulator = built(self.folder, f"#define CONCURRENT\n{EMULATOR}", ".o", "-c", f"-I{HERE}")
        made = str(built(self.folder, text, ".so", "-shared", str(emulator)))
        self._libraries.append(ctypes.CDLL(made))
        return made.encode() + b"\0"

    def set_clock(self, nanoseconds: int) -> None:
        """Let the GPU's clock stand at a time; 0 lets it go as that of the host."""
        self._tell("emulated_now", nanoseconds)

    def crash(self) -> None:
        """Let the kernels that run end without a word, as by an illegal address; nothing works after that."""
        self._tell("emulated_crash", 1)
        while self.busy:
            time.sleep(0.001)
        self._tell("emulated_crash", 0)
        self.lose()

    def _tell(self, word: str, value: int) -> None:
        for library in self._libraries:
            ctypes.c_uint64.in_dll(library, word).value = value

    def looked(self, times: int) -> None:
        """Wait until the kernels have looked at the clock so often."""
        library = self._libraries[-1]
        looks = ctypes.c_uint64.in_dll(library, "emulated_looks")
        wanted, deadline = looks.value + times, time.monotonic() + 60
        while looks.value < wanted:
            assert time.monotonic() < deadline, "nobody looks at the clock: no kernel runs"
            time.sleep(0.001)

    def reset(self) -> None:
        """Be as new: three multiprocessors, nothing in the way."""
        for attribute, value in ((MULTIPROCESSORS, 3), (TIMEOUT, 0), (MAPS, 1), (MODE, 0), (MAJOR, 9), (MINOR, 0)):
            self.set(attribute, value)
        self.resident(64)
        self.lose(0)
        self.set_clock(0)

    def set(self, attribute: int, value: int) -> None:
        """Let the card say something of itself."""
        self.driver.emulated_set(attribute, value)

    def resident(self, blocks: int) -> None:
        """Run no more blocks of a kernel at the same time."""
        self.driver.emulated_resident(blocks)

    def lose(self, status: int = LAUNCH_FAILED) -> None:
        """Let every call fail from now on."""
        self.driver.emulated_lose(status)

    @property
    def busy(self) -> int:
        """How many kernels run, or wait to."""
        return int(self.driver.emulated_busy())

    @property
    def given(self) -> int:
        """How many pieces of memory were given out and not back."""
        return int(self.driver.emulated_given())

    @property
    def failure(self) -> str:
        """What a kernel did that no GPU would forgive."""
        return str(self.driver.emulated_failure().decode())

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Take the place of NVIDIA's driver and compiler for a while."""
        caches = (driver.architecture, driver.card, driver._context)
        with pytest.MonkeyPatch.context() as patch:
            for cached in caches:
                cached.cache_clear()
            patch.setattr(driver, "driver_library", lambda: self.driver)
            patch.setattr(driver, "machine_code", self.compiled)
            patch.setattr(driver, "_functions", {})
            self.reset()
            yield
            for cached in caches:
                cached.cache_clear()
