"""A race, a suite, a sweep or a history as one HTML file that needs nothing else.

The tables are plain HTML, to be read with scripts off and in print; the charts are plotly's own, whose JavaScript
stands in the file once, so that it opens from a disk without a network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.bench.past.history import History
from workbench.bench.past.text import heading, question_text
from workbench.bench.plain import write
from workbench.bench.race import Race
from workbench.bench.rooflines.roofline import Roofline
from workbench.bench.suites.suite import Suite
from workbench.bench.sweeps.swept import Sweep
from workbench.errors import InputError
from workbench.text import format_sizes
from workbench.views import files, html, theme

from . import race_card, race_chart, roofline_chart, suite_chart, sweep_card, sweep_chart, trend_chart
from .history_card import history_table

if TYPE_CHECKING:
    import plotly.graph_objects as go

_PRINTED = """
const drawn = width => document.querySelectorAll(".js-plotly-plot").forEach(
  figure => Plotly.relayout(figure, { width, autosize: width === null }));
addEventListener("beforeprint", () => drawn(670));
addEventListener("afterprint", () => drawn(null));
"""
"""A chart is as wide as the window, and would be cut off on paper: it is drawn anew for a page of A4 or Letter."""


def write_report(path: str | Path, of: Any) -> None:
    """Write a report into a file.

    Parameters
    ----------
    path
        The HTML file, which is replaced.
    of
        A :class:`~workbench.bench.race.Race`, a :class:`~workbench.bench.sweeps.swept.Sweep`, a
        :class:`~workbench.bench.rooflines.roofline.Roofline`, a :class:`~workbench.bench.suites.suite.Suite` or a
        :class:`~workbench.bench.past.history.History`.

    Raises
    ------
    workbench.errors.InputError
        For anything else, or a file that cannot be written.
    """
    write(path, report(of))


def report(of: Any) -> str:
    """Return the page of :func:`write_report`."""
    kinds: list[tuple[type, Callable[[Any], tuple[str, list[str]]]]] = [
        (Race, _race),
        (Sweep, _sweep),
        (Roofline, _roofline),
        (Suite, _suite),
        (History, _history),
    ]
    page = next((page for kind, page in kinds if isinstance(of, kind)), None)
    if page is None:
        raise InputError(f"A report is of a race, a sweep, a roofline, a suite or a history; got {type(of).__name__}.")
    title, parts = page(of)
    return _page(title, parts)


def _race(race: Race) -> tuple[str, list[str]]:
    absent = [f"{name}: {reason}" for name, reason in race.absent.items()]
    return f"Race of {race.op}", [
        race_card.answer(race),
        _figure(race_chart.race(race, title=False), "median time of each contender"),
        f"<noscript>{race_card.bars(race)}</noscript>",
        "<h2>Numbers</h2>",
        race_card.numbers(race),
        files.links(race, f"{race.op} {format_sizes(race.shape)} {race.dtype}"),
        _listed(absent),
        "<h2>Measured on</h2>",
        html.facts(race_card.facts(race)),
    ]


def _sweep(sweep: Sweep) -> tuple[str, list[str]]:
    return f"{sweep.op} over sizes", [
        sweep_card.sweep_answer(sweep),
        "<h2>Time</h2>",
        _figure(sweep_chart.times(sweep, title=False), "time over size"),
        f"<noscript>{sweep_card.sweep_lines(sweep)}</noscript>",
        "<h2>Speed-up</h2>",
        _figure(sweep_chart.speedups(sweep, title=False), "speed-up over size"),
        sweep_card.sweep_notes(sweep),
        "<h2>Numbers</h2>",
        sweep_card.sweep_numbers(sweep),
        files.links(sweep, f"{sweep.op} over sizes"),
    ]


def _roofline(roofline: Roofline) -> tuple[str, list[str]]:
    return "Roofline", [
        sweep_card.roofline_answer(roofline),
        _figure(roofline_chart.roofline(roofline, title=False), "each operation under the ceilings of the machine"),
        f"<noscript>{sweep_card.roofline_bars(roofline)}</noscript>",
        "<h2>Numbers</h2>",
        sweep_card.roofline_numbers(roofline),
        files.links(roofline, "roofline"),
    ]


def _suite(suite: Suite) -> tuple[str, list[str]]:
    from workbench.bench.suites import text as suite_text
    from workbench.bench.suites.markdown import conditions

    parts = [
        f'<h2 class="fw-lead">{html.escape(suite_text.summary(suite))}</h2>',
        f'<p class="fw-muted">{html.escape(suite_text.legend(suite, loss="bold"))}</p>' if suite.cells else "",
        f'<p class="fw-muted">{html.escape(conditions(suite).replace("`", ""))}</p>',
    ]
    for table in suite_text.tables(suite):
        parts.append(f"<h2>{html.escape(table.op)}</h2>")
        if any(cell.ratios for cell in suite.cells if cell.op == table.op):
            parts.append(_figure(suite_chart.speedups(suite, table.op), f"speed-ups of {table.op}"))
        elif suite.name == "headlines":
            parts.append(_figure(suite_chart.headlines(suite), "speed-ups over NumPy, claimed and measured"))
        parts += [_table(table.heading, table.rows), _listed(table.notes)]
    if suite.cells:
        parts.append(files.links(suite, f"suite {suite.name}"))
    if starts := suite_text.start_lines(suite):
        parts += ["<h2>First and second start</h2>", _listed(starts)]
    if missing := suite_text.absent(suite):
        parts += ["<h2>Not in the race</h2>", _listed(f"{name}: {why}" for name, why in missing.items())]
    if suite.ceilings is not None:
        parts += ["<h2>Ceilings</h2>", f"<pre>{html.escape(repr(suite.ceilings))}</pre>"]
    return f"Suite {suite.name}", parts


def _history(history: History) -> tuple[str, list[str]]:
    parts = [f'<h2 class="fw-lead">{html.escape(heading(history))}</h2>']
    questions: dict[Any, list[Any]] = {}
    for run in history:
        questions.setdefault(run.question, []).append(run)
    for runs in questions.values():
        part = History(tuple(runs), history.path, history.machine)
        parts += [
            f"<h2>{html.escape(question_text(runs[-1]))}</h2>",
            _figure(trend_chart.trend(part, title=False), "medians run by run") if len(runs) > 1 else "",
            history_table(part, question=False),
        ]
    if history.runs:
        parts.append(files.links(history, "history"))
    return "History of races", parts


def _figure(figure: go.Figure, words: str) -> str:
    config = {"displayModeBar": False, "responsive": True}
    shown = figure.to_html(include_plotlyjs=False, full_html=False, config=config, default_width="100%")
    return f'<div class="fw-figure" role="img" aria-label="{html.escape(words)}">{shown}</div>'


def _table(heading: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """Return a suite's table; a loss is bold."""
    columns = list(heading)
    head = "".join(f'<th scope="col"{_kind(at)}>{html.escape(name)}</th>' for at, name in enumerate(columns))
    body = "".join(
        "<tr>"
        + "".join(f"<td{_kind(at)}>{_marked(entry.text, entry.loss)}</td>" for at, entry in enumerate(row))
        + "</tr>"
        for row in rows
    )
    table = f'<table class="fw-table"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div class="fw-scroll">{table}</div>'


def _kind(at: int) -> str:
    return ' class="fw-num"' if at > 2 else ""


def _marked(text: str, loss: bool) -> str:
    return f'<b class="fw-loss">{html.escape(text)}</b>' if loss else html.escape(text)


def _listed(lines: Iterable[str]) -> str:
    items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else ""


def _page(title: str, parts: list[str]) -> str:
    from plotly.offline import get_plotlyjs

    body = "".join(parts)
    # What a chart would take is not left empty.
    hidden = "<noscript><style>.fw-figure{display:none}</style></noscript>"
    script = f"<script>{get_plotlyjs()}</script><script>{_PRINTED}</script>" if "Plotly.newPlot" in body else ""
    no_script = (
        "<noscript><p class='fw-muted'>The charts need scripts; all their numbers are in the tables.</p></noscript>"
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title>"
        f"<style>{theme.css('tokens', 'card', 'figure', 'report')}</style>{hidden}{script}</head>"
        f'<body><main class="fw fw-report"><h1>Fusion Workbench \N{MIDDLE DOT} {html.escape(title)}</h1>'
        f"{no_script if script else ''}{body}</main></body></html>\n"
    )
