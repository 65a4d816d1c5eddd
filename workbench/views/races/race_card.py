"""A race as HTML: who won, a bar with an interval for each contender, and the numbers; with no script."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from workbench.bench.race import Race, Result
from workbench.bench.verdict import beside_cells, beside_columns, sentences, spelled
from workbench.text import format_bytes, format_seconds, format_share
from workbench.views import html, theme

LOG_FROM = 30.0
"""A race is drawn on a log scale where the slowest takes more than this many times as long as the fastest."""

_NAMES = {
    "unsettled": "samples beside a running thread",
    "retaken": "samples taken again",
    "dropped": "rounds left out",
    "crowded": "rounds beside other programs",
    "pace": "speed varied by",
    "load": "load by others",
    "stolen": "taken by the host",
    "disturbed": "disturbed by others",
}
_SHARES = ("pace", "stolen")


def card(race: Race) -> str:
    """Return a race: the verdict, its conditions, a bar with an interval for each contender, and the numbers folded."""
    return html.card(answer(race), bars(race), absent(race), details(race))


def answer(race: Race) -> str:
    """Return who won, what is wrong or in doubt, and in one small line what was raced and how."""
    question = f"{race.op}, {html.shape_text(race.shape)}, {race.dtype}"
    first, *more = sentences(race)
    return html.answer(first, more, [f"{question} \N{MIDDLE DOT} {race.conditions_text}"])


def standing(race: Race) -> list[Result]:
    """Return the results, the fastest first and those that are wrong behind all others."""
    return sorted(race.results, key=lambda result: not result.right)


def bars(race: Race) -> str:
    """Return the bars, in HTML and not SVG: they stretch with the page while the words keep their size.

    It is a table, so that a page which takes styles away, as for a notebook that is not trusted, still sets it in rows.
    """
    if not race.results:
        return ""
    longest = max(result.interval[1] for result in race.results)
    shortest = min(result.median for result in race.results)
    log = max(result.median for result in race.results) > LOG_FROM * shortest
    low = math.log10(min(result.interval[0] for result in race.results)) - 0.3 if log else 0.0
    high = math.log10(longest) if log else longest

    def place(seconds: float) -> float:
        return 100 * ((math.log10(seconds) if log else seconds) - low) / (high - low)

    colours = theme.contender_colours([result.contender for result in race.results])
    rows = "".join(_bar(race, result, colours[result.contender], place) for result in standing(race))
    scale = "log scale" if log else "from 0"
    return (
        f'<table class="fw-bars"><tbody>{rows}</tbody></table>'
        f'<p class="fw-muted">median time per call, {scale}; the line is its 95 % interval</p>'
    )


def absent(race: Race) -> str:
    """Return a line for each contender that could not run, with the reason."""
    return "".join(
        f'<p class="fw-muted">{html.escape(name)}: {html.escape(reason)}</p>' for name, reason in race.absent.items()
    )


def details(race: Race) -> str:
    """Return the numbers and where they were measured, both folded."""
    return (html.folded("Numbers", numbers(race)) if race.results else "") + (
        html.folded("Measured on", html.facts(facts(race))) if race.environment else ""
    )


def comparison(race: Race, result: Result) -> str:
    """Say in few words how a contender did beside the fastest that is right: nothing for that one itself."""
    if not result.right:
        return "wrong result"
    best = standing(race)[0]
    if result is best:
        return ""
    ratio = race.speedup(best.contender, over=result.contender)
    return f"{html.number(ratio.value)}{html.MULTIPLICATION_SIGN}" if ratio.decided else "no difference"


def numbers(race: Race) -> str:
    """Return all numbers of a race as a table, one row per contender."""
    beside = beside_columns(race)
    last = beside or ("peak memory",)
    columns = ("contender", "median", "95 % interval", "quartiles", "first call", *last, "error")
    versions = any(result.version for result in race.results)
    rows = [
        (
            spelled(result.contender),
            format_seconds(result.median),
            _span(result.interval),
            _span(result.quartiles),
            format_seconds(result.first_call),
            *(beside_cells(race, result) if beside else (_memory(result.peak_bytes),)),
            html.number(result.error),
            *((result.version,) if versions else ()),
            "right" if result.right else html.Fault(result.fault or "wrong"),
        )
        for result in standing(race)
    ]
    heading = (*columns, *(("version",) if versions else ()), "result")
    return html.table(heading, rows, numeric=columns[1:], wrapped=("result",))


class Measured(Protocol):
    """What was measured under conditions, somewhere."""

    @property
    def conditions(self) -> Mapping[str, Any]:
        """How."""

    @property
    def environment(self) -> Mapping[str, Any]:
        """Where."""


def facts(race: Measured) -> list[tuple[str, object]]:
    """Return the entries of the environment, and the conditions that the line above does not spell out."""
    entries = [*race.environment.items(), *race.conditions.items()]
    return [
        (_NAMES.get(name, name.replace("_", " ")), _plain(name, value))
        for name, value in entries
        if isinstance(value, str | int | float | Mapping) and name != "cost"
    ]


def _bar(race: Race, result: Result, colour: str, place: Callable[[float], float]) -> str:
    low, high = (place(end) for end in result.interval)
    # Hollow where it is wrong: a time that does not count looks unlike one that does, in print too.
    area = f"background:{colour}" if result.right else f"box-shadow:inset 0 0 0 2px {colour}"
    fault = "" if result.right else ' class="fw-fault"'
    return (
        f'<tr><th class="fw-bars-name" scope="row">{html.escape(spelled(result.contender))}</th>'
        f'<td class="fw-bars-lane"><div><i style="width:{place(result.median):.2f}%;{area}"></i>'
        f'<b style="left:{low:.2f}%;width:{max(high - low, 0.1):.2f}%"></b>'
        f'<span style="left:{high:.2f}%">{format_seconds(result.median)} <em{fault}>{comparison(race, result)}</em>'
        "</span></div></td></tr>"
    )


def _memory(peak: int | None) -> str:
    return "" if peak is None else format_bytes(peak) if peak else "under 1 MB"


def _span(ends: tuple[float, float]) -> str:
    low, high = map(format_seconds, ends)
    unit = high.partition(" ")[2]
    return f"{low.removesuffix(f' {unit}')} to {high}"  # the unit once where both have the same


def _plain(name: str, value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_plain('memory' if name == 'caches' else key, item)}" for key, item in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) or value is None:
        return str(value)
    if name == "memory":
        return format_bytes(value)
    if name in _SHARES:
        return format_share(value)
    if name in ("now", "min", "max"):
        return f"{html.number(value)} MHz"
    return f"{html.number(value)} s" if name == "budget" else html.number(value)
