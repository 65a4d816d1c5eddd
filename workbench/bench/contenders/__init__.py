"""Who can run: one file per library, each with the same names, and each imported only when it is asked to prepare.

A contender is prepared outside the clock (imports, sessions, conversions) and leaves an :class:`Entry`, whose ``call``
is the only thing that is timed. To add a library, add a file beside the others and a line to ``_LIBRARIES``.

A race without names is one of the usual contenders, the same few on every machine. The others join by name, or all of
them with ``"all"``: each lengthens every round, and ``torch.compile`` takes some seconds to begin.
"""

from __future__ import annotations

import os
import shutil
import sysconfig
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from fused_kernels.catalog import Inputs, Op
from workbench import __version__
from workbench.bench.devices import CPU, CUDA
from workbench.bench.environment import gpu, installed
from workbench.errors import InputError, MissingLibraryError
from workbench.text import did_you_mean

from . import liger, triton
from .entry import Entry

Prepare = Callable[[Op | None, Inputs, Any], Entry]

ALL = "all"
"""In place of names: every contender that can run."""

__all__ = ["ALL", "CPU", "CUDA", "Contender", "Entry", "absent", "available", "choose", "order", "usual"]


@dataclass(frozen=True)
class Contender:
    """One that can run.

    Parameters
    ----------
    name
        That of a library, such as ``"numba"`` or ``"torch.compile"``, or the user's.
    version
        Of the library, such as ``"numba 0.68.1"``; empty for a user's function.
    prepare
        ``prepare(op, inputs, out)`` gives the :class:`Entry`. ``inputs`` are the memory of a place, and ``out`` is an
        array to write into, or None for a new result at each call: NumPy's, and on a GPU the device's.
    """

    name: str
    version: str
    prepare: Prepare


def _no_compiler() -> str:
    """Return what torch.compile lacks on the CPU, or nothing: it writes C++ for a compiler of the machine."""
    compiler = os.environ.get("CXX", "")
    if not any(shutil.which(name) for name in (compiler.partition(" ")[0], "g++", "clang++", "c++", "cl") if name):
        return "it needs a C++ compiler, such as g++"
    if not (Path(sysconfig.get_path("include")) / "Python.h").exists():
        return "it needs Python's headers (Python.h), such as those of python3-dev"
    return ""


def _no_gpu_for_torch() -> str:
    """Return why torch cannot compute on a GPU, or nothing."""
    import torch as library

    if library.cuda.is_available():
        return ""
    return f"torch {library.__version__} sees no GPU; https://pytorch.org tells which torch has CUDA"


@dataclass(frozen=True)
class _Library:
    """How a contender's library is found and what it needs.

    Parameters
    ----------
    name
        Of the contender.
    distributions
        Any one of these brings it.
    peer
        The key in ``op.peers``; None if every operation runs.
    needs
        Distributions beside it.
    lacks
        Says what else is missing on this machine; nothing if all is there.
    usual
        Whether it races where nobody is named.
    ops
        The operations that it has, where no peer of the catalogue tells; None for all.
    """

    name: str
    distributions: tuple[str, ...]
    peer: str | None = None
    needs: tuple[str, ...] = ()
    lacks: Callable[[], str] = str
    usual: bool = False
    ops: tuple[str, ...] | None = None

    @property
    def module(self) -> str:
        """The file beside this one."""
        return self.name.replace(".", "_").replace("-", "_")


_LIBRARIES = (
    _Library("numba", ("numba",), usual=True),
    _Library("numpy", ("numpy",), usual=True),
    _Library("torch", ("torch",), peer="torch", usual=True),
    _Library("onnxruntime", ("onnxruntime", "onnxruntime-gpu"), peer="onnx", needs=("onnx",), usual=True),
    _Library("torch.compile", ("torch",), peer="torch", lacks=_no_compiler),
    _Library("jax", ("jax",), peer="jax"),
    _Library("numexpr", ("numexpr",), peer="numexpr"),
    _Library("polyglot-bridge", ("polyglot-bridge",), peer="polyglot"),
)
_CUPY = ("cupy-cuda13x", "cupy-cuda12x", "cupy")
_ON_A_GPU = (
    _Library("fused", ("numpy",), usual=True),
    _Library("cupy", _CUPY, usual=True),
    _Library("torch", ("torch",), peer="torch", lacks=_no_gpu_for_torch, usual=True),
    _Library("torch.compile", ("torch",), peer="torch", needs=("triton",), lacks=_no_gpu_for_torch, usual=True),
    _Library("triton", ("triton",), needs=("torch",), lacks=_no_gpu_for_torch, usual=True, ops=triton.OPS),
    _Library("liger", ("liger-kernel",), needs=("torch",), lacks=_no_gpu_for_torch, usual=True, ops=liger.OPS),
    _Library("fused-cupy", _CUPY),
)
OURS = ("fused", "fused-cupy")
"""Our own kernels on a GPU."""
_SIDES = {CPU: _LIBRARIES, CUDA: _ON_A_GPU}


def available(op: Op, device: str = CPU) -> dict[str, str]:
    """Return the contenders that can race ``op``, with their libraries' versions; for the CPU nothing is imported."""
    return {library.name: _version(library) for library in _SIDES[device] if not _obstacle(op, library)}


def usual(op: Op, device: str = CPU) -> list[str]:
    """Return those that race ``op`` where nobody is named."""
    return [library.name for library in _SIDES[device] if library.usual and not _obstacle(op, library)]


def order(name: str) -> tuple[int, str]:
    """Return a key by which names sort as the contenders are listed here, and others after them."""
    names = [library.name for library in (*_LIBRARIES, *_ON_A_GPU)]
    return (names.index(name) if name in names else len(names), name)


def absent(op: Op, names: str | Iterable[str] | None = ALL, device: str = CPU) -> dict[str, str]:
    """Return who cannot race ``op`` here, each with the reason: of all, or of the usual ones (None).

    Of those who were asked for by name nobody is absent, since :func:`choose` refuses what cannot run.
    """
    if names is not None and names != ALL:
        return {}
    asked = [library for library in _SIDES[device] if library.usual or names == ALL]
    found = {library.name: _obstacle(op, library) for library in asked}
    if device == CPU:
        found["cupy"] = "races on the GPU, with device='cuda'" if gpu() else "no GPU here"
    return {name: reason for name, reason in found.items() if reason}


def choose(op: Op, names: str | Iterable[str] | None, device: str = CPU) -> list[Contender]:
    """Return the contenders of these names, the usual ones (None), or all that can run (``"all"``).

    Raises
    ------
    workbench.errors.InputError
        For a name that is unknown, named twice, or cannot run here.
    workbench.errors.MissingLibraryError
        For one whose library is not installed; the message has the pip line.
    """
    present, missing = available(op, device), absent(op, device=device)
    if names is None or names == ALL:
        chosen = usual(op, device) if names is None else list(present)
    else:
        chosen = [names] if isinstance(names, str) else list(names)
    if not chosen:
        raise InputError(f"A race needs a contender; for {op.name} there are: {', '.join(present)}.")
    if len(set(chosen)) < len(chosen):
        raise InputError(f"Each contender races once; got {', '.join(chosen)}.")
    for name in chosen:
        if name in present:
            continue
        if name in missing:
            kind = MissingLibraryError if missing[name].startswith("not installed") else InputError
            raise kind(f"{name} cannot race {op.name}: {missing[name]}. These can: {', '.join(present)}.")
        hint = did_you_mean(name, present)
        raise InputError(f"There is no contender {name!r}.{hint} For {op.name} there are: {', '.join(present)}.")
    modules = {library.name: library.module for library in _SIDES[device]}
    return [Contender(name, present[name], _preparer(modules[name])) for name in chosen]


def _preparer(module: str) -> Prepare:
    def prepare(op: Op | None, inputs: Inputs, out: Any) -> Entry:
        entry: Entry = import_module(f".{module}", __name__).prepare(op, inputs, out)
        return entry

    return prepare


def _obstacle(op: Op, library: _Library) -> str:
    """Return why ``library`` cannot race ``op``, or nothing."""
    if library.peer is not None and library.peer not in op.peers:
        return f"has no form of {op.name} in the catalogue"
    if library.ops is not None and op.name not in library.ops:
        return f"has no {op.name}; it has: {', '.join(library.ops)}"
    if not any(map(installed, library.distributions)):
        return f"not installed; pip install {library.distributions[0]}"
    for distribution in library.needs:
        if not installed(distribution):
            return f"not installed: it also needs {distribution}; pip install {distribution}"
    return library.lacks()


def _version(library: _Library) -> str:
    if library.name in OURS:
        return f"{library.name} {__version__}"
    return f"{library.name} {next(filter(None, map(installed, library.distributions)))}"
