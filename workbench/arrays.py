"""dtypes by their standard names, and the description of a model's inputs and outputs."""

from __future__ import annotations

from dataclasses import dataclass

Dimension = int | str | None
"""A size, the name of a symbolic dimension, or None where nothing is known."""


@dataclass(frozen=True)
class TensorSpec:
    """The name, dtype and shape of one input or output.

    Parameters
    ----------
    name
        As the model calls it.
    dtype
        Standard name: ``"float32"``, ``"bfloat16"``, ``"int64"``, ``"string"``, ...
    shape
        One :data:`Dimension` per axis; ``None`` for a tensor of unknown rank.
    """

    name: str
    dtype: str
    shape: tuple[Dimension, ...] | None

    def __str__(self) -> str:
        return f"{self.name}: {self.dtype} {format_shape(self.shape)}"


def format_shape(shape: tuple[Dimension, ...] | None) -> str:
    """Write a shape as ``[batch, 3, 224, 224]``; unknown sizes are ``?``.

    >>> format_shape(("batch", 3, None))
    '[batch, 3, ?]'
    """
    if shape is None:
        return "[...]"
    return "[" + ", ".join("?" if size is None else str(size) for size in shape) + "]"


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


def _scaled(value: float, units: tuple[str, ...]) -> str:
    if value < 1000:
        return f"{value:g} {units[0]}"
    for unit in units[1:]:
        value /= 1000
        if value < 999.5:
            break
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:.{digits}f} {unit}"
