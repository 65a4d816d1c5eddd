"""What crossed the bridge: shared or copied, and why."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from workbench.text import aligned, format_bytes, format_sizes

if TYPE_CHECKING:
    import pandas as pd

KEPT = 1000
"""A bridge remembers so many transfers, the last ones."""
_SHOWN = 20


@dataclass(frozen=True)
class Transfer:
    """One crossing of the bridge.

    Parameters
    ----------
    number
        Which one it was, from 1.
    source, target
        What came and what it became: ``"bytes"``, ``"NumPy"``, ``"torch cuda:0"``, ...
    dtype
        Standard name of what came.
    shape
        Of the result.
    nbytes
        Of the result.
    shared
        Whether the result is the same memory as what came.
    why
        The reason in words.
    """

    number: int
    source: str
    target: str
    dtype: str
    shape: tuple[int, ...]
    nbytes: int
    shared: bool
    why: str

    @property
    def verdict(self) -> str:
        """``"shared"`` or ``"copied"``."""
        return "shared" if self.shared else "copied"

    def __str__(self) -> str:
        return (
            f"{self.source} to {self.target}, {self.dtype} {format_sizes(self.shape)}, {format_bytes(self.nbytes)}: "
            f"{self.verdict}, {self.why}"
        )

    __repr__ = __str__


@dataclass(frozen=True, repr=False)
class ShareReport:
    """The last transfers of a bridge, oldest first; a sequence of :class:`Transfer`.

    Parameters
    ----------
    transfers
        At most 1000 of them.
    """

    transfers: tuple[Transfer, ...]

    @property
    def forgotten(self) -> int:
        """How many there were before those."""
        return self.transfers[0].number - 1 if self.transfers else 0

    @property
    def shared_nbytes(self) -> int:
        """Bytes of all that was shared."""
        return sum(transfer.nbytes for transfer in self.transfers if transfer.shared)

    @property
    def copied_nbytes(self) -> int:
        """Bytes of all that was copied."""
        return sum(transfer.nbytes for transfer in self.transfers if not transfer.shared)

    @property
    def heading(self) -> str:
        """The sum in one line."""
        if not self.transfers:
            return "no transfers yet"
        count = len(self.transfers)
        before = f", and {self.forgotten:,} before them" if self.forgotten else ""
        return (
            f"{count:,} transfer{'s' if count > 1 else ''}: {format_bytes(self.shared_nbytes)} shared, "
            f"{format_bytes(self.copied_nbytes)} copied{before}"
        )

    def __len__(self) -> int:
        return len(self.transfers)

    def __iter__(self) -> Iterator[Transfer]:
        return iter(self.transfers)

    def __getitem__(self, place: int) -> Transfer:
        return self.transfers[place]

    def __repr__(self) -> str:
        rows = [row(transfer) for transfer in self.transfers[-_SHOWN:]]
        left = len(self) - len(rows)
        return "\n".join(
            [
                self.heading,
                *([f"the last {len(rows)} of them; all with .to_pandas()"] if left else []),
                *("  " + line for line in (aligned(rows, left=7) if rows else [])),
            ]
        )

    def _repr_html_(self) -> str:
        from workbench.views import bridge_card

        return bridge_card.report_card(self)

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per transfer: number, source, target, dtype, shape (as text), bytes, shared and why."""
        import pandas as pd

        return pd.DataFrame(
            {
                "number": [transfer.number for transfer in self],
                "source": [transfer.source for transfer in self],
                "target": [transfer.target for transfer in self],
                "dtype": [transfer.dtype for transfer in self],
                "shape": [format_sizes(transfer.shape) for transfer in self],
                "bytes": [transfer.nbytes for transfer in self],
                "shared": [transfer.shared for transfer in self],
                "why": [transfer.why for transfer in self],
            }
        )


COLUMNS = ("from", "to", "dtype", "shape", "bytes", "", "why")


def row(transfer: Transfer) -> tuple[str, ...]:
    """Return a transfer as text for a table of `COLUMNS`."""
    return (
        transfer.source,
        transfer.target,
        transfer.dtype,
        format_sizes(transfer.shape),
        format_bytes(transfer.nbytes),
        transfer.verdict,
        transfer.why,
    )


class Passage(NamedTuple):
    """One crossing while it is made."""

    source: str
    dtype: str
    result: Any
    shared: bool
    why: str


class Log:
    """The last transfers; any thread may add one, without a lock that a forked child could find taken."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._entries: deque[tuple[int, str, str, str, tuple[int, ...], int, bool, str]] = deque(maxlen=KEPT)

    def add(self, passage: Passage, target: str, *, nbytes: int | None = None) -> None:
        """Remember a passage that has ended, with the bytes of its result."""
        source, dtype, result, shared, why = passage
        size = result.nbytes if nbytes is None else nbytes
        self._entries.append((next(self._numbers), source, target, dtype, tuple(result.shape), size, shared, why))

    def report(self) -> ShareReport:
        """Return those that are remembered, in order."""
        while True:
            try:
                entries = sorted(self._entries)
                break
            except RuntimeError:  # another thread added one meanwhile
                continue
        return ShareReport(tuple(Transfer(*entry) for entry in entries))
