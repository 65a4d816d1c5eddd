"""What one run of a model costs: multiplications, and the memory that its nodes write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.text import aligned, format_bytes, format_count, format_shape, format_share

if TYPE_CHECKING:
    import pandas as pd

_ROWS = 12


@dataclass(frozen=True)
class NodeCost:
    """What one node costs.

    Parameters
    ----------
    name
        The node's, or that of its first output.
    op
        Operator; of a domain other than ONNX's own with the domain before it: ``"com.microsoft.FusedConv"``.
    macs
        Multiplications, each with an addition; None where that cannot be told.
    activation_nbytes
        Bytes of its outputs; None where their shape cannot be told.
    shape
        Of its first output; None where it cannot be told.
    """

    name: str
    op: str
    macs: int | None
    activation_nbytes: int | None
    shape: tuple[int, ...] | None


@dataclass(frozen=True)
class ModelCost:
    """What one run of a model costs with inputs of given shapes.

    Parameters
    ----------
    inputs
        Shape of each input.
    macs
        Multiplications, each with an addition, of all matrix products and convolutions. Everything else counts none,
        which is how the field counts; two operations make one MAC.
    activation_nbytes
        Bytes that all nodes write, weights and constants aside.
    peak_nbytes
        Most bytes that are needed at the same time if the nodes run in the file's order and each result is given up
        after its last use; the inputs included, weights and an operator's own work space not.
    nodes
        One :class:`NodeCost` for each node, in the file's order.
    untold
        What could not be told, and is missing from the sums: one sentence each.
    """

    inputs: Mapping[str, tuple[int, ...]]
    macs: int
    activation_nbytes: int
    peak_nbytes: int
    nodes: tuple[NodeCost, ...]
    untold: tuple[str, ...] = ()

    @property
    def by_operator(self) -> dict[str, tuple[int, int, int]]:
        """Number of nodes, MACs and activation bytes of each operator, most MACs first."""
        found: dict[str, tuple[int, int, int]] = {}
        for node in self.nodes:
            count, macs, nbytes = found.get(node.op, (0, 0, 0))
            found[node.op] = count + 1, macs + (node.macs or 0), nbytes + (node.activation_nbytes or 0)
        return dict(sorted(found.items(), key=lambda item: (-item[1][1], -item[1][2], item[0])))

    @property
    def facts(self) -> list[tuple[str, str]]:
        """The sums, as names with values in words."""
        return [
            ("MACs", format_count(self.macs)),
            ("activations", format_bytes(self.activation_nbytes)),
            ("at the same time", format_bytes(self.peak_nbytes)),
        ]

    @property
    def rows(self) -> list[tuple[str, str, str, str, str]]:
        """One row per operator, as text: operator, nodes, MACs, share of the MACs, activation bytes."""
        return [
            (
                *(op, str(count), format_count(macs)),
                *(format_share(macs / self.macs if self.macs else 0.0), format_bytes(nbytes)),
            )
            for op, (count, macs, nbytes) in self.by_operator.items()
        ]

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per node: name, op, macs, activation_bytes, shape; unknown numbers are missing."""
        import pandas as pd

        frame = pd.DataFrame(
            [(node.name, node.op, node.macs, node.activation_nbytes, format_shape(node.shape)) for node in self.nodes],
            columns=["name", "op", "macs", "activation_bytes", "shape"],
        )
        return frame.astype({"macs": "Int64", "activation_bytes": "Int64"})

    def __repr__(self) -> str:
        given = ", ".join(f"{name} {format_shape(shape)}" for name, shape in self.inputs.items())
        head = (
            f"{format_count(self.macs)} MACs, {format_bytes(self.activation_nbytes)} of activations, "
            f"{format_bytes(self.peak_nbytes)} at the same time"
        )
        table = aligned([("operator", "nodes", "MACs", "", "activations"), *self.rows[:_ROWS]])
        left = len(self.rows) - _ROWS
        more = [f"  ... and {left} more operators"] if left > 0 else []
        return "\n".join(
            [head, f"  for {given}", *(f"  {line}" for line in table), *more, *map("  {}".format, self.untold)]
        )

    def _repr_html_(self) -> str:
        from workbench.views.models import cost_card

        return cost_card.cost_card(self)
