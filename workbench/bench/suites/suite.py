"""What a suite found: its cells with their races, the ceilings of the machine, the first and second starts.

Which cells a suite has, :mod:`workbench.bench.suites.plans` says; :mod:`workbench.bench.suites.run` races them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fused_kernels.catalog import Cost
from workbench.bench.race import Race, Ratio
from workbench.bench.rooflines.ceilings import Ceilings
from workbench.text import format_sizes

if TYPE_CHECKING:
    import pandas as pd

OURS = "numba"


@dataclass(frozen=True)
class Cell:
    """One line of the table.

    Parameters
    ----------
    op, shape, dtype
        What is raced, and on what.
    out
        Whether those that can write into a preallocated array.
    race
        The record; None where there is none.
    failure
        Why there is none.
    without
        Inputs of the operation's sample that are left out, such as a weight and a bias.
    """

    op: str
    shape: tuple[int, ...]
    dtype: str
    out: bool
    race: Race | None = None
    failure: str = ""
    without: tuple[str, ...] = ()

    @property
    def ratios(self) -> dict[str, Ratio]:
        """How many times faster ours is than each other contender that is right; empty if ours is not."""
        if self.race is None:
            return {}
        right = [result.contender for result in self.race.results if result.right]
        if OURS not in right:
            return {}
        return {name: self.race.speedup(OURS, over=name) for name in right if name != OURS}

    @property
    def losses(self) -> list[str]:
        """Contenders that are faster than ours: the whole interval of the ratio lies below 1."""
        return [name for name, ratio in self.ratios.items() if ratio.high < 1]

    def __str__(self) -> str:
        """Return the cell in words, such as ``softmax 512 x 768 float32, out=``."""
        without = f" without {' and '.join(self.without)}" if self.without else ""
        return f"{self.op} {format_sizes(self.shape)} {self.dtype}{without}, {'out=' if self.out else 'new result'}"


@dataclass(frozen=True)
class Start:
    """Seconds until the first result of an operation in a fresh process, Numba's import included.

    Parameters
    ----------
    op
        Name of the operation, at its first shape in float32.
    first
        With an empty cache: the kernels are compiled.
    second
        With the cache that the first one left.
    """

    op: str
    first: float
    second: float


@dataclass(frozen=True)
class Suite:
    """What a suite found.

    Parameters
    ----------
    cells
        In the order of the catalogue; those that were not reached are missing.
    starts
        One of each operation.
    ceilings
        Of the machine; None if the suite was cancelled before.
    planned
        How many cells there would be.
    name
        Of the suite.
    """

    cells: tuple[Cell, ...] = ()
    starts: tuple[Start, ...] = ()
    ceilings: Ceilings | None = None
    planned: int = 0
    name: str = "kernels"

    @property
    def ops(self) -> list[str]:
        """Names of the operations that were raced, in order."""
        return list(dict.fromkeys(cell.op for cell in self.cells))

    def share(self, cell: Cell) -> float | None:
        """Return which share of the ceiling ours reaches in a cell: the least possible seconds over those taken."""
        if self.ceilings is None or cell.race is None or not any(r.contender == OURS for r in cell.race.results):
            return None
        cost = Cost(**cell.race.conditions["cost"])
        return self.ceilings.seconds(cost, cell.dtype) / cell.race[OURS].median

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; :meth:`from_dict` gives an equal suite."""
        cells = [vars(cell) | {"race": None if cell.race is None else cell.race.to_dict()} for cell in self.cells]
        return {
            "name": self.name,
            "planned": self.planned,
            "ceilings": None if self.ceilings is None else self.ceilings.to_dict(),
            "starts": [vars(start) for start in self.starts],
            "cells": cells,
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Suite:
        """Rebuild a suite from :meth:`to_dict`, also after a round trip through JSON."""
        cells = [
            Cell(
                **{
                    **cell,
                    "shape": tuple(cell["shape"]),
                    "without": tuple(cell.get("without", ())),
                    "race": cell["race"] and Race.from_dict(cell["race"]),
                }
            )
            for cell in record["cells"]
        ]
        ceilings = record["ceilings"] and Ceilings.from_dict(record["ceilings"])
        starts = tuple(Start(**start) for start in record["starts"])
        return cls(tuple(cells), starts, ceilings, record["planned"], record.get("name", "kernels"))

    def to_pandas(self) -> pd.DataFrame:
        """Return one row for each cell and contender; times in seconds."""
        from workbench.bench.tables import suite_frame

        return suite_frame(self)

    def to_csv(self, path: str | Path) -> None:
        """Write the table of :meth:`to_pandas` as CSV."""
        from workbench.bench.tables import to_csv

        to_csv(self.to_pandas(), path)

    def to_parquet(self, path: str | Path) -> None:
        """Write the table of :meth:`to_pandas` as Parquet, which needs pyarrow."""
        from workbench.bench.tables import to_parquet

        to_parquet(self.to_pandas(), path)

    def __repr__(self) -> str:
        from .text import suite_text

        return suite_text(self)
