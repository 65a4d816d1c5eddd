"""Single instructions that Python cannot spell, emitted as LLVM IR.

Each works on one element; LLVM widens it to vectors with the loop around it.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fused_kernels.memory import CACHE_LINE

from . import llvm


@intrinsic
def fma(_context: Any, a: Any, b: Any, c: Any) -> Any:
    """Return ``a * b + c`` with one rounding."""
    return a(a, b, c), lambda context, builder, sig, args: builder.fma(*args)


@intrinsic
def polynomial(_context: Any, x: Any, coefficients: Any) -> Any:
    """Evaluate by Horner's rule with `fma`; ``coefficients`` is a tuple, the highest power first."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        x, coefficients = args
        value = builder.extract_value(coefficients, 0)
        for index in range(1, len(sig.args[1])):
            value = builder.fma(value, x, builder.extract_value(coefficients, index))
        return value

    return x(x, coefficients), emit


@intrinsic
def round_even(_context: Any, a: Any) -> Any:
    """Round to the nearest integer, halves to even."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return llvm.call(builder, f"llvm.roundeven.{llvm.suffix(args[0].type)}", args)

    return a(a), emit


@intrinsic
def to_integer(_context: Any, a: Any) -> Any:
    """Truncate to int64; what that cannot hold becomes the next it can, NaN the lowest: no index of any array."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        word = ir.IntType(64)
        near = llvm.call(builder, f"llvm.fptosi.sat.i64.{llvm.suffix(args[0].type)}", args, word)
        return builder.select(builder.fcmp_ordered("ord", *args, *args), near, word(-1 << 63))

    return types.int64(a), emit


@intrinsic
def larger(_context: Any, a: Any, b: Any) -> Any:
    """Return the larger of the two where neither is NaN: one instruction, half of what ``llvm.maximum`` takes.

    A Python ``max`` never vectorises.

    With a NaN the result is one of the two, unspecified; use it where the NaN takes another way.
    """
    return a(a, b), _selection(">")


@intrinsic
def smaller(_context: Any, a: Any, b: Any) -> Any:
    """Return the smaller of the two where neither is NaN, as `larger` does the larger."""
    return a(a, b), _selection("<")


def _selection(comparison: str) -> Any:
    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        flags = ("nnan", "nsz")
        return builder.select(builder.fcmp_ordered(comparison, *args, flags=flags), *args, flags=flags)

    return emit


@intrinsic
def scale_by_power_of_two(_context: Any, value: Any, exponent: Any) -> Any:
    """``value * 2**exponent`` for an integral float ``exponent``, right into the denormals.

    AVX-512 has one instruction for it. Elsewhere LLVM would call the C library for each element, so the
    power is put together from its bits, in two halves to reach the ends of the range.
    """

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        value, exponent = args
        if "+avx512f" in context.codegen()._tm_features:
            power = builder.fptosi(exponent, ir.IntType(32))
            return llvm.call(builder, f"llvm.ldexp.{llvm.suffix(value.type)}.i32", [value, power])
        # In the last bits of the sum stands the exponent plus both biases.
        word, mantissa, bias = _layout(value.type)
        shifted = builder.fadd(exponent, ir.Constant(value.type, 1.5 * 2.0**mantissa + 2 * bias))
        power = builder.bitcast(shifted, word)
        half = builder.ashr(power, ir.Constant(word, 1))
        for part in (half, builder.sub(power, half)):
            value = builder.fmul(value, _to_exponent(builder, part, value.type))
        return value

    return value(value, exponent), emit


@intrinsic
def power_of_two(_context: Any, biased: Any) -> Any:
    """Return ``2**n`` where the last bits of ``biased`` are n plus the exponent's bias; 0 where that sum is 0.

    Adding ``1.5 * 2**mantissa_bits + bias`` to a number leaves them so, n being the number rounded.
    """

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _to_exponent(builder, builder.bitcast(args[0], _layout(args[0].type)[0]), args[0].type)

    return biased(biased), emit


@intrinsic
def copysign(_context: Any, magnitude: Any, sign: Any) -> Any:
    """Return ``magnitude`` with the sign of ``sign``."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return llvm.call(builder, f"llvm.copysign.{llvm.suffix(args[0].type)}", args)

    return magnitude(magnitude, sign), emit


@intrinsic
def split_exponent(_context: Any, x: Any) -> Any:
    """Return ``(power, mantissa)``, floats, of a positive normal ``x = mantissa * 2**power``.

    The mantissa lies between sqrt(1/2) and sqrt(2). Only integer additions and shifts that AVX2 has too.
    """

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = args[0].type
        word, bits, bias = _layout(kind)

        def constant(value: int) -> Any:
            return ir.Constant(word, value)

        one, root = bias << bits, 0x3FE6A09E667F3BCD if bits == 52 else 0x3F3504F3  # 1 and sqrt(1/2), as stored
        shifted = builder.add(builder.bitcast(args[0], word), constant(one - root))
        mantissa = builder.add(builder.and_(shifted, constant((1 << bits) - 1)), constant(root))
        # A float of exponent `bits` holds an integer in its mantissa: no conversion is needed.
        integer = builder.bitcast(
            builder.or_(builder.lshr(shifted, constant(bits)), constant(bias + bits << bits)), kind
        )
        power = builder.fsub(integer, ir.Constant(kind, 2.0**bits + bias))
        return context.make_tuple(builder, result, [power, builder.bitcast(mantissa, kind)])

    result = types.UniTuple(x, 2)
    return result(x), emit


@intrinsic
def biased_exponent(_context: Any, x: Any) -> Any:
    """Return ``(m, e)``: x with the exponent of 1, and the exponent as stored, an unsigned integer."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = args[0].type
        word, bits, bias = _layout(kind)
        stored, mask = builder.bitcast(args[0], word), (2 * bias + 1) << bits
        mantissa = builder.or_(builder.and_(stored, ir.Constant(word, ~mask)), ir.Constant(word, bias << bits))
        exponent = builder.lshr(builder.and_(stored, ir.Constant(word, mask)), ir.Constant(word, bits))
        exponent = exponent if word.width == 64 else builder.zext(exponent, ir.IntType(64))
        return context.make_tuple(builder, result, [builder.bitcast(mantissa, kind), exponent])

    result = types.Tuple((x, types.uint64))
    return result(x), emit


@intrinsic
def last_bits(_context: Any, x: Any) -> Any:
    """Return the last two bits of a float, as stored, as an integer."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        word = _layout(args[0].type)[0]
        return builder.trunc(builder.and_(builder.bitcast(args[0], word), ir.Constant(word, 3)), ir.IntType(8))

    return types.uint8(x), emit


@intrinsic
def in_table(_context: Any, table: Any, place: Any) -> Any:
    """Return ``table[place]`` of a constant array with one axis; ``place`` is not looked at."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        value = builder.load(builder.gep(data, [args[1]]))
        # Else what is stored in the same loop might be in the table, and the loop would not be vector code.
        value.set_metadata("alias.scope", llvm.read_only(builder))
        return value

    return table.dtype(table, place), emit


def _to_exponent(builder: Any, biased: Any, kind: Any) -> Any:
    word, mantissa, _ = _layout(kind)
    return builder.bitcast(builder.shl(biased, ir.Constant(word, mantissa)), kind)


def _layout(kind: Any) -> tuple[Any, int, int]:
    """Return the integer of the same width, the bits of the mantissa and the bias of the exponent."""
    return (ir.IntType(64), 52, 1023) if kind == ir.DoubleType() else (ir.IntType(32), 23, 127)


@intrinsic
def stream(_context: Any, target: Any, first: Any, source: Any, count: Any) -> Any:
    """Write ``source[:count]`` to ``target.flat[first : first + count]`` past the caches.

    Non-temporal stores spare the read of the line that is overwritten: a gain when the result is larger than
    the last cache, a loss otherwise. Call `stream_end` before another thread reads the result.

    Parameters
    ----------
    target, source
        C-contiguous arrays of one dtype; ``source`` one-dimensional.
    first, count
        Index of the first element written, and how many.
    """

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        target, first, source, count = args
        element = context.get_value_type(sig.args[0].dtype)
        size = context.get_abi_sizeof(element)
        word = ir.IntType(64)
        to = builder.gep(context.make_array(sig.args[0])(context, builder, target).data, [first])
        came = context.make_array(sig.args[2])(context, builder, source).data
        line = ir.VectorType(element, CACHE_LINE // size)
        lane = ir.Constant(word, CACHE_LINE // size)
        temporal = builder.module.add_metadata([ir.Constant(ir.IntType(32), 1)])

        misaligned = builder.urem(builder.neg(builder.ptrtoint(to, word)), ir.Constant(word, CACHE_LINE))
        head = builder.udiv(misaligned, ir.Constant(word, size))
        head = builder.select(builder.icmp_unsigned("<", head, count), head, count)
        lines = builder.udiv(builder.sub(count, head), lane)
        tail = builder.add(head, builder.mul(lines, lane))

        def copy_element(index: Any) -> None:
            builder.store(builder.load(builder.gep(came, [index])), builder.gep(to, [index]))

        def copy_line(index: Any) -> None:
            place = builder.add(head, builder.mul(index, lane))
            value = builder.load(builder.bitcast(builder.gep(came, [place]), line.as_pointer()))
            value.align = size
            store = builder.store(value, builder.bitcast(builder.gep(to, [place]), line.as_pointer()))
            store.align = CACHE_LINE
            store.set_metadata("nontemporal", temporal)

        zero = ir.Constant(word, 0)
        _loop(builder, zero, head, copy_element)
        _loop(builder, zero, lines, copy_line)
        _loop(builder, tail, count, copy_element)
        return context.get_dummy_value()

    return types.void(target, types.intp, source, types.intp), emit


@intrinsic
def stream_end(_context: Any) -> Any:
    """Make everything written by `stream` visible to other threads."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.fence("seq_cst")
        if context.codegen().magic_tuple()[0].startswith("x86_64"):
            llvm.call(builder, "llvm.x86.sse.sfence", [], ir.VoidType())
        return context.get_dummy_value()

    return types.void(), emit


def _loop(builder: Any, start: Any, stop: Any, body: Any) -> None:
    """Emit ``for index in range(start, stop): body(index)``."""
    before, test, inside, after = builder.block, *(builder.append_basic_block(name) for name in ("test", "body", "end"))
    builder.branch(test)
    builder.position_at_end(test)
    index = builder.phi(start.type)
    index.add_incoming(start, before)
    builder.cbranch(builder.icmp_signed("<", index, stop), inside, after)
    builder.position_at_end(inside)
    body(index)
    index.add_incoming(builder.add(index, ir.Constant(start.type, 1)), builder.block)
    builder.branch(test)
    builder.position_at_end(after)
