"""A model's tensors as a tree of modules, by the parts of their names, each with its share of the bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from workbench.errors import InputError
from workbench.text import aligned, counted, did_you_mean, format_bytes, format_count, format_share

if TYPE_CHECKING:
    import pandas as pd

    from .table import TensorTable

STRONG, WEAK = "./:", "./:_"
"""Marks at which names are parted; an underscore only where names have no others, or too many."""
_FEW = 18
_LINES = 40


@dataclass(frozen=True, eq=False)
class Module:
    """Tensors whose names begin alike.

    Parameters
    ----------
    prefix
        What their names begin with, up to a separator and with it; of a single tensor the whole name; empty for all.
    tensors
        All of its tensors, those of its parts included.
    total
        Bytes of the whole model, of which :attr:`share` is a share.
    parent
        The prefix of the module that this is a part of.
    """

    prefix: str
    tensors: TensorTable
    total: int
    parent: str = ""

    @property
    def path(self) -> str:
        """The prefix without its last separator: ``"encoder.layer.0"``."""
        return self.prefix.rstrip(WEAK) if len(self.tensors) > 1 else self.prefix

    @property
    def name(self) -> str:
        """What the path adds to that of the module above."""
        return self.path.removeprefix(self.parent)

    @property
    def nbytes(self) -> int:
        """Bytes of its tensors."""
        return self.tensors.nbytes

    @property
    def elements(self) -> int:
        """Number of elements of its tensors."""
        return self.tensors.elements

    @property
    def share(self) -> float:
        """Its share of the model's bytes, from 0 to 1."""
        return self.nbytes / self.total if self.total else 0.0

    @cached_property
    def children(self) -> tuple[Module, ...]:
        """Its parts, in the file's order: modules, and single tensors as modules of their own; none of a tensor."""
        if len(self.tensors) < 2:
            return ()
        parts = self.parted(STRONG)
        if all(len(part.tensors) == 1 for part in parts) and len(parts) > _FEW:
            weaker = self.parted(WEAK)
            return weaker if len(weaker) > 1 else parts
        return parts

    def parted(self, separators: str) -> tuple[Module, ...]:
        """Return the parts one step deeper; steps at which nothing parts are skipped."""
        found: dict[str, list[str]] = {}
        for name in self.tensors:
            found.setdefault(step(name, len(self.prefix), separators), []).append(name)
        if len(found) == 1 and len(self.tensors) > 1:
            ((prefix, _),) = found.items()
            if len(prefix) > len(self.prefix):
                deeper = Module(prefix, self.tensors, self.total, self.parent).parted(separators)
                return tuple(Module(part.prefix, part.tensors, self.total, self.prefix) for part in deeper)
        return tuple(
            Module(prefix if len(names) > 1 else names[0], self.tensors.only(names), self.total, self.prefix)
            for prefix, names in found.items()
        )

    def walk(self, depth: int | None = None) -> Iterator[tuple[int, Module]]:
        """Yield each module from this one down, with how deep it lies below; at most ``depth`` levels."""
        waiting = [(0, self)]
        while waiting:
            level, module = waiting.pop()
            yield level, module
            if depth is None or level < depth:
                waiting.extend((level + 1, child) for child in reversed(module.children))

    def __getitem__(self, path: str) -> Module:
        """Return the module of a path, such as ``"encoder.layer.0"``.

        Raises
        ------
        workbench.errors.InputError
            If there is none.
        """
        known = {module.path: module for _, module in self.walk()}
        if path not in known:
            raise InputError(
                f"There is no module {path!r}.{did_you_mean(path, known)} At the top there are: "
                f"{', '.join(child.path for child in self.children[:8])}."
            )
        return known[path]

    def to_pandas(self, depth: int | None = None) -> pd.DataFrame:
        """Return one row per module: path, depth, tensors, elements, bytes, share."""
        import pandas as pd

        rows = [
            (module.path, level, len(module.tensors), module.elements, module.nbytes, module.share)
            for level, module in self.walk(depth)
        ]
        return pd.DataFrame(rows, columns=["module", "depth", "tensors", "elements", "bytes", "share"])

    def __repr__(self) -> str:
        whole = f"{self.path or 'all'}: {counted(len(self.tensors), 'tensor')}, {format_bytes(self.nbytes)}"
        depth = self._shown_depth()
        modules = [(level, module) for level, module in self.walk(depth) if level]
        rows = [
            (
                *("  " * level + module.name.lstrip(WEAK), format_bytes(module.nbytes)),
                *(format_share(module.share), format_count(module.elements)),
            )
            for level, module in modules[:_LINES]
        ]
        left = len(modules) - len(rows)
        return "\n".join([whole, *(aligned(rows) if rows else []), *([f"  ... and {left} more"] if left else [])])

    def _shown_depth(self) -> int:
        """Return how many levels fit into a text: at least one."""
        depth = 1
        while depth < 4 and 1 < sum(1 for _ in self.walk(depth + 1)) <= _LINES:
            depth += 1
        return depth

    def _repr_html_(self) -> str:
        from workbench.views.models import module_tree

        return module_tree.tree_card(self)


def step(name: str, start: int, separators: str) -> str:
    """Return the beginning of a name up to the first separator after ``start``, or the whole name."""
    ends = [place for separator in separators if (place := name.find(separator, start + 1)) >= 0]
    return name[: min(ends) + 1] if ends else name
