"""HTML pictures of the values: models, tensors, tables, statistics and races; self-contained, with no script."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from workbench.arrays import TensorSpec
from workbench.text import format_bytes, format_seconds, format_shape, format_share

from . import html, theme

if TYPE_CHECKING:
    from workbench.bench.race import Race, Result
    from workbench.models.model import ModelInfo, Tensor, TensorTable
    from workbench.models.stats import TensorStats

ROWS = 200
"""A static table shows at most so many tensors."""
_PORTS = 30
_ORIGINS = {"stored": "", "constant": "a node's value", "filled": "one value, repeated when the model runs"}
LOG_FROM = 30.0
"""A race is drawn on a log scale where the slowest takes more than this many times as long as the fastest."""


def model_card(info: ModelInfo) -> str:
    """Return a model's description: its size at a glance, then its inputs and outputs."""
    ports = [("input", spec) for spec in info.inputs] + [("output", spec) for spec in info.outputs]
    rows = [(spec.name, kind, spec.dtype, _dimensions(spec)) for kind, spec in ports]
    shown = html.table(("name", "", "dtype", "shape"), rows[:_PORTS]) if rows else ""
    left = len(rows) - _PORTS
    more = f'<p class="fw-muted">and {left} more inputs and outputs: see .inputs and .outputs</p>' if left > 0 else ""
    return html.card(html.heading(info.name or "unnamed model", info.format), html.facts(info.facts), shown, more)


def tensor_card(tensor: Tensor) -> str:
    """Return a tensor's dtype, shape and bytes; its values are not read."""
    return html.card(
        html.heading(tensor.name),
        html.facts(tensor_facts(tensor)),
        '<p class="fw-muted">values: <code>.numpy()</code>, statistics: <code>.stats()</code></p>',
    )


def tensor_facts(tensor: Tensor) -> list[tuple[str, str]]:
    """Return a tensor's dtype, shape, elements and bytes, as names with values."""
    return [
        ("dtype", tensor.dtype),
        ("shape", html.shape_text(tensor.shape)),
        ("elements", f"{tensor.size:,}"),
        ("bytes", format_bytes(tensor.nbytes)),
        ("origin", _ORIGINS.get(tensor.origin, tensor.origin)),
    ]


def tensor_table(table: TensorTable) -> str:
    """Return a table of the first 200 tensors in the file's order; says how many are left."""
    if not len(table):
        return html.card(html.heading("No tensors", "This model stores no weights."))
    rows = [
        (tensor.name, tensor.dtype, html.shape_text(tensor.shape), format_bytes(tensor.nbytes))
        for tensor in itertools.islice(table.values(), ROWS)
    ]
    left = len(table) - len(rows)
    more = f'<p class="fw-muted">and {left:,} more: see .to_pandas()</p>' if left else ""
    return html.card(
        html.heading(f"{len(table):,} tensors, {format_bytes(table.nbytes)}"),
        html.table(("tensor", "dtype", "shape", "bytes"), rows, numeric=("shape", "bytes")),
        more,
    )


def stats_card(stats: TensorStats) -> str:
    """Return statistics and a small histogram."""
    note = "magnitudes of complex numbers" if stats.magnitudes else ""
    return html.card(html.heading(f"{stats.count:,} values", note), html.facts(stats_facts(stats)), _histogram(stats))


def stats_facts(stats: TensorStats) -> list[tuple[str, str]]:
    """Return statistics as names with values; those that need a finite value are left out where there is none."""
    spread = [
        ("minimum", html.number(stats.minimum)),
        ("maximum", html.number(stats.maximum)),
        ("mean", html.number(stats.mean)),
        ("std", html.number(stats.std)),
    ]
    share = f" ({format_share(stats.zeros / stats.count)})" if stats.zeros else ""
    counts = [("zeros", f"{stats.zeros:,}{share}"), ("NaN", f"{stats.nans:,}"), ("infinite", f"{stats.infs:,}")]
    return [*(spread if stats.finite else []), *counts]


def race_card(race: Race) -> str:
    """Return a race: the verdict, its conditions, a bar with an interval for each contender, and the numbers folded."""
    absent = "".join(
        f'<p class="fw-muted">{html.escape(name)}: {html.escape(reason)}</p>' for name, reason in race.absent.items()
    )
    return html.card(
        race_answer(race),
        race_bars(race),
        absent,
        html.folded("Numbers", race_numbers(race)) if race.results else "",
        html.folded("Measured on", html.facts(race_facts(race))) if race.environment else "",
    )


def race_answer(race: Race) -> str:
    """Return the verdict, and under it in one line what was raced and how."""
    question = f"{race.op}, {html.shape_text(race.shape)}, {race.dtype}"
    return (
        f'<h3 class="fw-verdict">{html.escape(race.verdict)}</h3>'
        f'<p class="fw-conditions">{html.escape(question)} \N{MIDDLE DOT} {html.escape(race.conditions_text)}</p>'
    )


def _dimensions(spec: TensorSpec) -> str:
    return format_shape(spec.shape) + (" optional" if spec.optional else "")


def race_bars(race: Race) -> str:
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
    rows = "".join(_bar(race, result, colours[result.contender], place) for result in race.results)
    scale = "log scale" if log else "from 0"
    return (
        f'<table class="fw-bars"><tbody>{rows}</tbody></table>'
        f'<p class="fw-muted">median time per call, {scale}; the line is its 95 % interval</p>'
    )


def _bar(race: Race, result: Result, colour: str, place: Callable[[float], float]) -> str:
    low, high = (place(end) for end in result.interval)
    return (
        f'<tr><th class="fw-bars-name" scope="row">{html.escape(result.contender)}</th><td class="fw-bars-lane"><div>'
        f'<i style="width:{place(result.median):.2f}%;background:{colour}"></i>'
        f'<b style="left:{low:.2f}%;width:{max(high - low, 0.1):.2f}%"></b>'
        f'<span style="left:{high:.2f}%">{format_seconds(result.median)} <em>{comparison(race, result)}</em></span>'
        f"</div></td></tr>"
    )


def comparison(race: Race, result: Result) -> str:
    """Say in few words how a contender did beside the fastest: nothing for the fastest itself."""
    if not result.right:
        return "wrong result"
    if result is race.results[0]:
        return ""
    ratio = race.speedup(race.results[0].contender, over=result.contender)
    return f"{html.number(ratio.value)}{html.MULTIPLICATION_SIGN}" if ratio.decided else "no difference"


def race_numbers(race: Race) -> str:
    """Return all numbers of a race as a table, one row per contender."""
    columns = (
        *("contender", "version", "median", "95 % interval", "quartiles", "first call", "peak memory", "error"),
        "result",
    )
    rows = [
        (
            result.contender,
            result.version,
            format_seconds(result.median),
            _span(result.interval),
            _span(result.quartiles),
            format_seconds(result.first_call),
            _memory(result.peak_bytes),
            html.number(result.error),
            "right" if result.right else result.fault or "wrong",
        )
        for result in race.results
    ]
    return html.table(columns, rows, numeric=columns[2:8])


def _memory(peak: int | None) -> str:
    return "" if peak is None else format_bytes(peak) if peak else "under 1 MB"


def _span(ends: tuple[float, float]) -> str:
    return f"{format_seconds(ends[0])} to {format_seconds(ends[1])}"


def race_facts(race: Race) -> list[tuple[str, object]]:
    """Return the entries of the environment, and the conditions that the line above does not spell out."""
    entries = [*race.environment.items(), *race.conditions.items()]
    return [
        (name.replace("_", " "), _plain(name, value))
        for name, value in entries
        if isinstance(value, str | int | float | Mapping) and name != "cost"
    ]


def _plain(name: str, value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_plain('memory' if name == 'caches' else key, item)}" for key, item in value.items())
    if isinstance(value, str | bool) or value is None:
        return str(value)
    if name == "memory":
        return format_bytes(value)
    if name in ("now", "min", "max"):
        return f"{html.number(value)} MHz"
    return f"{html.number(value)} s" if name == "budget" else html.number(value)


def _histogram(stats: TensorStats) -> str:
    most = max(stats.histogram, default=0)
    if not most:
        return ""
    width = 6
    bars = "".join(
        f'<rect x="{place * width}" y="{60 - tall:.1f}" width="{width - 1}" height="{tall:.1f}"/>'
        for place, count in enumerate(stats.histogram)
        if (tall := 60 * math.log1p(count) / math.log1p(most))
    )
    ends = f"{html.number(stats.edges[0])} to {html.number(stats.edges[-1])}"
    return (
        f'<svg class="fw-histogram" viewBox="0 0 {width * len(stats.histogram)} 60" width="384" height="60" role="img" '
        f'aria-label="histogram of the values from {ends}" preserveAspectRatio="none">{bars}</svg>'
        f'<p class="fw-muted">values from {ends}; up: elements (log)</p>'
    )
