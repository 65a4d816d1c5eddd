"""The emulated card, and NVIDIA's compiler."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

import fused_kernels as fk
from fused_kernels.cuda import arrays
from fused_kernels.cuda.compile import Usage, compiled, nvrtc_library, usages, version, warnings
from fused_kernels.cuda.launch import Launch
from fused_kernels.cuda.source import Kernel, program

from .emulation import SMALL, Card, Emulated


@pytest.fixture(scope="session")
def nvrtc() -> None:
    """NVIDIA's compiler is there."""
    try:
        nvrtc_library()
    except fk.KernelError as error:
        pytest.skip(str(error))


class Compiler:
    """NVIDIA's compiler, which is asked once for each program and architecture; what it said is kept on the disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def checked(self, kernels: Sequence[Kernel], architecture: str) -> tuple[list[str], list[Usage]]:
        """Return the warnings for a program of these kernels, and what each needs of a multiprocessor."""
        names = [f"kernel_{place}" for place in range(len(kernels))]
        text = program(kernels, names)
        digest = hashlib.sha256(f"{version()} {architecture} {text}".encode()).hexdigest()[:32]
        kept = self._folder / f"{digest}.json"
        if not kept.exists():
            made = compiled(text, architecture)
            assert made.code[:4] == b"\x7fELF"
            found = usages(made.log)
            kept.write_text(json.dumps([warnings(made.log), [found[name] for name in names]]))
        said, needs = json.loads(kept.read_text())
        return said, [Usage(*each) for each in needs]


@pytest.fixture(scope="session")
def compiler(nvrtc: None, request: pytest.FixtureRequest) -> Compiler:
    """NVIDIA's compiler, with a memory."""
    return Compiler(Path(request.config.cache.mkdir("compiled_kernels")))


class Planner(Emulated):
    """An emulated card on which nothing runs."""

    def starter(self, launch: Launch, device: int) -> Callable[[bytes, int], None]:
        return lambda packed, stream: self.started.append(launch)


@pytest.fixture
def planner(tmp_path: Path) -> Iterator[Planner]:
    """A card that only says what it would have run."""
    library = Planner(tmp_path)
    arrays.libraries.insert(0, library)
    yield library
    arrays.libraries.remove(library)


@pytest.fixture(scope="session")
def emulated(request: pytest.FixtureRequest) -> Iterator[Emulated]:
    """The emulated card, for as long as a session lasts."""
    if shutil.which("g++") is None:
        pytest.skip("there is no g++ to compile kernels for the CPU with: apt install g++")
    library = Emulated(Path(request.config.cache.mkdir("emulated_kernels")))
    arrays.libraries.append(library)
    yield library
    arrays.libraries.remove(library)


@pytest.fixture
def card(emulated: Emulated) -> Iterator[Emulated]:
    """The emulated card, as new."""
    emulated.order, emulated.gpu = 0, SMALL
    emulated.started.clear()
    yield emulated


@pytest.fixture
def on_card() -> type[Card]:
    """Make an array on the card out of one on the CPU."""
    return Card
