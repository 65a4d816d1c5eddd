"""Compile a Python function to machine code with the flags that make it fast, and keep the result on disk."""

from __future__ import annotations

import functools
import hashlib
import os
import pickle
import platform
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core import serialize
from numba.core.caching import NullCache, _Cache
from numba.core.compiler import CompileResult
from numba.core.compiler_lock import global_compiler_lock

Kernel = Callable[..., Any]

if hasattr(os, "register_at_fork"):
    # A fork waits for compilers in other threads: whatever these hold, and LLVM's own locks, would in the child be held
    # for ever. So all that asks LLVM for something has this lock.
    os.register_at_fork(
        before=global_compiler_lock.acquire,
        after_in_parent=global_compiler_lock.release,
        after_in_child=global_compiler_lock.release,
    )

_OPTIONS = {
    # Without it every division checks for zero, and the branch keeps the loop scalar.
    "error_model": "numpy",
    "nogil": True,
}
_REORDERED = {"reassoc", "contract"}
INLINED = {**_OPTIONS, "fastmath": {"contract"}, "forceinline": True}
"""Options of a helper that is inlined into kernels and keeps its own order of operations.

Only contraction to fused multiply-add is allowed, so error-compensated steps stay as written.
"""


def inline(function: Kernel) -> Kernel:
    """Compile a helper with the options `INLINED`."""
    return njit(function, **INLINED)


def inline_reduction(function: Kernel) -> Kernel:
    """Compile a helper that is inlined into kernels and whose sums may be reordered, so that they vectorise."""
    return njit(function, **{**INLINED, "fastmath": _REORDERED})


def kernel(name: str, *, key: str | None = "", nogil: bool = True) -> Callable[[Kernel], Kernel]:
    """Compile a function as a kernel; its machine code is kept on disk under ``name``.

    Sums may be reordered, so reductions vectorise; NaN and inf keep their meaning.

    Parameters
    ----------
    name
        Unique in the package: closures made by one factory differ only by it.
    key
        Text that the code depends on beside this package's own sources; None keeps it out of the cache on disk.
    nogil
        Whether other threads of Python may run meanwhile: to let them costs 40 ns, and more if they do.
    """

    def decorate(function: Kernel) -> Kernel:
        dispatcher: Any = njit(function, **{**_OPTIONS, "nogil": nogil}, fastmath=_REORDERED)
        folder = cache_folder() if key is not None else None
        dispatcher._cache = NullCache() if folder is None or key is None else _DiskCache(folder, name, key)
        compiled: Kernel = dispatcher
        return compiled

    return decorate


def machine_code(function: Any, arguments: int) -> int:
    """Return the address of the code of a kernel that takes so many int64, to be called from other kernels.

    Its caller is then compiled without it, once for all that are called in the same way.
    """
    with global_compiler_lock:
        result = function.get_compile_result(numba.void(*[numba.int64] * arguments))
        _kept.append(result)
        return int(result.library.get_pointer_to_function(result.fndesc.llvm_cfunc_wrapper_name))


def raising_code(function: Any, arguments: int) -> int:
    """Return the address of the code of a kernel that takes so many int64 and returns one, to be called as Numba does.

    So what it raises is known to the caller; of what code by `machine_code` raises nothing is.
    """
    with global_compiler_lock:
        _, parameters = function._compiler.fold_argument_types([numba.int64] * arguments, {})
        result = function.get_compile_result(numba.int64(*parameters))
        _kept.append(result)
        return int(result.library.get_pointer_to_function(result.fndesc.llvm_func_name))


def entry(function: Any, *parameters: Any) -> Callable[..., Any]:
    """Compile a kernel for these types of parameters and return its shortest way in from Python.

    It trusts its caller: an argument of another type ends the process.
    """
    with global_compiler_lock:
        function.compile(parameters)
        compiled = function.overloads[parameters]
        _kept.append(compiled)
    start: Callable[..., Any] = compiled.entry_point
    return start


_kept: list[Any] = []
"""What is started past its dispatcher must not be unloaded."""


def njit(function: Kernel, **options: Any) -> Kernel:
    """Compile by Numba, when it is first called."""
    compiled: Kernel = numba.njit(**options)(function)
    return compiled


@functools.cache
def cache_folder() -> Path | None:
    """Return the folder for compiled kernels, or None where nothing can be written.

    ``NUMBA_CACHE_DIR`` and ``XDG_CACHE_HOME`` are honoured.
    """
    given = numba.config.CACHE_DIR or os.environ.get("XDG_CACHE_HOME")
    try:
        folder = Path(given or Path("~/.cache").expanduser()) / "fused_kernels"
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except (OSError, RuntimeError):  # nowhere to write, or a user without a home
        return None


@functools.cache
def _sources() -> str:
    """Digest of every source of this package: a change in a helper must recompile what inlines it."""
    digest = hashlib.sha256(f"{numba.__version__} {platform.python_version()} {sys.byteorder}".encode())
    for path in sorted(Path(__file__).parent.parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


class _DiskCache(_Cache):
    """One file per kernel, signature and processor.

    Numba's own cache looks at the modification time of one file only, so it misses a change in an imported helper,
    and its key for closures differs in every process.
    """

    def __init__(self, folder: Path, name: str, key: str) -> None:
        self._folder, self._name, self._key, self._enabled = folder, name, key, True

    @property
    def cache_path(self) -> str:
        return str(self._folder)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        target_context.refresh()
        path = self._path(sig, target_context.codegen())
        if not self._enabled or not path.exists():
            return None
        try:
            return CompileResult._rebuild(target_context, *pickle.loads(path.read_bytes()))
        except Exception:  # a damaged or foreign file is as good as none: compile again
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        if not self._enabled or data.lifted or data.library.has_dynamic_globals:
            return
        path = self._path(sig, data.codegen)
        try:
            with tempfile.NamedTemporaryFile(dir=self._folder, delete=False) as file:
                file.write(serialize.dumps(data._reduce()))
            Path(file.name).replace(path)
        except OSError:  # a full disk costs the next start some time, and nothing else
            return

    def enable(self) -> None:
        self._enabled = True

    def disable(self) -> None:
        self._enabled = False

    def flush(self) -> None:
        for path in self._folder.glob(f"{self._name}-*.nbc"):
            path.unlink(missing_ok=True)

    def _path(self, sig: Any, codegen: Any) -> Path:
        parts = (_sources(), self._name, self._key, str(sig), *map(str, codegen.magic_tuple()))
        return self._folder / f"{self._name}-{hashlib.sha256('|'.join(parts).encode()).hexdigest()[:24]}.nbc"
