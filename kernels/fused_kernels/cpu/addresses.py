"""Raw memory by its address, an int64: words, elements, records of words, room on the stack; machine code; symbols."""

from __future__ import annotations

from typing import Any

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fused_kernels.memory import CACHE_LINE

_WORD = ir.IntType(64)


@intrinsic
def word_at(_context: Any, place: Any) -> Any:
    """Return the int64 at an address."""
    return types.int64(types.int64), lambda context, builder, sig, args: _load(builder, args[0], 0)


@intrinsic
def put_at(_context: Any, place: Any, value: Any) -> Any:
    """Store an int64 or a float64 at an address."""

    def emit(_: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[1], builder.inttoptr(args[0], args[1].type.as_pointer()))
        return ir.Constant(ir.IntType(8).as_pointer(), None)

    return types.void(types.int64, value if value == types.float64 else types.int64), emit


def elements_at(kind: Any) -> Any:
    """Make the intrinsic that turns an address into a pointer to elements of a Numba type."""
    pointer = types.CPointer(kind)

    @intrinsic
    def elements(_context: Any, address: Any) -> Any:
        def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return builder.inttoptr(args[0], context.get_value_type(pointer))

        return pointer(types.int64), emit

    return elements


@intrinsic
def call(_context: Any, code: Any, arguments: Any) -> Any:
    """Call machine code by its address, with a tuple of integers."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        values = _words(context, builder, sig.args[1], args[1])
        function = ir.FunctionType(ir.VoidType(), [_WORD] * len(values))
        builder.call(builder.inttoptr(args[0], function.as_pointer()), values)
        return context.get_dummy_value()

    return types.void(types.int64, arguments), emit


def on_stack(size: int, *, cleared: int = 0) -> Any:
    """Make the intrinsic that returns the address of ``size`` bytes of the stack, on a cache line.

    The first ``cleared`` of them are set to 0.
    """

    @intrinsic
    def room(_context: Any) -> Any:
        def emit(_: Any, builder: Any, sig: Any, args: Any) -> Any:
            with builder.goto_entry_block():
                block = builder.alloca(ir.ArrayType(ir.IntType(8), size))
            block.align = CACHE_LINE
            if cleared:
                cgutils.memset(builder, block, _WORD(cleared), 0)
            return builder.ptrtoint(block, _WORD)

        return types.int64(), emit

    return room


def record(kind: type) -> tuple[Any, Any]:
    """Make the intrinsics ``load(address)`` and ``store(address, value)`` of a NamedTuple of int64 in memory."""
    names = kind._fields  # type: ignore[attr-defined]
    fields = types.NamedUniTuple(types.int64, len(names), kind)

    @intrinsic
    def load(_context: Any, place: Any) -> Any:
        def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            values = [_load(builder, args[0], 8 * index) for index in range(len(names))]
            return context.make_tuple(builder, sig.return_type, values)

        return fields(types.int64), emit

    @intrinsic
    def store(_context: Any, place: Any, value: Any) -> Any:
        def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            for index, item in enumerate(_words(context, builder, sig.args[1], args[1])):
                there = builder.inttoptr(builder.add(args[0], _WORD(8 * index)), _WORD.as_pointer())
                builder.store(item, there)
            return context.get_dummy_value()

        return types.void(types.int64, value), emit

    return load, store


def symbol(name: str, address: int) -> str:
    """Give an address of this process the name by which compiled code, which may come from the disk, knows it."""
    binding.add_symbol(name, address)
    return name


def address_of_symbol(name: str) -> Any:
    """Make the intrinsic that returns the address of a symbol."""

    @intrinsic
    def address(_context: Any) -> Any:
        def emit(_: Any, builder: Any, sig: Any, args: Any) -> Any:
            known = builder.module.globals.get(name)
            variable = known or ir.GlobalVariable(builder.module, ir.IntType(8), name)
            return builder.ptrtoint(variable, _WORD)

        return types.int64(), emit

    return address


def _load(builder: Any, place: Any, offset: int) -> Any:
    return builder.load(builder.inttoptr(builder.add(place, _WORD(offset)), _WORD.as_pointer()))


def _words(context: Any, builder: Any, kind: Any, value: Any) -> list[Any]:
    """Return the elements of a tuple of integers as int64."""
    items = cgutils.unpack_tuple(builder, value)
    return [context.cast(builder, item, one, types.int64) for item, one in zip(items, kind.types, strict=True)]
