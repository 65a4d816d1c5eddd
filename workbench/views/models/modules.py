"""A model's tensors as a few areas, by the parts of their names: what the tree map draws."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from workbench.models.model import Tensor, TensorTable
from workbench.models.modules import STRONG, WEAK, Module, step

_MOST = 18
_LARGE, _SMALL = 0.12, 0.001


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
    root = TensorTable(tensors).tree()
    groups = list(_divided(root) or root.parted(STRONG))
    shared = _shared([group.prefix for group in groups if group.share > _SMALL])
    while True:
        large = sorted((group for group in groups if group.share > _LARGE), key=lambda group: -group.nbytes)
        choice = next(((g, parts) for g in large if 0 < len(parts := _divided(g)) <= _MOST - len(groups) + 1), None)
        if choice is None:
            break
        place = groups.index(choice[0])
        groups[place : place + 1] = choice[1]
    groups = [group for group in groups if group.nbytes]
    kept = sorted(groups, key=lambda group: -group.nbytes)[: _MOST - 1] if len(groups) > _MOST else groups
    rest = [name for group in groups if group not in kept for name in group.tensors]
    others = [_area(Module("", root.tensors.only(rest), root.total), f"{len(rest)} others")] if rest else []
    return [_area(group, group.prefix.removeprefix(shared)) for group in groups if group in kept] + others


def _divided(module: Module) -> tuple[Module, ...]:
    """Return a few parts, or none if it has none, or too many."""
    for separators in (STRONG, WEAK):
        parts = module.parted(separators)
        if 1 < len(parts) <= _MOST:
            return parts
    return ()


def _shared(prefixes: list[str]) -> str:
    """Return what all begin with, up to a separator."""
    pairs = zip(min(prefixes, default=""), max(prefixes, default=""), strict=False)
    same = "".join(one for one, _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
    return same[: max(map(same.rfind, STRONG)) + 1]


def _area(group: Module, label: str) -> Area:
    words = label.strip(WEAK).removesuffix(".weight") or next(iter(group.tensors))
    return Area(
        label=words,
        family=step(words, 0, STRONG if any(mark in words for mark in STRONG) else "_"),
        nbytes=group.nbytes,
        elements=group.elements,
        names=tuple(group.tensors),
    )
