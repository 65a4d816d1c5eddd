"""The words that host and GPU hand to each other, as ``ring.cu`` has them, and the checksum of a result."""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np

RINGS = 32
"""Of each persistent kernel: a lane of its first warp looks at each."""
PARTS = 4096
"""Chunks of a job at most."""
WORD = 8
COMMAND_WORDS, REPLY_WORDS = 16, 8
PAGE = 256
"""Bytes of the page of single words: the host's first, the GPU's on lines of their own."""
OPEN, STOP, BEAT, ENDED, WHY, SEEN = 0, 1, 2, 16, 17, 18
CARD = (7 + 3 * RINGS + COMMAND_WORDS + 4 * PARTS) * WORD
"""Bytes of what lies on the card and outlives a launch."""


class Operation(IntEnum):
    """What a message asks for."""

    SCALE = 1
    ADD = 2
    DOT = 3
    SOFTMAX = 4
    SIMILARITY = 5
    CLEAR = 6


class Status(IntEnum):
    """What a reply says of how it went."""

    DONE = 0
    UNKNOWN = 1
    NO_ROOM = 2
    OTHER_STATE = 3


class Why(IntEnum):
    """Why a kernel has left the card."""

    NOTHING = 0
    STOPPED = 1
    IDLE = 2
    LEASE_OVER = 3


DTYPES = {"float32": 0, "float64": 1, "float16": 2, "bfloat16": 3}


class Command(NamedTuple):
    """One message, but for its number, which is written last.

    Parameters
    ----------
    id
        The correlation id, which comes back with the reply.
    operation, dtype
        As numbers.
    x, y, out
        Addresses on the device.
    rows, columns
        Of ``x``.
    factor
        Of a scaling.
    chunks, size
        In how many parts the work is done, and how many elements, rows, or columns of a row each has.
    first
        Chunks of the phase before; 0 if there is none.
    store, room, kept
        Of a similarity: where the rows are kept, how many can be and are.
    """

    id: int
    operation: int
    dtype: int = 0
    x: int = 0
    y: int = 0
    out: int = 0
    rows: int = 0
    columns: int = 0
    factor: float = 0.0
    chunks: int = 1
    size: int = 0
    first: int = 0
    store: int = 0
    room: int = 0
    kept: int = 0


COMMAND = struct.Struct("=QqqQQQqqdqqqQqq")


class Reply(NamedTuple):
    """What the GPU answers.

    Parameters
    ----------
    number
        Of the message, from 1 in each ring.
    id
        The message's own.
    status
        A `Status`.
    checksum
        Of the result, computed by who computed that; `checksum` gives the same of what lies in memory.
    word
        The result of a ``dot``, as the bits of a float64; of a similarity, how many rows are kept.
    nanoseconds
        From taking the message to its answer, by the GPU's clock.
    helped
        Chunks that other blocks than the one at the rings have done.
    launch
        The number of the launch that answered.
    """

    number: int
    id: int
    status: int
    checksum: int
    word: int
    nanoseconds: int
    helped: int
    launch: int

    @property
    def value(self) -> float:
        """The word, read as a float64."""
        value: float = struct.unpack("=d", struct.pack("=Q", self.word))[0]
        return value


REPLY = struct.Struct("=8Q")


def checksum(values: Any) -> int:
    """Return the checksum of an array on the CPU: the sum of its elements' bits, each times its odd place, mod 2**64.

    Parameters
    ----------
    values
        Elements of 2, 4 or 8 bytes, in C order.
    """
    array = np.ascontiguousarray(values).reshape(-1)
    bits = array.view(f"u{array.dtype.itemsize}").astype(np.uint64)
    weights = np.arange(1, 2 * len(bits), 2, dtype=np.uint64)
    return int(np.sum(bits * weights, dtype=np.uint64))
