"""A suite in words: a table for each operation, the losses with their reasons, and the same as Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from workbench.bench.race import Ratio
from workbench.bench.verdict import spelled
from workbench.text import aligned, decimals, format_seconds, format_share, format_sizes

from .losses import reason
from .suite import OURS, Cell, Suite

_LEGEND = (
    "A number is how many times faster ours is than the other, with its 95 % interval; ! marks a loss, ~ a race beside "
    "other programs."
)
_CEILING = "Ceiling: the share of what this machine can do, bytes or arithmetic."
_FIXED = ("shape", "dtype", "writes to", "ours")


@dataclass(frozen=True)
class Entry:
    """What stands at one place of a table."""

    text: str
    loss: bool = False


@dataclass(frozen=True)
class OpTable:
    """All cells of one operation: a heading, the rows under it, and what is to be said below."""

    op: str
    heading: tuple[str, ...]
    rows: tuple[tuple[Entry, ...], ...]
    notes: tuple[str, ...]


def tables(suite: Suite) -> list[OpTable]:
    """Return a table for each operation; for the headlines, one of what was said and what is."""
    if suite.name == "headlines":
        from .headlines import headline_table

        return [headline_table(suite)]
    return [_table(suite, op) for op in suite.ops]


def suite_text(suite: Suite) -> str:
    """Return the whole suite as plain text."""
    parts = [summary(suite), legend(suite)] if suite.cells else [summary(suite)]
    for table in tables(suite):
        rows = [table.heading, *(tuple(f"{e.text} !" if e.loss else e.text for e in row) for row in table.rows)]
        parts.append("\n".join([table.op, *aligned(rows, left=len(_FIXED) - 1), *table.notes]))
    parts += ["\n".join(starts)] if (starts := start_lines(suite)) else []
    parts += ["\n".join(f"{name}: {why}" for name, why in absent(suite).items())] if absent(suite) else []
    parts += [repr(suite.ceilings)] if suite.ceilings else []
    return "\n\n".join(parts)


def summary(suite: Suite) -> str:
    """Return one sentence: how many cells, and in how many comparisons ours is faster, as fast and slower.

    >>> summary(Suite(planned=4))
    '0 of 4 cells.'
    """
    ratios = [ratio for cell in suite.cells for ratio in cell.ratios.values()]
    text = f"{len(suite.cells)} of {suite.planned} cells"
    if not ratios:
        return f"{text}."
    faster, slower = sum(ratio.low > 1 for ratio in ratios), sum(ratio.high < 1 for ratio in ratios)
    even = len(ratios) - faster - slower
    counts = f"ours is faster in {faster:,}, slower in {slower:,} and not told apart in {even:,}"
    return f"{text}; of {len(ratios):,} comparisons {counts}."


def legend(suite: Suite, *, loss: str = "!") -> str:
    """Return what the numbers and marks of the tables mean.

    Parameters
    ----------
    suite
        Whose tables.
    loss
        How a loss is marked.
    """
    text = _LEGEND.replace("!", loss, 1)
    return f"{text} {_CEILING}" if suite.ceilings else text


def start_lines(suite: Suite) -> list[str]:
    """Return a line for each operation's first and second start."""
    return [
        f"{start.op}: first result of a fresh process after {format_seconds(start.first)}, the next process's after "
        f"{format_seconds(start.second)}"
        for start in suite.starts
    ]


def absent(suite: Suite) -> dict[str, str]:
    """Return contenders that are nowhere in the suite, with the reason."""
    ran = set(_contenders(suite.cells))
    races = [cell.race for cell in suite.cells if cell.race is not None]
    found = {name: why for race in races for name, why in race.absent.items() if name not in ran}
    return {spelled(name): why for name, why in found.items()}


def ratio_text(ratio: Ratio) -> str:
    """Write a ratio with three digits and its interval.

    >>> ratio_text(Ratio(1.8551, 1.84, 1.9)), ratio_text(Ratio(17.1, 16.6, 17.5))
    ('1.86 [1.84, 1.90]', '17.1 [16.6, 17.5]')
    """
    value, low, high = (f"{number:.{decimals(number)}f}" for number in (ratio.value, ratio.low, ratio.high))
    return f"{value} [{low}, {high}]"


def _table(suite: Suite, op: str) -> OpTable:
    cells = [cell for cell in suite.cells if cell.op == op]
    others = [name for name in _contenders(cells) if name != OURS]
    rows = tuple(_row(suite, cell, others) for cell in cells)
    heading = (*_FIXED, *map(spelled, others), *(["ceiling"] if suite.ceilings else []))
    return OpTable(op, heading, rows, notes(cells))


def notes(cells: Iterable[Cell]) -> tuple[str, ...]:
    """Return what is to be said under a table: the losses with their reasons, and what could not be raced."""
    listed = list(cells)
    return (*_loss_notes(listed), *_fault_notes(listed))


def _row(suite: Suite, cell: Cell, others: list[str]) -> tuple[Entry, ...]:
    ratios, losses, share = cell.ratios, cell.losses, suite.share(cell)
    ours, missing = "", {}
    if cell.race is not None:
        missing = {name: _briefly(why) for name, why in cell.race.absent.items()}
        missing |= {result.contender: "wrong" for result in cell.race.results if not result.right}
        times = [result.median for result in cell.race.results if result.contender == OURS]
        ours = missing.get(OURS) or "".join(map(format_seconds, times))
        ours += " ~" if cell.race.conditions.get("disturbed") else ""
    return (
        Entry(format_sizes(cell.shape, "x")),
        Entry(cell.dtype),
        Entry("out=" if cell.out else "new"),
        Entry(ours or "failed"),
        *(
            Entry(ratio_text(ratios[name]), name in losses) if name in ratios else Entry(missing.get(name, ""))
            for name in others
        ),
        *([Entry("" if share is None else format_share(share))] if suite.ceilings else []),
    )


def _briefly(why: str) -> str:
    """Return what an absence looks like at its place in the table: nothing, unless a single call was timed."""
    _, takes, seconds = why.partition("one call takes ")
    return f"one call {seconds}" if takes else ""


def _loss_notes(cells: Iterable[Cell]) -> list[str]:
    """Return a line for each reason: whom ours loses to, where, and why."""
    found: dict[tuple[str, str], list[str]] = {}
    for cell in cells:
        for name in cell.losses:
            why = reason(cell.op, name, cell.shape, cell.dtype, cell.out)
            where = f"{format_sizes(cell.shape, 'x')} {cell.dtype}{' out=' if cell.out else ''}"
            found.setdefault((name, why), []).append(where)
    return [f"Loss to {spelled(name)} at {', '.join(where)}: {why}." for (name, why), where in found.items()]


def _fault_notes(cells: Iterable[Cell]) -> list[str]:
    """Return a line for each cell without a race, each way a result is wrong, and each reason a library fails for."""
    lines = [f"No race of {cell}: {cell.failure}" for cell in cells if cell.race is None]
    wrong: dict[str, list[str]] = {}
    failed: dict[tuple[str, str], list[str]] = {}
    for cell in cells:
        if cell.race is None:
            continue
        for result in cell.race.results:
            if not result.right:
                where = f"{format_sizes(cell.shape, 'x')} {cell.dtype}"
                wrong.setdefault(f"{spelled(result.contender)} {result.fault}", []).append(where)
        for name, why in cell.race.absent.items():
            _, fails, because = why.partition("): ")
            if fails:
                failed.setdefault((spelled(name), because), []).append(cell.dtype)
    lines += [f"{fault}, at {', '.join(dict.fromkeys(where))}." for fault, where in wrong.items()]
    for (name, because), dtypes in failed.items():
        lines.append(f"{name} does not race in {' and '.join(dict.fromkeys(dtypes))}: {because}")
    return lines


def _contenders(cells: Iterable[Cell]) -> list[str]:
    """Return who raced in these cells, in the order of the contenders' own list, as well as of the absent ones."""
    from workbench.bench.contenders import order

    names = {result.contender for cell in cells if cell.race is not None for result in cell.race.results}
    return sorted(names, key=order)
