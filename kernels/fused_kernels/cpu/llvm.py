"""What code that is written in LLVM's own language shares: calls by name, vectors of one value."""

from __future__ import annotations

from typing import Any

from llvmlite import ir


def call(builder: Any, name: str, args: list[Any], result: Any = None) -> Any:
    """Call a function by its name, declared where it is not yet; ``result``, if None, is of the type of ``args[0]``."""
    module = builder.module
    signature = ir.FunctionType(args[0].type if result is None else result, [arg.type for arg in args])
    return builder.call(module.globals.get(name) or ir.Function(module, signature, name), args)


def suffix(kind: Any) -> str:
    """Return how the names of LLVM's functions end for a type: ``f32``, ``v8f64``."""
    if isinstance(kind, ir.VectorType):
        return f"v{kind.count}{suffix(kind.element)}"
    return "f64" if kind == ir.DoubleType() else "f32"


def splat(builder: Any, value: Any, lanes: int) -> Any:
    """Return a vector with ``value`` in each lane."""
    index = ir.IntType(32)
    undefined = ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined)
    first = builder.insert_element(undefined, value, index(0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(index, lanes), None))


def read_only(builder: Any) -> Any:
    """Return LLVM's name for memory that is only read: loads say that they are of it, stores that they are apart."""
    module = builder.module
    domain = module.add_metadata(["fused_kernels.memory"])
    return module.add_metadata([module.add_metadata(["read only", domain])])


def loop_hint(builder: Any, name: str, value: int) -> Any:
    """Return what, as ``llvm.loop`` of a loop's last branch, tells LLVM how to compile it."""
    module = builder.module
    hint = module.add_metadata([f"llvm.loop.{name}", ir.IntType(32)(value)])
    # A loop's metadata is its own by naming itself.
    loop = ir.MDValue(module, [hint], name=str(len(module.metadata)))
    loop.operands = (loop, hint)
    return loop
