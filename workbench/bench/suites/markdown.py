"""A suite as Markdown, written between marks of a file whose other parts are people's own."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from workbench.bench.verdict import spelled
from workbench.errors import InputError
from workbench.text import format_seconds, format_share, format_sizes

from .suite import OURS, Cell, Suite
from .text import OpTable, absent, legend, ratio_text, start_lines, summary, tables

_MARKS = re.compile(r"(<!-- suite: (all|short) -->\n).*?(<!-- suite end -->)", re.DOTALL)


def write_into(path: Path, suite: Suite) -> None:
    """Replace what stands between ``<!-- suite: all -->`` (or ``short``) and ``<!-- suite end -->`` in a file.

    Parameters
    ----------
    path
        The file; one that is not there yet is made of the whole table.
    suite
        What was measured.

    Raises
    ------
    workbench.errors.InputError
        If the file has no marks.
    """
    forms = {"all": whole, "short": short}
    text = check_marks(path)
    filled = _MARKS.sub(lambda found: f"{found[1]}{forms[found[2]](suite)}{found[3]}", text)
    path.write_text(filled, encoding="utf-8")


def check_marks(path: Path) -> str:
    """Return the text of a file that has marks; that of an empty table if there is no file."""
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else "<!-- suite: all -->\n<!-- suite end -->\n"
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as text: {error}.") from error
    if not _MARKS.search(text):
        raise InputError(
            f"{path.name} has no place for the table: put a line <!-- suite: all --> (or short) and a line "
            "<!-- suite end --> where it shall stand."
        )
    return text


def whole(suite: Suite) -> str:
    """Return all cells, a table for each operation, and the conditions."""
    parts = [conditions(suite), summary(suite), legend(suite, loss="**bold**"), *map(_op_table, tables(suite))]
    if suite.starts:
        parts += ["### First and second start", _listed(start_lines(suite))]
    if missing := absent(suite):
        parts += ["### Not in the race", _listed(f"{name}: {why}" for name, why in missing.items())]
    if suite.ceilings is not None:
        parts += ["### Ceilings", f"```\n{suite.ceilings!r}\n```"]
    return "\n\n".join(part for part in parts if part) + "\n"


def short(suite: Suite) -> str:
    """Return one row for each operation: its first cell, and how many of all it loses to whom."""
    rows: list[tuple[str, ...]] = [("", "ours", "NumPy", "torch eager", "best of the others", "ceiling", "losses")]
    for op in suite.ops:
        cells = [cell for cell in suite.cells if cell.op == op]
        rows.append(_short_row(suite, cells[0], cells))
    return f"{summary(suite)}\n\n{_markdown(rows)}\n"


def conditions(suite: Suite) -> str:
    """Return where and how it was measured, in one sentence each."""
    races = [cell.race for cell in suite.cells if cell.race is not None]
    if not races:
        return ""
    race, budgets = races[0], sorted({race.conditions["budget"] for race in races})
    seconds = " to ".join(f"{budget:g}" for budget in dict.fromkeys((budgets[0], budgets[-1])))
    where, threads = race.environment, race.conditions["threads"]
    libraries = ", ".join(f"{name} {version}" for name, version in where["libraries"].items())
    settings = f" Set in its environment: `{where['settings']}`." if where.get("settings") else ""
    used = ", ".join(f"{name} {count}" for name, count in threads.items())
    machine = f"{where['cpu']}, {where['cores']} cores, {where['simd']}, {where['system'].partition(' ')[0]}"
    return (
        f"{machine}; Python {where['python']}, {libraries}; threads: {used}.{settings} "
        f"Method: {race.conditions['method']}; each cell {seconds} s of racing, "
        "each result checked against float64."
    )


def _op_table(table: OpTable) -> str:
    rows = [table.heading, *(tuple(f"**{e.text}**" if e.loss else e.text for e in row) for row in table.rows)]
    notes = f"\n\n{_listed(table.notes)}" if table.notes else ""
    return f"### {table.op}\n\n{_markdown(rows)}{notes}"


def _short_row(suite: Suite, cell: Cell, cells: list[Cell]) -> tuple[str, ...]:
    ratios = cell.ratios
    others = {name: ratio for name, ratio in ratios.items() if name not in ("numpy", "torch")}
    best = min(others, key=lambda name: others[name].value, default="")
    lost = [spelled(name) for each in cells for name in each.losses]
    share = suite.share(cell)
    counts = ", ".join(f"{name} {lost.count(name)}" for name in dict.fromkeys(lost))

    def entry(name: str) -> str:
        if name not in ratios:
            return ""
        text = ratio_text(ratios[name])
        return f"**{text}**" if name in cell.losses else text

    ours = [result.median for result in cell.race.results if result.contender == OURS] if cell.race else []
    return (
        f"{cell.op} {format_sizes(cell.shape, 'x')}",
        "".join(map(format_seconds, ours)),
        entry("numpy"),
        entry("torch"),
        f"{entry(best)} {spelled(best)}" if best else "",
        "" if share is None else format_share(share),
        f"{counts} of {len(cells)} cells" if counts else "",
    )


def _markdown(rows: list[tuple[str, ...]]) -> str:
    head, *body = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([head, "|" + "---|" * len(rows[0]), *body])


def _listed(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
