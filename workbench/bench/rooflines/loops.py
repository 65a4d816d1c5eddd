"""The loops that `ceilings` times: as little as possible around a load, a store or an fma."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.registry import cpu_target
from numba.extending import intrinsic

from fused_kernels.cpu.compile import inline, inline_reduction, kernel
from fused_kernels.cpu.intrinsics import stream, stream_end

CHAINS = 12
"""Independent fused multiply-adds: more than latency times ports asks for, and few enough for 16 registers."""
_TILE = 512


@inline
def _copy(source: Any, target: Any) -> None:
    for i in range(source.size):
        target[i] = source[i]


@inline
def _scale(source: Any, target: Any, factor: Any) -> None:
    for i in range(source.size):
        target[i] = source[i] * factor


@inline_reduction
def _read(source: Any, start: Any) -> Any:
    total = start
    for i in range(source.size):
        total += source[i]
    return total


# Each repeats inside, so that a call does not count, and runs without the interpreter's lock, so that threads can call
# it at once. A factor that changes from one repetition to the next keeps the compiler from dropping all but the last.


@kernel("ceilings.copy")
def copy(repeats: Any, source: Any, target: Any, factors: Any) -> None:
    """Copy ``source``, ``repeats`` times."""
    for _ in range(repeats):
        _copy(source, target)


@kernel("ceilings.scale")
def scale(repeats: Any, source: Any, target: Any, factors: Any) -> None:
    """Multiply ``source`` by a number."""
    for repeat in range(repeats):
        _scale(source, target, factors[repeat & 1])


@kernel("ceilings.stream")
def streamed(repeats: Any, source: Any, target: Any, factors: Any) -> None:
    """Do the same past the caches; the size must be a multiple of the tile."""
    scratch = factors[:1].repeat(_TILE)
    for repeat in range(repeats):
        for first in range(0, source.size, _TILE):
            _scale(source[first : first + _TILE], scratch, factors[repeat & 1])
            stream(target, first, scratch, _TILE)
    stream_end()


@kernel("ceilings.read")
def read(repeats: Any, source: Any, target: Any, factors: Any) -> None:
    """Add up ``source``."""
    total = factors[0]
    for repeat in range(repeats):
        total += _read(source, factors[repeat & 1])
    target[0] = total


@kernel("ceilings.multiply_add")
def multiply_add(repeats: Any, seed: Any) -> Any:
    """Run ``repeats`` rounds of :data:`CHAINS` vector fused multiply-adds."""
    return _chains(seed, repeats)


@intrinsic
def _chains(_context: Any, seed: Any, repeats: Any) -> Any:
    """Return the sum of all chains ``a = a * seed + seed``, so that none can be left out."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        seed, repeats = args
        lanes = _vector_bytes(context.codegen()) * 8 // sig.args[0].bitwidth
        vector = ir.VectorType(seed.type, lanes)
        name = f"llvm.fma.v{lanes}f{sig.args[0].bitwidth}"
        module = builder.module
        fma = module.globals.get(name) or ir.Function(module, ir.FunctionType(vector, [vector] * 3), name)
        spread = ir.Constant(vector, ir.Undefined)
        for lane in range(lanes):
            spread = builder.insert_element(spread, seed, ir.Constant(ir.IntType(32), lane))
        before, inside, after = (builder.block, *(builder.append_basic_block(name) for name in ("fma", "end")))
        word = ir.IntType(64)
        # Chains that begin alike would be computed once.
        starts = []
        value = spread
        for _ in range(CHAINS):
            starts.append(value)
            value = builder.fadd(value, spread)
        builder.branch(inside)
        builder.position_at_end(inside)
        index = builder.phi(word)
        index.add_incoming(ir.Constant(word, 0), before)
        values = [builder.phi(vector) for _ in range(CHAINS)]
        for phi, start in zip(values, starts, strict=True):
            phi.add_incoming(start, before)
            phi.add_incoming(builder.call(fma, [phi, spread, spread]), inside)
        following = builder.add(index, ir.Constant(word, 1))
        index.add_incoming(following, inside)
        builder.cbranch(builder.icmp_signed("<", following, repeats), inside, after)
        builder.position_at_end(after)
        total = values[0]
        for phi in values[1:]:
            total = builder.fadd(total, phi)
        result = builder.extract_element(total, ir.Constant(ir.IntType(32), 0))
        for lane in range(1, lanes):
            result = builder.fadd(result, builder.extract_element(total, ir.Constant(ir.IntType(32), lane)))
        return result

    return seed(seed, types.intp), emit


def lanes(dtype: Any) -> int:
    """Return how many numbers of ``dtype`` a vector register of this processor holds."""
    count: int = _vector_bytes(cpu_target.target_context.codegen()) // np.dtype(dtype).itemsize
    return count


def _vector_bytes(codegen: Any) -> int:
    features = codegen._tm_features
    return 64 if "+avx512f" in features else 32 if "+avx2" in features else 16
