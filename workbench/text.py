"""How numbers, shapes and near misses are written, wherever a person reads them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

_TIMES = (("s", 1.0), ("ms", 1e-3), ("\N{MICRO SIGN}s", 1e-6), ("ns", 1e-9))


def format_shape(shape: Sequence[int | str | None] | None) -> str:
    """Write what a model declares as ``[batch, 3, 224, 224]``; unknown sizes are ``?``.

    >>> format_shape(("batch", 3, None))
    '[batch, 3, ?]'
    """
    if shape is None:
        return "[...]"
    return "[" + ", ".join("?" if size is None else str(size) for size in shape) + "]"


def format_sizes(shape: Sequence[object], times: str = " x ") -> str:
    """Write the shape of an array as people say it.

    >>> format_sizes((384, 1536)), format_sizes(())
    ('384 x 1536', 'scalar')
    """
    return times.join(map(str, shape)) or "scalar"


def format_bytes(nbytes: float) -> str:
    """Write a number of bytes with three significant digits and a decimal unit.

    >>> format_bytes(90_868_376), format_bytes(512)
    ('90.9 MB', '512 B')
    """
    return _scaled(nbytes, ("B", "kB", "MB", "GB", "TB", "PB"))


def format_count(count: float) -> str:
    """Write a count with three significant digits.

    >>> format_count(22_713_216), format_count(384)
    ('22.7 M', '384')
    """
    return _scaled(count, ("", "k", "M", "G", "T", "P")).rstrip()


def counted(count: int, noun: str) -> str:
    """Write a number of things.

    >>> counted(1, "tensor"), counted(1200, "value")
    ('1 tensor', '1200 values')
    """
    return f"{count} {noun}{'s' * (count != 1)}"


def format_round(count: float) -> str:
    """Write a count that is known roughly, with two digits.

    >>> format_round(713), format_round(26_400), format_round(1_130_000), format_round(88)
    ('710', '26,000', '1.1 million', '88')
    """
    rounded = float(f"{count:.2g}")
    return f"{rounded / 1e6:g} million" if rounded >= 1e6 else f"{rounded:,.0f}"


def format_seconds(seconds: float) -> str:
    """Write a time with three significant digits.

    >>> format_seconds(3.09e-5), format_seconds(0.31), format_seconds(5.02e-4)
    ('30.9 \N{MICRO SIGN}s', '310 ms', '502 \N{MICRO SIGN}s')
    """
    unit, size = time_unit(seconds)
    return f"{seconds / size:.{decimals(seconds / size)}f} {unit}"


def format_share(share: float) -> str:
    """Write a share in whole percent, and never a small one as none or a large one as all.

    >>> format_share(1.0), format_share(0.9998), format_share(0.0002)
    ('100%', '>99%', '<1%')
    """
    if 0.99 < share < 1:
        return ">99%"
    return "<1%" if 0 < share < 0.01 else f"{share:.0%}"


def format_some(items: Iterable[str], most: int = 6) -> str:
    """Write the first of many things, and how many more there are.

    >>> format_some("abc", 2), format_some("ab", 2)
    ('a, b and 1 more', 'a, b')
    """
    listed = list(items)
    left = len(listed) - most
    return ", ".join(listed[:most]) + (f" and {left} more" if left > 0 else "")


def time_unit(seconds: float) -> tuple[str, float]:
    """Return the unit in which a time reads best: its sign and its length in seconds."""
    return next(((unit, size) for unit, size in _TIMES if seconds >= 0.9995 * size), _TIMES[-1])


def decimals(value: float) -> int:
    """Return how many decimals give a value from 1 to 999 three significant digits."""
    return 2 if value < 9.995 else 1 if value < 99.95 else 0


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Return the question for a message, with a blank before it; empty where nothing known is like ``name``.

    >>> did_you_mean("softmx", ["linear", "softmax"])
    " Did you mean 'softmax'?"
    """
    near = difflib.get_close_matches(str(name), known, n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def aligned(rows: Iterable[Sequence[str]], *, left: int = 1) -> list[str]:
    """Return rows as lines of equal columns: the first ``left`` of them stand to the left, the others to the right.

    >>> aligned([("", "time"), ("numba", "31 s")])
    ['       time', 'numba  31 s']
    """
    table = [tuple(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join([*map(str.ljust, row[:left], widths), *map(str.rjust, row[left:], widths[left:])]).rstrip()
        for row in table
    ]


def _scaled(value: float, units: Sequence[str]) -> str:
    if value < 1000:
        return f"{value:g} {units[0]}"
    unit = units[0]
    for larger in units[1:]:
        unit, value = larger, value / 1000
        if value < 999.5:
            break
    return f"{value:.{decimals(value)}f} {unit}"
