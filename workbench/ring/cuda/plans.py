"""How the work of a message is shared out: plain arithmetic that needs no GPU."""

from __future__ import annotations

from .layout import PARTS, Command, Operation

CHUNK = 16_384
"""Elements that a block does at once, about: enough that to take a chunk costs little beside it."""
_LONG = 4 * CHUNK
"""Rows of more elements are shared by blocks if there are not many rows."""
_FEW = 256
_VECTOR = 64
"""Chunks begin at multiples of it, so that vectors of 16 bytes stay whole."""


def elementwise(command: Command) -> Command:
    """Share out the elements of a command."""
    count = command.rows * command.columns
    size = _up(max(CHUNK, _parts(count, PARTS)), _VECTOR)
    return command._replace(chunks=max(1, _parts(count, size)), size=size)


def softmax(command: Command) -> Command:
    """Share out rows, or pieces of rows if these are few and long; those have a phase of their own for the maxima."""
    rows, columns = command.rows, command.columns
    if columns > _LONG and rows < _FEW:
        size = _up(_parts(columns, min(_parts(columns, CHUNK), PARTS // rows)), _VECTOR)
        chunks = rows * _parts(columns, size)
        return command._replace(chunks=chunks, size=size, first=chunks)
    size = max(1, CHUNK // columns, _parts(rows, PARTS))
    return command._replace(chunks=_parts(rows, size), size=size)


def similarity(command: Command) -> Command:
    """Share out the new rows, which first go into the store, and then all that are kept."""
    kept = command.kept + command.rows
    size = max(1, CHUNK // command.columns, _parts(kept, PARTS))
    return command._replace(chunks=_parts(kept, size), size=size, first=min(command.rows, PARTS))


PLANS = {
    Operation.SCALE: elementwise,
    Operation.ADD: elementwise,
    Operation.DOT: elementwise,
    Operation.SOFTMAX: softmax,
    Operation.SIMILARITY: similarity,
}


def _parts(count: int, size: int) -> int:
    return -(-count // size)


def _up(count: int, multiple: int) -> int:
    return _parts(count, multiple) * multiple
