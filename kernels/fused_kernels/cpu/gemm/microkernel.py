"""The innermost loop of a matrix product: one tile of the result, held in vector registers while it is summed up.

Written as LLVM IR, because neither Numba nor LLVM's vectoriser keeps a two-dimensional tile in registers. It reaches
about 96 % of the processor's peak, with the bias and a lower bound (relu) applied before the only store.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fused_kernels.cpu import llvm
from fused_kernels.cpu.compile import Kernel

from .tile import Tile

_WORD, _INDEX = ir.IntType(64), ir.IntType(32)
_ARGUMENTS = 12


def tile_product(tile: Tile) -> Kernel:
    """Make the function that computes one tile of the result, to be compiled as a kernel.

    Returns
    -------
    product
        ``product(rows, columns, left, right, right_stride, out, out_stride, terms, first, bias, bounded, spare)``
        sets ``rows`` by ``columns`` elements at ``out`` to ``left @ right + bias``, at least 0 if ``bounded``. All are
        int64, places addresses and strides bytes. ``left`` is a packed piece with `Tile.left_stride`, finite beyond
        ``rows``; ``right`` has `Tile.width` columns, or, with `Tile.masks`, no more than ``columns``. ``terms`` may be
        0. Unless ``first`` the sums are added to what stands in ``out``. ``bias`` has an element for each of the
        ``columns``. NaN is never bounded. ``spare`` has room for a row of a tile, which is overwritten.
    """
    multiply = _dispatch(tile)

    def product(  # type: ignore[no-untyped-def]  # noqa: PLR0917, by position
        rows, columns, left, right, right_stride, out, out_stride, terms, first, bias, bounded, spare
    ):
        multiply((rows, columns, left, right, right_stride, out, out_stride, terms, first, bias, bounded, spare))

    return product


def _dispatch(tile: Tile) -> Any:
    """Make the intrinsic that calls the smallest tile that holds the rows and columns."""

    @intrinsic
    def multiply(_context: Any, arguments: Any) -> Any:
        def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            values = [builder.extract_value(args[0], index) for index in range(_ARGUMENTS)]
            rows, columns = values[:2]
            whole = builder.icmp_signed("==", columns, _WORD(tile.width))
            narrow = builder.icmp_signed("<=", columns, _WORD(tile.lanes))
            chosen = None
            for height in tile.heights:
                full, part, slim = (
                    _Writer(builder.module, tile, height, vectors, masked).function()
                    for vectors, masked in ((tile.vectors, False), (tile.vectors, True), (1, True))
                )
                here = builder.select(whole, full, builder.select(narrow, slim, part))
                holds = builder.icmp_signed("<=", rows, _WORD(height))
                chosen = here if chosen is None else builder.select(holds, here, chosen)
            builder.call(chosen, values)
            return context.get_dummy_value()

        return types.void(arguments), emit

    return multiply


class _Writer:
    """Writes one tile as an LLVM function.

    Parameters
    ----------
    module
        That receives it.
    tile
        The cut.
    height, vectors
        Rows and registers in a row of this one.
    masked
        Whether there are fewer columns, beyond which nothing is touched.
    """

    def __init__(self, module: Any, tile: Tile, height: int, vectors: int, masked: bool) -> None:
        self.module, self.tile, self.height, self.vectors, self.masked = module, tile, height, vectors, masked
        self.vector = ir.VectorType(tile.element, tile.lanes)
        self.suffix = llvm.suffix(self.vector)
        self.part_bytes = tile.lanes * tile.itemsize
        self.cells = [(row, part) for row in range(height) for part in range(vectors)]
        self.builder: Any = None
        self.masks: list[Any] = []

    def function(self) -> Any:
        """Return the function; a function and not inlined, so that its code is compiled once."""
        name = f"fused_kernels.tile.{self.tile.name}.{self.height}.{self.vectors}.{int(self.masked)}"
        if name in self.module.globals:
            return self.module.globals[name]
        function = ir.Function(self.module, ir.FunctionType(ir.VoidType(), [_WORD] * _ARGUMENTS), name)
        function.linkage = "internal"
        function.attributes.add("noinline")
        function.attributes.add("nounwind")
        self._write(function)
        return function

    def _write(self, function: Any) -> None:
        rows, columns, left, right, right_stride, out, out_stride, terms, first, bias, bounded, spare = function.args
        start, loop, end, resume, store = (
            function.append_basic_block(name) for name in ("start", "loop", "end", "resume", "store")
        )
        self.builder = builder = ir.IRBuilder(start)
        self.masks = self._masks(columns)
        nothing = self._vector_of(0.0)
        builder.cbranch(builder.icmp_signed(">", terms, _WORD(0)), loop, end)

        builder.position_at_end(loop)
        totals = self._sum(start, loop, end, left, right, right_stride, terms)

        builder.position_at_end(end)
        totals = [self._phi((nothing, start), (total, loop)) for total in totals]
        out_rows = [out]
        for row in range(1, self.height):
            there = builder.add(out, builder.mul(out_stride, _WORD(row)))
            out_rows.append(builder.select(builder.icmp_signed("<", _WORD(row), rows), there, spare))
        builder.cbranch(builder.icmp_signed("!=", first, _WORD(0)), store, resume)

        builder.position_at_end(resume)
        sums = [
            builder.fadd(total, self._load(out_rows[row], part))
            for (row, part), total in zip(self.cells, totals, strict=True)
        ]
        builder.branch(store)

        builder.position_at_end(store)
        totals = [self._phi((total, end), (both, resume)) for total, both in zip(totals, sums, strict=True)]
        shifts = [self._load(bias, part) for part in range(self.vectors)]
        least = builder.select(builder.icmp_signed("!=", bounded, _WORD(0)), nothing, self._vector_of(float("-inf")))
        for (row, part), total in zip(self.cells, totals, strict=True):
            value = builder.fadd(total, shifts[part])
            value = builder.select(builder.fcmp_ordered("<", value, least), least, value)
            self._store(value, out_rows[row], part)
        builder.ret_void()

    def _sum(  # noqa: PLR0917, by position
        self, start: Any, loop: Any, end: Any, left: Any, right: Any, right_stride: Any, terms: Any
    ) -> list[Any]:
        """Write the loop over the terms; return the sums."""
        builder, tile = self.builder, self.tile
        step, right_row = builder.phi(_WORD), builder.phi(_WORD)
        sums = [builder.phi(self.vector) for _ in self.cells]
        load = self._load if tile.masks else self._load_whole
        parts = [load(right_row, part) for part in range(self.vectors)]
        left_column = builder.add(left, builder.mul(step, _WORD(tile.itemsize)))
        totals: list[Any] = []
        for row in range(self.height):
            factor = llvm.splat(builder, self._element(left_column, row * tile.left_stride), tile.lanes)
            for part in range(self.vectors):
                # Fused where the processor can; `llvm.fma` would call the C library where it cannot.
                operands = [factor, parts[part], sums[len(totals)]]
                totals.append(llvm.call(builder, f"llvm.fmuladd.{self.suffix}", operands))
        following = builder.add(step, _WORD(1))
        for phi, initial, value in (
            (step, _WORD(0), following),
            (right_row, right, builder.add(right_row, right_stride)),
            *((phi, self._vector_of(0.0), total) for phi, total in zip(sums, totals, strict=True)),
        ):
            phi.add_incoming(initial, start)
            phi.add_incoming(value, loop)
        builder.cbranch(builder.icmp_signed("<", following, terms), loop, end)
        return totals

    def _vector_of(self, value: float) -> Any:
        return ir.Constant(self.vector, [value] * self.tile.lanes)

    def _phi(self, *incoming: tuple[Any, Any]) -> Any:
        phi = self.builder.phi(self.vector)
        for value, block in incoming:
            phi.add_incoming(value, block)
        return phi

    def _place(self, address: Any, part: int) -> Any:
        place = self.builder.add(address, _WORD(part * self.part_bytes))
        return self.builder.inttoptr(place, self.vector.as_pointer())

    def _element(self, address: Any, offset: int) -> Any:
        place = self.builder.add(address, _WORD(offset))
        return self.builder.load(self.builder.inttoptr(place, self.tile.element.as_pointer()))

    def _load_whole(self, address: Any, part: int) -> Any:
        value = self.builder.load(self._place(address, part))
        value.align = self.tile.itemsize
        return value

    def _load(self, address: Any, part: int) -> Any:
        if not self.masked:
            return self._load_whole(address, part)
        place = self._place(address, part)
        values = [place, _INDEX(self.tile.itemsize), self.masks[part], self._vector_of(0.0)]
        return llvm.call(self.builder, f"llvm.masked.load.{self.suffix}.p0", values, self.vector)

    def _store(self, value: Any, address: Any, part: int) -> None:
        place = self._place(address, part)
        if not self.masked:
            self.builder.store(value, place).align = self.tile.itemsize
            return
        values = [value, place, _INDEX(self.tile.itemsize), self.masks[part]]
        llvm.call(self.builder, f"llvm.masked.store.{self.suffix}.p0", values, ir.VoidType())

    def _masks(self, columns: Any) -> list[Any]:
        """Return for each part of a row which of its lanes there are."""
        if not self.masked:
            return []
        builder, lanes = self.builder, self.tile.lanes
        count = llvm.splat(builder, builder.trunc(columns, _INDEX), lanes)
        return [
            builder.icmp_signed("<", ir.Constant(count.type, [part * lanes + lane for lane in range(lanes)]), count)
            for part in range(self.vectors)
        ]
