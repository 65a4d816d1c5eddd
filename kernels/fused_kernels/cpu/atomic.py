"""Words of memory that several threads read and write, and the pause of a loop that waits for one."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from . import llvm

_WORD = ir.IntType(64)


@intrinsic
def load(_context: Any, address: Any) -> Any:
    """Return the word at ``address``."""

    def emit(_: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load_atomic(_pointer(builder, args[0]), "seq_cst", 8)

    return types.int64(types.int64), emit


@intrinsic
def store(_context: Any, address: Any, value: Any) -> Any:
    """Write ``value`` at ``address``."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store_atomic(args[1], _pointer(builder, args[0]), "seq_cst", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), emit


@intrinsic
def swap_if(_context: Any, address: Any, expected: Any, new: Any) -> Any:
    """Write ``new`` if ``expected`` stands there; return whether it did."""

    def emit(_: Any, builder: Any, sig: Any, args: Any) -> Any:
        swapped = builder.cmpxchg(_pointer(builder, args[0]), args[1], args[2], "seq_cst", "seq_cst")
        return builder.extract_value(swapped, 1)

    return types.boolean(*[types.int64] * 3), emit


@intrinsic
def add(_context: Any, address: Any, value: Any) -> Any:
    """Add ``value`` to the word at ``address``; return what stood there before."""

    def emit(_: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.atomic_rmw("add", _pointer(builder, args[0]), args[1], "seq_cst")

    return types.int64(types.int64, types.int64), emit


@intrinsic
def pause(_context: Any) -> Any:
    """Tell the core that this is a spinning loop."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        triple = context.codegen().magic_tuple()[0]
        if triple.startswith("x86_64"):
            name, hints = "llvm.x86.sse2.pause", []
        elif triple.startswith(("aarch64", "arm64")):
            name, hints = "llvm.aarch64.hint", [ir.IntType(32)(1)]
        else:
            return context.get_dummy_value()
        llvm.call(builder, name, hints, ir.VoidType())
        return context.get_dummy_value()

    return types.void(), emit


def _pointer(builder: Any, address: Any) -> Any:
    return builder.inttoptr(address, _WORD.as_pointer())
