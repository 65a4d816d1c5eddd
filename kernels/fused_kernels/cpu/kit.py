"""What an operation's short way from Python finds in all its calls."""

from __future__ import annotations

from typing import NamedTuple

from .addresses import record


class Kit(NamedTuple):
    """A record of words.

    Parameters
    ----------
    single, double
        Addresses of the machine code for float32 and float64; 0 if not compiled yet.
    parallel_from, board, pace
        What `fork_join.team` takes, and room for what it learns.
    """

    single: int
    double: int
    parallel_from: int
    board: int
    pace: int = 0


load_kit, _ = record(Kit)
PACE = 8 * Kit._fields.index("pace")
"""Where the pace lies in it, in bytes."""
