"""Kernels to machine code by NVRTC, once for each architecture: kept on disk, as those of Numba are."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import importlib.util
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fused_kernels.errors import KernelError

from .source import Kernel, program

ARCHITECTURES = ("sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120")
"""What the kernels are tested to compile for, from Turing to Blackwell; others take the same way."""
ENTRY = "fused_kernel"
_OPTIONS = ("--std=c++17", "--ptxas-options=-v")


class Compiled(NamedTuple):
    """What NVRTC has made of a program.

    Parameters
    ----------
    code
        The cubin.
    log
        What it has said, with ptxas's lines on registers and spills.
    """

    code: bytes
    log: str


class Usage(NamedTuple):
    """What one kernel needs of a multiprocessor, as ptxas reports it.

    Parameters
    ----------
    registers
        Of each thread.
    shared
        Bytes of shared memory of each block.
    spilled
        Bytes that each thread stores and loads for want of registers.
    """

    registers: int
    shared: int
    spilled: int


def machine_code(kernel: Kernel, architecture: str) -> bytes:
    """Return the cubin of one kernel, whose entry is `ENTRY`, from the disk if it was compiled before.

    Raises
    ------
    KernelError
        If NVRTC is missing, or does not know the architecture.
    """
    text = program([kernel], [ENTRY])
    path = _kept(text, architecture)
    if path is not None:
        with contextlib.suppress(OSError):
            return path.read_bytes()
    code = compiled(text, architecture).code
    if path is not None:
        _keep(path, code)
    return code


def compiled(text: str, architecture: str, options: Sequence[str] = ()) -> Compiled:
    """Compile a program.

    Parameters
    ----------
    text
        CUDA C++ that includes nothing.
    architecture
        As ``"sm_90"``.
    options
        Of NVRTC, beside the usual ones.

    Raises
    ------
    KernelError
        With what the compiler says, or if there is none.
    """
    return _through_nvrtc(text, (f"--gpu-architecture={architecture}", *_OPTIONS, *options), "CUBIN")


def assembly(text: str, architecture: str) -> str:
    """Return the PTX of a program, for a virtual architecture such as ``"compute_90"``."""
    made = _through_nvrtc(text, (f"--gpu-architecture={architecture}", _OPTIONS[0]), "PTX")
    return made.code.decode().rstrip("\0")


def _through_nvrtc(text: str, options: Sequence[str], product: str) -> Compiled:
    nvrtc = nvrtc_library()
    handle = ctypes.c_void_p()
    _checked(nvrtc, nvrtc.nvrtcCreateProgram(ctypes.byref(handle), text.encode(), b"fused_kernel.cu", 0, None, None))
    try:
        given = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
        status = nvrtc.nvrtcCompileProgram(handle, len(options), given)
        log = _text(nvrtc, handle, "ProgramLog").decode(errors="replace").strip("\0\n ")
        if status:
            what = log or nvrtc.nvrtcGetErrorString(status).decode()
            architecture = options[0].partition("=")[2]
            raise KernelError(f"NVRTC {version()} could not compile a kernel for {architecture}: {what}")
        return Compiled(_text(nvrtc, handle, product), log)
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(handle))


def usages(log: str) -> dict[str, Usage]:
    """Return what each entry needs, out of a log of `compiled`."""
    found: dict[str, Usage] = {}
    for part in re.split(r"Compiling entry function '", log)[1:]:
        stores, loads = (int(re.search(rf"(\d+) bytes spill {kind}", part)[1]) for kind in ("stores", "loads"))  # type: ignore[index]
        registers = re.search(r"Used (\d+) registers", part)
        shared = re.search(r"(\d+) bytes smem", part)
        found[part.partition("'")[0]] = Usage(
            int(registers[1]) if registers else 0, int(shared[1]) if shared else 0, stores + loads
        )
    return found


def warnings(log: str) -> list[str]:
    """Return the lines of a log of `compiled` that warn."""
    return [line for line in log.splitlines() if "warning" in line.lower()]


@functools.cache
def version() -> str:
    """Return the version of NVRTC."""
    nvrtc, major, minor = nvrtc_library(), ctypes.c_int(), ctypes.c_int()
    _checked(nvrtc, nvrtc.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor)))
    return f"{major.value}.{minor.value}"


@functools.cache
def nvrtc_library() -> Any:
    """Return NVRTC, wherever it is: as a wheel beside torch or CuPy, or as a part of a toolkit.

    Raises
    ------
    KernelError
        If there is none.
    """
    for candidate in _candidates():
        with contextlib.suppress(OSError):
            nvrtc = ctypes.CDLL(candidate)
            nvrtc.nvrtcGetErrorString.restype = ctypes.c_char_p
            return nvrtc
    raise KernelError(
        "CUDA kernels are compiled by NVRTC, which is not to be found. "
        "Install it: pip install nvidia-cuda-nvrtc-cu12, or for CUDA 13 nvidia-cuda-nvrtc."
    )


def _candidates() -> Iterator[str]:
    """Yield where NVRTC may lie, the newest first."""
    names = ("libnvrtc.so.13", "libnvrtc.so.12")
    spec = importlib.util.find_spec("nvidia")
    wheels = [Path(folder) for folder in (spec.submodule_search_locations if spec else None) or ()]
    for name in names:
        for folder in wheels:
            yield from map(str, sorted(folder.glob(f"*/lib/{name}")))
    homes = filter(None, (os.environ.get("CUDA_PATH"), os.environ.get("CUDA_HOME"), "/usr/local/cuda"))
    for home in homes:
        yield from (str(Path(home) / "lib64" / name) for name in names)
    yield from names


def _checked(nvrtc: Any, status: int) -> None:
    if status:
        raise KernelError(f"NVRTC: {nvrtc.nvrtcGetErrorString(status).decode()}")


def _text(nvrtc: Any, handle: Any, what: str) -> bytes:
    size = ctypes.c_size_t()
    _checked(nvrtc, getattr(nvrtc, f"nvrtcGet{what}Size")(handle, ctypes.byref(size)))
    buffer = ctypes.create_string_buffer(size.value)
    _checked(nvrtc, getattr(nvrtc, f"nvrtcGet{what}")(handle, buffer))
    return buffer.raw


def _kept(text: str, architecture: str) -> Path | None:
    from fused_kernels.cpu.compile import cache_folder

    folder = cache_folder()
    if folder is None:
        return None
    digest = hashlib.sha256("\n".join((version(), architecture, *_OPTIONS, text)).encode()).hexdigest()
    return folder / f"{digest[:32]}.{architecture}.cubin"


def _keep(path: Path, code: bytes) -> None:
    """Write a file at once, so that no other process reads half of it; where that cannot be, do without."""
    with contextlib.suppress(OSError):
        handle, name = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(code)
        Path(name).replace(path)
