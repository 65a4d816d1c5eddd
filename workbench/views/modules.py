"""A model's tensors as a few areas, by the parts of their names: what the tree map draws."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from workbench.models.model import Tensor

_MOST = 18
_LARGE, _SMALL = 0.12, 0.001
_STRONG = "./:"


@dataclass(frozen=True)
class Area:
    """Tensors that share the beginning of their names.

    Parameters
    ----------
    label
        What their names begin with, up to a separator and without what all tensors share.
    family
        The first part of the label; areas of one family have one colour.
    nbytes, elements
        Bytes and elements of its tensors.
    names
        The tensors' names.
    """

    label: str
    family: str
    nbytes: int
    elements: int
    names: tuple[str, ...]

    @property
    def tensors(self) -> int:
        """Number of tensors."""
        return len(self.names)


def areas(tensors: Iterable[Tensor]) -> list[Area]:
    """Divide tensors into at most about twenty areas; the large ones are divided first; in the file's order.

    Names are parted at ``.`` ``/`` and ``:``, and also at ``_`` where that gives too many parts or only one. Where
    there are still too many, the smallest become one area, ``N others``.
    """
    root = _Group("", list(tensors))
    groups = root.divided() or root.parted(_STRONG)
    shared = _shared([group.prefix for group in groups if group.nbytes > _SMALL * root.nbytes])
    while True:
        large = sorted((g for g in groups if g.nbytes > _LARGE * root.nbytes), key=lambda group: -group.nbytes)
        choice = next(((g, parts) for g in large if 0 < len(parts := g.divided()) <= _MOST - len(groups) + 1), None)
        if choice is None:
            break
        place = groups.index(choice[0])
        groups[place : place + 1] = choice[1]
    groups = [group for group in groups if group.nbytes]
    kept = sorted(groups, key=lambda group: -group.nbytes)[: _MOST - 1] if len(groups) > _MOST else groups
    rest = [tensor for group in groups if group not in kept for tensor in group.tensors]
    others = [_area(_Group("", rest), f"{len(rest)} others")] if rest else []
    return [_area(group, group.prefix.removeprefix(shared)) for group in groups if group in kept] + others


class _Group:
    """Tensors whose names begin with ``prefix``."""

    def __init__(self, prefix: str, tensors: list[Tensor]) -> None:
        self.prefix, self.tensors = prefix, tensors
        self.nbytes = sum(tensor.nbytes for tensor in tensors)

    def divided(self) -> list[_Group]:
        """Return a few parts, or none if it has none, or too many."""
        for separators in (_STRONG, _STRONG + "_"):
            parts = self.parted(separators)
            if 1 < len(parts) <= _MOST:
                return parts
        return []

    def parted(self, separators: str) -> list[_Group]:
        """Return the parts one step deeper; steps at which nothing parts are skipped."""
        found: dict[str, list[Tensor]] = {}
        for tensor in self.tensors:
            found.setdefault(_step(tensor.name, len(self.prefix), separators), []).append(tensor)
        parts = [_Group(prefix if len(some) > 1 else some[0].name, some) for prefix, some in found.items()]
        deeper = len(parts) == 1 and len(self.tensors) > 1 and len(parts[0].prefix) > len(self.prefix)
        return parts[0].parted(separators) if deeper else parts


def _shared(prefixes: list[str]) -> str:
    """Return what all begin with, up to a separator."""
    pairs = zip(min(prefixes, default=""), max(prefixes, default=""), strict=False)
    same = "".join(one for one, _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
    return same[: max(map(same.rfind, _STRONG)) + 1]


def _step(name: str, start: int, separators: str) -> str:
    """Return the beginning of a name up to the first separator after ``start``, or the whole name."""
    ends = [place for separator in separators if (place := name.find(separator, start + 1)) >= 0]
    return name[: min(ends) + 1] if ends else name


def _area(group: _Group, label: str) -> Area:
    words = label.strip(_STRONG + "_").removesuffix(".weight") or group.tensors[0].name
    return Area(
        label=words,
        family=_step(words, 0, _STRONG if any(mark in words for mark in _STRONG) else "_"),
        nbytes=group.nbytes,
        elements=sum(tensor.size for tensor in group.tensors),
        names=tuple(tensor.name for tensor in group.tensors),
    )
