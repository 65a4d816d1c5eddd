"""Where a model's time goes: one row for each node that ran, and for each operator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.errors import InputError
from workbench.text import aligned, format_seconds, format_share, format_sizes

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = 15


@dataclass(frozen=True)
class NodeTime:
    """One node of the graph as it was run, after the runtime's rewriting.

    Parameters
    ----------
    name
        As the runtime calls it; one that it made itself has a name of the runtime's.
    operator
        Its operator.
    provider
        What computed it: ``"cpu"``, ``"cuda"``, ``"tensorrt"``.
    shape
        Of its first output, None where that is no tensor.
    seconds
        Median over the runs of the time in this node, without that of nodes inside it; of one in a loop, of all rounds.
    share
        Of the time of all nodes; the shares sum to 1.
    """

    name: str
    operator: str
    provider: str
    shape: tuple[int, ...] | None
    seconds: float
    share: float


@dataclass(frozen=True)
class OperatorTime:
    """All nodes of one operator together: how many, their time in one run and its share."""

    operator: str
    nodes: int
    seconds: float
    share: float


@dataclass(frozen=True)
class Profile:
    """The times of a model's nodes, in the order of their times, with the conditions of the measurement.

    Parameters
    ----------
    model
        Its name.
    runtime
        Name, version and provider.
    runs
        How many were measured; one more before them was not.
    seconds
        Median time of a whole run, profiling included, which costs a few microseconds for each node.
    nodes
        One row for each node that ran.
    options
        Optimisation level and numbers of threads.
    environment
        As of a race: CPU, cores, system, versions.
    """

    model: str
    runtime: str
    runs: int
    seconds: float
    nodes: tuple[NodeTime, ...]
    options: Mapping[str, Any]
    environment: Mapping[str, Any]

    @property
    def operators(self) -> tuple[OperatorTime, ...]:
        """One row for each operator, in the order of their times."""
        alike: dict[str, list[NodeTime]] = {}
        for node in self.nodes:
            alike.setdefault(node.operator, []).append(node)
        rows = [
            OperatorTime(name, len(nodes), sum(one.seconds for one in nodes), sum(one.share for one in nodes))
            for name, nodes in alike.items()
        ]
        return tuple(sorted(rows, key=lambda row: (-row.seconds, row.operator)))

    @property
    def conditions_text(self) -> str:
        """How it was measured, in one line."""
        options = ", ".join(f"{name} {value}" for name, value in self.options.items() if value is not None)
        runs = f"median of {self.runs} runs" if self.runs > 1 else "one run"
        return f"{runs} after one that does not count, {self.runtime}, {options}, {self.environment.get('cpu', '')}"

    def to_pandas(self, by: str = "node") -> pd.DataFrame:
        """Return one row for each node, or for each operator with ``by="operator"``.

        Times are in seconds, in the columns of :class:`NodeTime` and :class:`OperatorTime`.
        """
        import pandas as pd

        if by not in ("node", "operator"):
            raise InputError(f"by={by!r} is neither 'node' nor 'operator'.")
        rows: tuple[Any, ...] = self.nodes if by == "node" else self.operators
        columns = list((NodeTime if by == "node" else OperatorTime).__dataclass_fields__)
        return pd.DataFrame([{name: getattr(row, name) for name in columns} for row in rows], columns=columns)

    def cells(self, by: str) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Return the headings and the rows of the table by ``"node"`` or ``"operator"``, as text."""
        if by == "operator":
            return ("operator", "nodes", "time", "share"), [
                (row.operator, str(row.nodes), format_seconds(row.seconds), format_share(row.share))
                for row in self.operators
            ]
        return ("node", "operator", "output", "time", "share"), [
            (
                row.name,
                row.operator,
                "" if row.shape is None else format_sizes(row.shape),
                format_seconds(row.seconds),
                format_share(row.share),
            )
            for row in self.nodes
        ]

    def __str__(self) -> str:
        parts = [f"{self.model}: {format_seconds(self.seconds)} a run", f"  {self.conditions_text}"]
        for by, left in (("operator", 1), ("node", 3)):
            heading, rows = self.cells(by)
            shown = [(heading[0], *heading[1:]), *rows[:_SHOWN]]
            parts += ["", *(f"  {line}" for line in aligned(shown, left=left))]
            if len(rows) > _SHOWN:
                parts.append(f"  and {len(rows) - _SHOWN} more: see .to_pandas()")
        return "\n".join(parts)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from workbench.views.models import profile_card

        return profile_card.profile(self)
