"""A card without a GPU: arrays whose memory only kernels touch, and kernels that run on the CPU by `emulator.hpp`."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fused_kernels.cuda import launch
from fused_kernels.cuda.arrays import Quick
from fused_kernels.cuda.launch import Launch
from fused_kernels.cuda.source import Kernel, program
from fused_kernels.cuda.views import View

from .cases import family, kind

HERE = Path(__file__).parent
GUARD = 512
SMALL = launch.Card(2, 2048)
"""The GPU that is emulated: so small that arrays of some thousand elements take several blocks."""


class Card:
    """An array on the emulated card, in the middle of memory that nobody may write to and that reads as NaN."""

    def __init__(self, values: np.ndarray, offset: int = 0) -> None:
        self._memory = np.full(values.nbytes + 2 * GUARD + 256, 0xFF, np.uint8)
        start = -self._memory.__array_interface__["data"][0] % 256 + GUARD // 2 + offset * values.itemsize
        self._start, self._end = start, start + values.nbytes
        self.data = self._memory[start : self._end].view(values.dtype).reshape(values.shape)
        self.data[...] = values

    @classmethod
    def over(cls, other: Card, data: np.ndarray) -> Card:
        """Return a view of the memory of another."""
        made = cls.__new__(cls)
        made._memory, made._start, made._end, made.data = other._memory, other._start, other._end, data
        return made

    def __getitem__(self, index: object) -> Card:
        return Card.over(self, self.data[index])

    def reshape(self, *shape: int) -> Card:
        return Card.over(self, self.data.reshape(*shape))

    def transpose(self, *axes: int) -> Card:
        return Card.over(self, self.data.transpose(*axes))

    @property
    def T(self) -> Card:
        return Card.over(self, self.data.T)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    @property
    def dtype(self) -> np.dtype:
        return self.data.dtype

    def get(self) -> np.ndarray:
        """Return a copy on the CPU."""
        around = (self._memory[: self._start], self._memory[self._end :])
        assert all((part == 0xFF).all() for part in around), "a kernel has written beyond an array"
        return self.data.copy()


class Emulated:
    """The library of these arrays."""

    name = "emulated"

    def __init__(self, folder: Path) -> None:
        self.order, self.gpu, self.started = 0, SMALL, []
        self._folder, self._loaded = folder, {}

    def owns(self, value: object) -> bool:
        return isinstance(value, Card)

    def view(self, operation: str, name: str, value: Card) -> View:
        data = value.data
        strides = tuple(step // data.itemsize for step in data.strides)
        return View(data.__array_interface__["data"][0], data.dtype.name, data.shape, strides, 0)

    def empty(self, shape: tuple[int, ...], dtype: str, device: int) -> Card:
        made = Card(np.empty(shape, kind(dtype)))
        made.data.reshape(-1).view(np.uint8)[...] = 0xFF
        return made

    def quick(self) -> Quick:
        return Quick(Card, _address, lambda value: (value.dtype, value.shape, value.data.strides))

    def contiguous(self, value: Card, dtype: str) -> Card:
        return Card(np.ascontiguousarray(value.data.astype(kind(dtype))))

    def assign(self, target: Card, value: Card) -> None:
        target.data[...] = value.data.astype(target.dtype)

    def fill(self, target: Card, value: float) -> None:
        target.data[...] = value

    def fetched(self, value: Card) -> np.ndarray:
        return value.get()

    def matmul(self, a: Card, b: Card) -> Card:
        wide = np.float64 if a.dtype == np.float64 else np.float32
        return Card(np.asarray(np.matmul(a.data.astype(wide), b.data.astype(wide)).astype(a.dtype)))

    def product(self, a: Card, b: Card) -> Card:
        wide = a.dtype if a.dtype.itemsize > 2 else np.float32
        return Card(np.matmul(a.data.astype(wide), b.data.astype(wide)))

    def linear(self, x: Card, weight: Card, bias: Card, activation: str | None) -> None:
        return None

    def stream(self, device: int) -> int:
        return 0

    def card(self, device: int) -> launch.Card:
        return self.gpu

    def starter(self, launch: Launch, device: int) -> Callable[[bytes, int], None]:
        def start(packed: bytes, stream: int) -> None:
            self.started.append(launch)
            failure = self._function(launch.kernel)(packed, launch.grid, launch.block, self.order)
            assert not failure, f"{launch.kernel.body}: {failure.decode()}"

        return start

    def _function(self, kernel: Kernel) -> Callable[..., bytes | None]:
        if kernel not in self._loaded:
            # All variants at once, since most of the time goes to what they share.
            self._load(list(dict.fromkeys([kernel, *family(kernel)])))
        return self._loaded[kernel]

    def _load(self, kernels: list[Kernel]) -> None:
        names = [f"kernel_{place}" for place in range(len(kernels))]
        text = program(kernels, names) + "".join(
            f'extern "C" const char* run_{name}(const void* a, unsigned grid, unsigned block, unsigned order)'
            f"{{ return emulated::run([](const void* a) {{ {name}(*(const {kernel.arguments}*)a); }},"
            " a, grid, block, order); }\n"
            for name, kernel in zip(names, kernels, strict=True)
        )
        library = ctypes.CDLL(str(self._compiled(text)))
        for name, kernel in zip(names, kernels, strict=True):
            function = getattr(library, f"run_{name}")
            function.restype = ctypes.c_char_p
            function.argtypes = [ctypes.c_char_p, ctypes.c_uint, ctypes.c_uint, ctypes.c_uint]
            self._loaded[kernel] = function

    def _compiled(self, text: str) -> Path:
        source = f'#include "{HERE}/emulator.hpp"\n{text}'
        return built(
            self._folder, source, ".so", "-shared", str(built(self._folder, EMULATOR, ".o", "-c", f"-I{HERE}"))
        )


def _address(value: Card) -> int:
    return value.data.__array_interface__["data"][0]


EMULATOR = (HERE / "emulator.cpp").read_text()


# Without unique symbols: what kernels of one name have in shared memory would be one for all libraries of the process.
FLAGS = ("-std=c++17", "-O1", "-fPIC", "-w", "-fno-gnu-unique")


def built(folder: Path, source: str, suffix: str, *options: str) -> Path:
    """Compile C++ once and for all; what it depends on is part of the name."""
    header = (HERE / "emulator.hpp").read_text()
    digest = hashlib.sha256(f"{version()}{FLAGS}{options}{header}{source}".encode()).hexdigest()[:24]
    kept = folder / f"{digest}{suffix}"
    if not kept.exists():
        text, made = folder / f"{digest}.{os.getpid()}.cpp", folder / f"{digest}.{os.getpid()}{suffix}"
        text.write_text(source)
        command = ["g++", *FLAGS, *options[:1], str(text), *options[1:], "-o", str(made)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert not done.returncode, done.stderr[:4000]
        made.replace(kept)
        text.unlink()
    return kept


@functools.cache
def version() -> str:
    return subprocess.run(["g++", "--version"], capture_output=True, text=True, check=True).stdout
