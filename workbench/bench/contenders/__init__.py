"""Who can run: one file per library, each with the same names, and each imported only when it is asked to prepare.

A contender is prepared outside the clock (imports, sessions, conversions) and leaves an :class:`Entry`, whose ``call``
is the only thing that is timed. To add a library, add a file beside the others and a line to ``_LIBRARIES``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from fused_kernels.catalog import Inputs, Op
from workbench.bench.environment import gpu, installed
from workbench.errors import InputError, MissingLibraryError
from workbench.text import did_you_mean

from .entry import Entry

Prepare = Callable[[Op | None, Inputs, Any], Entry]

__all__ = ["Contender", "Entry", "absent", "available", "choose"]


@dataclass(frozen=True)
class Contender:
    """One that can run.

    Parameters
    ----------
    name
        ``"numba"``, ``"numpy"``, ``"torch"``, ``"onnxruntime"``, or the user's.
    version
        Of the library, such as ``"numba 0.68.1"``; empty for a user's function.
    prepare
        ``prepare(op, inputs, out)`` gives the :class:`Entry`. ``inputs`` are the contender's own copies; ``out`` is a
        NumPy array to write into, or None for a new result at each call.
    """

    name: str
    version: str
    prepare: Prepare


@dataclass(frozen=True)
class _Library:
    """How a library is found and what it needs; ``peer`` is the key in ``op.peers``, None if every operation runs."""

    name: str
    distributions: tuple[str, ...]
    peer: str | None = None
    needs: tuple[str, ...] = ()


_LIBRARIES = (
    _Library("numba", ("numba",)),
    _Library("numpy", ("numpy",)),
    _Library("torch", ("torch",), peer="torch"),
    _Library("onnxruntime", ("onnxruntime", "onnxruntime-gpu"), peer="onnx", needs=("onnx",)),
)


def available(op: Op) -> dict[str, str]:
    """Return the contenders that can race ``op``, with their libraries' versions; nothing is imported."""
    return {library.name: _version(library) for library in _LIBRARIES if not _obstacle(op, library)}


def absent(op: Op) -> dict[str, str]:
    """Return the contenders that cannot race ``op`` here, each with the reason; nothing is imported."""
    found = {library.name: _obstacle(op, library) for library in _LIBRARIES}
    found["cupy"] = "this version races on the CPU only" if gpu() else "no GPU here"
    return {name: reason for name, reason in found.items() if reason}


def choose(op: Op, names: Iterable[str] | None) -> list[Contender]:
    """Return the contenders of these names, or all that can run.

    Raises
    ------
    workbench.errors.InputError
        For a name that is unknown, named twice, or cannot run here.
    workbench.errors.MissingLibraryError
        For one whose library is not installed; the message has the pip line.
    """
    present, missing = available(op), absent(op)
    chosen = list(present) if names is None else list(names)
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
    return [Contender(name, present[name], _preparer(name)) for name in chosen]


def _preparer(name: str) -> Prepare:
    def prepare(op: Op | None, inputs: Inputs, out: Any) -> Entry:
        entry: Entry = import_module(f".{name}", __name__).prepare(op, inputs, out)
        return entry

    return prepare


def _obstacle(op: Op, library: _Library) -> str:
    """Return why ``library`` cannot race ``op``, or nothing."""
    if library.peer is not None and library.peer not in op.peers:
        return f"has no form of {op.name} in the catalogue"
    if not any(map(installed, library.distributions)):
        return f"not installed; pip install {library.distributions[0]}"
    for distribution in library.needs:
        if not installed(distribution):
            return f"not installed: it also needs {distribution}; pip install {distribution}"
    return ""


def _version(library: _Library) -> str:
    return f"{library.name} {next(filter(None, map(installed, library.distributions)))}"
