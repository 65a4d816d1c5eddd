"""Operations that are a formula of scalars: compiled in all forms, for arrays of one shape and for any others."""

from __future__ import annotations

from typing import Any

import numpy as np

from fused_kernels import trace
from fused_kernels.cpu import threads
from fused_kernels.cpu.addresses import word_at
from fused_kernels.cpu.compile import Kernel, inline, raising_code
from fused_kernels.cpu.fork_join import parallel
from fused_kernels.cpu.intrinsics import stream, stream_end
from fused_kernels.cpu.views import LIKE, array_at
from fused_kernels.dispatch import FLOATS, Array
from fused_kernels.memory import ALIGNED_FROM

from . import forms, strided
from .element import bounds, each, operands_in, operands_of, put_over
from .elements_launch import CODES, MOST, OUT, SIZE, launch
from .forms import shares_of
from .strided import TILE


class Elements:
    """The compiled loops of one formula, for arrays of one size and for any others.

    Parameters
    ----------
    name
        Of the operation, unique; the compiled code is kept under it.
    formula
        Compiled, to be inlined: a function of ``arity`` scalars in the dtype of the result, that returns one.
    parallel_from
        Bytes of the result from which threads pay.
    key
        As in `kernel`.

    Attributes
    ----------
    kit
        What `elements_launch.attempt` takes; it serves arguments of the same kinds as those of earlier calls of `run`.
    kernels
        Those of `run` that are compiled, by dtype, which arguments are numbers (as bits), and whether they stream.
    """

    def __init__(self, name: str, formula: Kernel, arity: int, *, parallel_from: int, key: str | None = "") -> None:
        self._name, self._formula, self._arity, self._key = name, formula, arity, key
        self._parallel_from = parallel_from
        self.kernels: dict[tuple[np.dtype[Any], int, bool], Any] = {}
        self._codes: dict[tuple[np.dtype[Any], int, bool], int] = {}
        self.kit = np.zeros(CODES + (2 << min(arity, MOST)), np.int64)
        new_limit, limit = min(parallel_from, ALIGNED_FROM), forms.last_level_cache()
        self.kit[:CODES] = parallel_from, threads.board, 0, new_limit, limit
        self._strided = parallel(f"{name}.strided", inline(strided.strided_share(formula, arity)), key=key)

    def run(self, args: tuple[Any, ...], numbers: int, out: Array, *, in_place: bool) -> None:
        """Run over C-contiguous arrays of one shape and dtype, and Python floats, where ``numbers`` has bits set.

        ``out`` is in place if it is one of them; it must not overlap them otherwise.
        """
        nbytes = out.nbytes
        shares = shares_of(nbytes, self._parallel_from)
        # Past the caches, if the result would not stay in them.
        streaming = nbytes >= forms.last_level_cache() and not in_place
        if forms.skipped(nbytes, shares, streaming=streaming, parallel_from=self._parallel_from):
            return
        code = self._codes.get((out.dtype, numbers, streaming)) or self._compiled(out.dtype, numbers, streaming)
        launch(threads.state(shares), shares, code, out.size, out, args, np.empty(2 + self._arity, np.int64))

    def run_strided(
        self, inputs: list[Array], out: Array | None, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> Array:
        """Run over arrays that are broadcast, strided or of other dtypes; see `strided.arrange`. Return the result."""
        out, plan = strided.arrange(inputs, out, shape, dtype)
        if not out.size:
            return out
        shares = shares_of(out.nbytes, self._parallel_from)
        streaming = out.nbytes >= forms.last_level_cache() and not strided.is_scattered(plan)
        if trace.listeners:
            gathered = strided.gathered(plan, len(inputs))
            reason = f"{out.nbytes} bytes on {threads.in_words(shares)}"
            reason += f", {gathered} of the inputs gathered tile by tile" if gathered else ""
            if trace.launching("numba", "strided", reason):
                return out
        self._strided(threads.state(shares), shares, streaming, LIKE[dtype], plan)
        return out

    def _compiled(self, dtype: np.dtype[Any], numbers: int, streaming: bool) -> int:
        dtype = FLOATS[FLOATS.index(dtype)]
        operands = operands_of(tuple(bool(numbers >> k & 1) for k in range(self._arity)))
        share = (_streaming_share if streaming else _share)(self._formula, operands, LIKE[dtype])
        name = f"{self._name}.{'streaming' if streaming else 'same_size'}.{dtype}.{numbers}"
        found = parallel(name, inline(share), key=self._key)
        code = raising_code(found, 3)
        self.kernels[dtype, numbers, streaming], self._codes[dtype, numbers, streaming] = found, code
        if self._arity <= MOST and not streaming:
            self.kit[CODES + 2 * numbers + dtype.itemsize // 8] = code
        return code


def _share(formula: Kernel, operands: Any, like: Any) -> Kernel:
    def element(i: int, out: Any, inputs: Any) -> None:
        put_over(out, i, formula(*operands_in(out, inputs, i)))

    one = inline(element)

    def share_of_elements(share: int, shares: int, task: int) -> None:
        size = word_at(task + SIZE)
        first, last = bounds(share, shares, size)
        out, inputs = array_at(like, word_at(task + OUT), size), operands(like, task, size)
        each(first, last, one, (out, inputs))

    return share_of_elements


def _streaming_share(formula: Kernel, operands: Any, like: Any) -> Kernel:
    def element(i: int, scratch: Any, out: Any, inputs: Any, first: int) -> None:
        put_over(scratch, i, formula(*operands_in(out, inputs, first + i)))

    one = inline(element)

    def streaming_share(share: int, shares: int, task: int) -> None:
        size = word_at(task + SIZE)
        begin, last = bounds(share, shares, size)
        out, inputs = array_at(like, word_at(task + OUT), size), operands(like, task, size)
        scratch = np.empty(TILE, like.dtype)
        for first in range(begin, last, TILE):
            count = min(TILE, last - first)
            each(0, count, one, (scratch, out, inputs, first))
            stream(out, first, scratch, count)
        stream_end()

    return streaming_share
