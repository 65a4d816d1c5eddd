"""What polyglot-bridge says of itself beside what is measured here, in one table."""

from __future__ import annotations

from collections.abc import Iterable

from workbench.bench.race import Race
from workbench.text import format_seconds, format_sizes

from .plans import HEADLINES, Headline
from .suite import OURS, Cell, Suite
from .text import Entry, OpTable, notes, ratio_text

THEIRS = "polyglot-bridge"
_HEADING = (
    *("headline", "shape", "dtype", "NumPy", THEIRS, "ours"),
    *("it says: over NumPy", "it is here", "ours over NumPy", f"ours over {THEIRS}"),
)


def headline_table(suite: Suite) -> OpTable:
    """Return a row for each headline that was raced: the times, the claim, and the ratios with their intervals."""
    rows = tuple(_row(line, race) for line, race in raced(suite))
    below = (
        "The claims are of polyglot-bridge 0.2.0's README, on Windows with 8 cores; fused linear + ReLU has no number "
        "there."
    )
    return OpTable("headlines", _HEADING, rows, (below, *notes(suite.cells)))


def raced(suite: Suite) -> list[tuple[Headline, Race]]:
    """Return the headlines that were raced, with their races."""
    found = [(line, _cell_of(line, suite.cells)) for line in HEADLINES]
    return [(line, cell.race) for line, cell in found if cell is not None and cell.race is not None]


def _cell_of(line: Headline, cells: Iterable[Cell]) -> Cell | None:
    def key(cell: Cell) -> tuple[object, ...]:
        return cell.op, cell.shape, cell.dtype, cell.out, cell.without

    return next((cell for cell in cells if key(cell) == key(line.cell)), None)


def _row(line: Headline, race: Race) -> tuple[Entry, ...]:
    right = {result.contender for result in race.results if result.right}

    def seconds(name: str) -> str:
        return format_seconds(race[name].median) if name in right else race.absent.get(name, "wrong")[:24]

    def ratio(name: str, over: str) -> Entry:
        if not {name, over} <= right:
            return Entry("")
        found = race.speedup(name, over=over)
        return Entry(ratio_text(found), name == OURS and found.high < 1)

    return (
        Entry(line.title),
        Entry(format_sizes(line.cell.shape, "x")),
        Entry(line.cell.dtype),
        *(Entry(seconds(name)) for name in ("numpy", THEIRS, OURS)),
        Entry("" if line.claim is None else f"{line.claim:.2f}"),
        ratio(THEIRS, "numpy"),
        ratio(OURS, "numpy"),
        ratio(OURS, THEIRS),
    )
