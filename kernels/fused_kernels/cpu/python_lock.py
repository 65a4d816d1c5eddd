"""Python's lock, which machine code that takes Python's objects holds, and gives up while it computes for long."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

_WORD = ir.IntType(64)


@intrinsic
def give_up(_context: Any) -> Any:
    """Give up the lock, and return what `take_back` needs; no object of Python may be touched meanwhile."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.ptrtoint(context.get_python_api(builder).save_thread(), _WORD)

    return types.int64(), emit


@intrinsic
def take_back(_context: Any, saved: Any) -> Any:
    """Wait for the lock."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        context.get_python_api(builder).restore_thread(builder.inttoptr(args[0], ir.IntType(8).as_pointer()))
        return context.get_dummy_value()

    return types.void(saved), emit
