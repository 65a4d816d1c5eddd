"""A model's tensors as a few areas, by the parts of their names: what the tree map draws."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from workbench.models.model import Tensor

_MOST = 18
_LARGE = 0.12


@dataclass(frozen=True)
class Area:
    """Tensors that share the beginning of their names.

    Parameters
    ----------
    prefix
        What their names begin with, up to a separator; a whole name for a single tensor.
    label
        The prefix without what all tensors share.
    family
        The first part of the label; areas of one family have one colour.
    nbytes, elements, tensors
        Bytes, elements and number of its tensors.
    names
        The tensors' names.
    """

    prefix: str
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
    entries = list(tensors)
    for separators in ("./:", "./:_"):
        root = _root(entries, separators)
        groups = root.divided()
        if 1 < len(groups) <= _MOST:
            break
    while True:
        large = sorted(
            (g for g in groups if g.nbytes > _LARGE * root.nbytes and len(g.entries) > 1), key=lambda g: -g.nbytes
        )
        choice = next(((g, parts) for g in large if 1 < len(parts := g.divided()) <= _MOST - len(groups) + 1), None)
        if choice is None:
            break
        place = groups.index(choice[0])
        groups[place : place + 1] = choice[1]
    groups = [group for group in groups if group.nbytes]
    kept = sorted(groups, key=lambda group: -group.nbytes)[: _MOST - 1] if len(groups) > _MOST else groups
    rest = [group for group in groups if group not in kept]
    return [group.area(root.depth) for group in groups if group in kept] + ([_others(rest)] if rest else [])


class _Group:
    def __init__(self, prefix: tuple[str, ...], entries: list[tuple[list[str], Tensor]]) -> None:
        self.prefix, self.entries = prefix, entries
        self.nbytes = sum(tensor.nbytes for _, tensor in entries)

    @property
    def depth(self) -> int:
        return len(self.prefix)

    def divided(self) -> list[_Group]:
        """Return the groups one step deeper; steps at which nothing parts are skipped."""
        depth = self.depth
        deepest = min((len(parts) for parts, _ in self.entries), default=0)
        while depth < deepest:
            found: dict[tuple[str, ...], list[tuple[list[str], Tensor]]] = {}
            for parts, tensor in self.entries:
                found.setdefault(tuple(parts[: depth + 1]), []).append((parts, tensor))
            if len(found) > 1 or depth + 1 >= deepest:
                return [_Group(prefix, entries) for prefix, entries in found.items()]
            depth += 1
        return [self]

    def area(self, shared: int) -> Area:
        single = len(self.entries) == 1
        parts = tuple(self.entries[0][0]) if single else self.prefix
        label = parts[shared:] or parts
        return Area(
            prefix="".join(parts),
            label="".join(label).strip("./:_").removesuffix(".weight"),
            family=label[0].strip("./:_"),
            nbytes=self.nbytes,
            elements=sum(tensor.size for _, tensor in self.entries),
            names=tuple(tensor.name for _, tensor in self.entries),
        )


def _root(tensors: list[Tensor], separators: str) -> _Group:
    """Return the deepest group that still holds all tensors."""
    root = _Group((), [(_parts(tensor.name, separators), tensor) for tensor in tensors])
    while len(children := root.divided()) == 1 and children[0].depth > root.depth and len(tensors) > 1:
        root = children[0]
    return root


def _others(groups: list[_Group]) -> Area:
    entries = [entry for group in groups for entry in group.entries]
    label = f"{len(entries)} others"
    return Area(
        prefix="",
        label=label,
        family=label,
        nbytes=sum(group.nbytes for group in groups),
        elements=sum(tensor.size for _, tensor in entries),
        names=tuple(tensor.name for _, tensor in entries),
    )


def _parts(name: str, separators: str) -> list[str]:
    """Part a name after each separator, which stays with the part before it, so that the parts join to the name."""
    parts = [""]
    for character in name:
        parts[-1] += character
        if character in separators:
            parts.append("")
    return [part for part in parts if part] or [name]
