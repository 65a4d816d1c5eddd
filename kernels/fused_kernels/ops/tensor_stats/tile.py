"""A tile of values in vectors: what is summed over it, and a histogram of up to 64 bins from planes of bits.

Counting one value after the other costs a load, an addition and a store each, ten times what the memory needs to
deliver it. So nothing is counted one by one. The six bits of the bin numbers of 64 values become six words, one for
each bit; from these, "the number of the value is b" is, for 512 values at once, one AND of two vectors of bits, and
the instruction that counts bits does the rest: three instructions for a bin and 512 values.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fused_kernels.cpu import llvm

from .state import LANES, PLANES, TILE, WORDS

_AHEAD = 8 * TILE
"""Bytes that memory is asked for in advance. Counting needs none, so it would stand still meanwhile."""
_WIDTH = 16
_I1, _I8, _I32, _I64 = ir.IntType(1), ir.IntType(8), ir.IntType(32), ir.IntType(64)
_ORDERED, _REORDERED = ("nnan", "nsz"), ("reassoc", "contract")


def _measuring(*, counted: bool, signed: bool) -> Any:
    """Make an intrinsic; ``counted``: with the planes; ``signed``: right where ``value * scale`` underflows below 0."""

    @intrinsic
    def measure(_context: Any, x: Any, shift: Any, scale: Any, first: Any, planes: Any) -> Any:
        """Return minimum, maximum, sum and sum of squares of ``x - shift``, and the number of zeros.

        Parameters
        ----------
        x
            One-dimensional, contiguous; a multiple of 64 values, at least 64.
        shift
            Near the mean. A NaN or inf among the values makes the sums so too; the rest is then unspecified.
        scale, first
            The bin of a value is ``floor(value * scale) - first``; meaningless unless all are from 0 to 63.
        planes
            int64, (6, WORDS): receives bit b of the bins of 64 values in ``planes[b, word]``, in any order.
        """
        kind = x.dtype
        result = types.UniTuple(kind, 5)

        def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            loop = _Measuring(context, builder, context.get_value_type(kind), counted, signed)
            return context.make_tuple(builder, result, loop.emit(sig, args))

        return result(x, kind, kind, types.int64, planes), emit

    return measure


class _Measuring:
    def __init__(self, context: Any, builder: Any, element: Any, counted: bool, signed: bool) -> None:
        self.context, self.builder, self.element = context, builder, element
        self.counted, self.signed = counted, signed
        self.single = element == ir.FloatType()
        self.vector = ir.VectorType(element, _WIDTH)
        self.suffix = llvm.suffix(self.vector)
        self.zero, self.one = (_constant(element, value, _WIDTH) for value in (0.0, 1.0))

    def emit(self, sig: Any, args: Any) -> list[Any]:
        builder = self.builder
        x, planes = (self.context.make_array(sig.args[i])(self.context, builder, args[i]) for i in (0, 4))
        words = builder.udiv(builder.extract_value(x.shape, 0), _I64(64))
        self.shift, self.scale = llvm.splat(builder, args[1], _WIDTH), llvm.splat(builder, args[2], _WIDTH)
        first = builder.sitofp(args[3], self.element) if not self.single else builder.trunc(args[3], _I8)
        self.first = llvm.splat(builder, first, _WIDTH if not self.single else 64)
        start = llvm.splat(builder, builder.load(x.data), _WIDTH)
        # Two sums of squares in turns, since the next fused multiply-add must wait for the one before.
        sums = [start, start, *[self.zero] * 4]
        before, body, after = builder.block, builder.append_basic_block("tile"), builder.append_basic_block("measured")
        builder.branch(body)
        builder.position_at_end(body)
        word = builder.phi(_I64)
        word.add_incoming(_I64(0), before)
        running = [builder.phi(self.vector) for _ in sums]
        for phi, value in zip(running, sums, strict=True):
            phi.add_incoming(value, before)
        sums, bins = list(running), []
        for part in range(64 // _WIDTH):
            place = builder.gep(x.data, [builder.add(builder.mul(word, _I64(64)), _I64(part * _WIDTH))])
            for line in range(1 if self.single else 2):
                self._prefetch(place, _AHEAD + 64 * line)
            value = builder.load(builder.bitcast(place, self.vector.as_pointer()))
            value.align = 4 if self.single else 8
            self._add(sums, value, part)
            if self.counted:
                bins.append(self._bin(value))
        if self.counted:
            self._store_planes(self._bytes(bins), planes.data, word)
        following = builder.add(word, _I64(1))
        word.add_incoming(following, body)
        for phi, value in zip(running, sums, strict=True):
            phi.add_incoming(value, body)
        builder.cbranch(builder.icmp_signed("<", following, words), body, after)
        builder.position_at_end(after)
        low, high, total, zeros, *squares = sums
        square = builder.fadd(*squares, flags=_REORDERED)
        return [self._folded(low, self._smaller), self._folded(high, self._larger)] + [
            self._folded(value, builder.fadd) for value in (total, square, zeros)
        ]

    def _add(self, sums: list[Any], value: Any, part: int) -> None:
        builder = self.builder
        sums[0], sums[1] = self._smaller(sums[0], value), self._larger(sums[1], value)
        off = builder.fsub(value, self.shift)
        sums[2] = builder.fadd(sums[2], off, flags=_REORDERED)
        is_zero = builder.fcmp_ordered("==", value, self.zero)
        sums[3] = builder.select(is_zero, builder.fadd(sums[3], self.one), sums[3])
        place = 4 + part % 2
        sums[place] = llvm.call(builder, f"llvm.fma.{self.suffix}", [off, off, sums[place]])

    def _bin(self, value: Any) -> Any:
        builder = self.builder
        floor = llvm.call(builder, f"llvm.floor.{self.suffix}", [builder.fmul(value, self.scale)])
        if self.signed:
            at_most = _constant(self.element, -1.0, _WIDTH)
            below = builder.fcmp_ordered("<", value, self.zero)
            floor = builder.select(below, self._smaller(floor, at_most), floor)
        if not self.single:
            floor = builder.fsub(floor, self.first)  # it needs all 53 digits, and the integers here have 32
        return builder.fptosi(floor, ir.VectorType(_I32, _WIDTH))

    def _bytes(self, bins: list[Any]) -> Any:
        """Gather the lowest bytes of four vectors in one, by shifts and blends: a quarter of the cost of packing."""
        builder, octets = self.builder, ir.VectorType(_I8, 64)
        packed = builder.bitcast(bins[0], octets)
        for part in range(1, 4):
            moved = builder.bitcast(builder.shl(bins[part], _constant(_I32, 8 * part, _WIDTH)), octets)
            chosen = ir.Constant(ir.VectorType(_I1, 64), [_I1(int(octet % 4 >= part)) for octet in range(64)])
            packed = builder.select(chosen, moved, packed)
        return builder.sub(packed, self.first) if self.single else packed

    def _store_planes(self, numbers: Any, planes: Any, word: Any) -> None:
        builder = self.builder
        for plane in range(PLANES):
            bit = builder.and_(numbers, _constant(_I8, 1 << plane, 64))
            is_set = builder.icmp_signed("!=", bit, _constant(_I8, 0, 64))
            place = builder.gep(planes, [builder.add(word, _I64(plane * WORDS))])
            builder.store(builder.bitcast(is_set, _I64), place)

    def _prefetch(self, place: Any, ahead: int) -> None:
        builder = self.builder
        place = builder.gep(builder.bitcast(place, _I8.as_pointer()), [_I64(ahead)])
        llvm.call(builder, "llvm.prefetch.p0", [place, _I32(0), _I32(3), _I32(1)], ir.VoidType())

    def _folded(self, value: Any, join: Any) -> Any:
        builder, width = self.builder, _WIDTH
        while width > 1:
            width //= 2
            halves = [
                builder.shuffle_vector(
                    value, value, ir.Constant(ir.VectorType(_I32, width), list(range(start, start + width)))
                )
                for start in (0, width)
            ]
            value = join(*halves)
        return builder.extract_element(value, _I32(0))

    def _smaller(self, a: Any, b: Any) -> Any:
        return self.builder.select(self.builder.fcmp_ordered("<", a, b, flags=_ORDERED), a, b, flags=_ORDERED)

    def _larger(self, a: Any, b: Any) -> Any:
        return self.builder.select(self.builder.fcmp_ordered(">", a, b, flags=_ORDERED), a, b, flags=_ORDERED)


summarise = _measuring(counted=False, signed=False)
measure = _measuring(counted=True, signed=False)
measure_signed = _measuring(counted=True, signed=True)


@intrinsic
def tally(_context: Any, high: Any, low: Any, counts: Any, words: Any) -> Any:
    """Add the set bits of ``high & low[k]`` to ``counts[k]``, lane by lane, for eight k.

    Parameters
    ----------
    high, low, counts
        int64 of shape (WORDS,), (8, WORDS) and (8, LANES), contiguous.
    words
        How many words there are, a multiple of LANES.
    """

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        high, low, counts = (
            context.make_array(kind)(context, builder, value).data
            for kind, value in zip(sig.args[:3], args[:3], strict=True)
        )
        vector = ir.VectorType(_I64, LANES)

        def at(base: Any, offset: Any) -> Any:
            return builder.bitcast(builder.gep(base, [offset]), vector.as_pointer())

        def load(base: Any, offset: Any) -> Any:
            value = builder.load(at(base, offset))
            value.align = 8
            return value

        sums = [load(counts, _I64(k * LANES)) for k in range(8)]
        before, body, after = builder.block, builder.append_basic_block("tally"), builder.append_basic_block("tallied")
        builder.branch(body)
        builder.position_at_end(body)
        word = builder.phi(_I64)
        word.add_incoming(_I64(0), before)
        running = [builder.phi(vector) for _ in sums]
        chosen = load(high, word)
        following = builder.add(word, _I64(LANES))
        word.add_incoming(following, body)
        for k, (phi, value) in enumerate(zip(running, sums, strict=True)):
            both = builder.and_(chosen, load(low, builder.add(word, _I64(k * WORDS))))
            sums[k] = builder.add(phi, llvm.call(builder, f"llvm.ctpop.v{LANES}i64", [both]))
            phi.add_incoming(value, before)
            phi.add_incoming(sums[k], body)
        builder.cbranch(builder.icmp_signed("<", following, args[3]), body, after)
        builder.position_at_end(after)
        for k, value in enumerate(sums):
            builder.store(value, at(counts, _I64(k * LANES))).align = 8
        return context.get_dummy_value()

    return types.void(high, low, counts, types.int64), emit


def _constant(element: Any, value: Any, width: int) -> Any:
    return ir.Constant(ir.VectorType(element, width), [ir.Constant(element, value)] * width)
