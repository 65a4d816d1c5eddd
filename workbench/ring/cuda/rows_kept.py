"""Rows that stay on the GPU from message to message, and how alike new ones are to them."""

from __future__ import annotations

from typing import Any

import numpy as np

from fused_kernels.cuda import arrays as device_arrays
from workbench.errors import InputError
from workbench.ring.similarity import rows_of

from . import memory
from .asked import Asked
from .body import RingBody
from .layout import DTYPES, Command, Operation, Status
from .plans import PLANS
from .pool import Pool


class SimilarityBody(RingBody):
    """``similarity_matrix`` as on the CPU, but all rows that came so far are kept on the GPU, which counts them.

    Parameters
    ----------
    name, runs, pool
        As for :class:`RingBody`.
    """

    def __init__(self, name: str, runs: str, pool: Pool) -> None:
        super().__init__(name, runs, pool)
        self._store = self._room = self._kept = self._width = 0
        self._dtype = ""
        self._sure = True
        """Whether the GPU has as many rows as `_kept` says; not after an interrupt."""

    def open(self) -> None:
        """Take a ring, and forget the rows that were counted there before."""
        super().open()
        self._clear()

    def run(self, payload: Any) -> Any:
        """Add rows, and return how alike they are to all; ``"clear"`` forgets them and gives how many there were."""
        if not self._sure:
            self._count_again()
        if isinstance(payload, str):
            if payload != "clear":
                raise InputError(f"similarity_matrix takes embeddings or 'clear', got {payload!r}.")
            return self._clear()
        rows = self._rows(payload)
        count, width = rows.shape
        if self._kept and width != self._width:
            raise InputError(f"This kernel has rows of {self._width} numbers and got {width}. Send 'clear' first.")
        placed = self.places.of(self.name, Asked(Operation.SIMILARITY, (rows,), (count, self._kept + count)))
        if not count:
            return placed.result()
        self._grow(self._kept + count, width, placed.dtype)
        command = Command(
            id=next(self.ids),
            operation=Operation.SIMILARITY,
            dtype=DTYPES[placed.dtype],
            x=placed.addresses[0],
            out=placed.out,
            rows=count,
            columns=width,
            store=self._store,
            room=self._room,
            kept=self._kept,
        )
        self._sure = False
        self._kept = self.told(PLANS[Operation.SIMILARITY](command), placed).word
        self._sure = True
        return placed.result()

    def close(self) -> None:
        """Give the ring back, and the memory."""
        store, self._store = self._store, 0
        self._room = self._kept = 0
        if store:
            self.places.program.free(store)
        super().close()

    def _clear(self) -> int:
        self._sure = False
        reply = self.told(Command(next(self.ids), Operation.CLEAR))
        self._kept = 0
        self._sure = True
        return reply.word

    def _count_again(self) -> None:
        """Ask the GPU how many rows it has, with a message that cannot be right."""
        self.settled()
        asks = Command(next(self.ids), Operation.SIMILARITY, rows=1, columns=1, kept=-1)
        self._kept = self.told(asks, status=Status.OTHER_STATE).word
        self._sure = True

    def _rows(self, payload: Any) -> Any:
        """Return rows of the dtype of those that are kept, where they lie."""
        library = device_arrays.of([payload])
        if library is None:
            rows = rows_of(payload)
            return rows.astype(self._widened(rows.dtype.name), copy=False) if self._kept else rows
        if not 1 <= len(payload.shape) <= 2 or not payload.shape[-1]:
            raise InputError(f"Embeddings are rows of numbers, such as 5 x 384; got {tuple(payload.shape)}.")
        rows = payload.reshape(-1, payload.shape[-1])
        dtype = library.view(self.name, "rows", rows).dtype
        wanted = dtype if dtype in ("float32", "float64") else "float32"
        wanted = self._widened(wanted) if self._kept else wanted
        return rows if dtype == wanted else library.contiguous(rows, wanted)

    def _widened(self, dtype: str) -> str:
        """Return the dtype of the rows that are kept, if new ones can become that."""
        if (dtype, self._dtype) == ("float64", "float32"):
            raise InputError(
                "This kernel has rows of float32 and got float64, which would lose digits. Convert them, or send "
                "'clear' first."
            )
        return self._dtype

    def _grow(self, rows: int, width: int, dtype: str) -> None:
        """See to it that the store has room, in memory that doubles."""
        same = (self._width, self._dtype) == (width, dtype)
        if rows <= self._room and same:
            return
        size = np.dtype(dtype).itemsize
        room = max(64, rows, 2 * self._room if same else 0)
        program = self.places.program
        with program.quiet():
            store = program.empty(room * (width + 1) * size)
            if self._kept:  # the rows, and behind all that have room, their lengths
                ends = (room * width * size, self._room * width * size)
                memory.copy(store, self._store, self._kept * width * size)
                memory.copy(store + ends[0], self._store + ends[1], self._kept * size)
            old, self._store, self._room, self._width, self._dtype = self._store, store, room, width, dtype
            if old:
                program.free(old)
