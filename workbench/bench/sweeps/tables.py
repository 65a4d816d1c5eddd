"""A sweep as a table and as plain text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from workbench.bench.verdict import accuracy, spelled
from workbench.text import format_seconds, format_sizes

from .advice import crossover_in_words
from .sizes import shape_words
from .swept import Point, Stop, Sweep

if TYPE_CHECKING:
    import pandas as pd

_NUMBERS = ("median", "low", "high", "quartile_1", "quartile_3", "speedup", "speedup_low", "speedup_high", "error")


def sweep_frame(sweep: Sweep) -> pd.DataFrame:
    """Return one row per dtype, size and contender, whoever raced or not; times in seconds."""
    import pandas as pd

    columns = ["op", "dtype", "shape", "size", "contender", *_NUMBERS, "over", "rounds", "bytes", "flops", "note"]
    return pd.DataFrame([row for point in sweep.points for row in _rows(sweep, point)], columns=columns)


def cells(sweep: Sweep, dtype: str) -> tuple[list[str], list[list[str]]]:
    """Return the heading and the rows of a table in words: a row for each size, a column for each contender."""
    names = sweep.contenders
    flat = all(len(point.shape) == 1 for point in sweep.points)  # then the shape is the size
    rows = []
    for point in sweep.points:
        if point.dtype == dtype:
            where = [*([] if flat else [format_sizes(point.shape)]), f"{point.size:,.0f}"]
            rows.append([*where, *(_cell(sweep, point, name) for name in names)])
    return [*([] if flat else ["shape"]), sweep.axis.name, *map(spelled, names)], rows


def notes(sweep: Sweep) -> list[str]:
    """Return a line for each crossover of the main pair, each contender that stopped, failed or is absent."""
    several = len(sweep.dtypes) > 1
    main = [one for dtype in sweep.dtypes for duel in sweep.main_duels(dtype) for one in duel.crossovers]
    lines = [
        f"{spelled(one.under)} to {spelled(one.over)} at {crossover_in_words(one, sweep.axis)}"
        f"{f' in {one.dtype}' if several else ''}, with its 95 % interval"
        for one in main
    ]
    lines += [
        f"{spelled(stop.contender)} stopped before {shape_words(stop.shape)}{f' {stop.dtype}' if several else ''}: "
        f"{stop.reason}"
        for stop in sweep.stops
    ]
    lines += [f"no race at {shape_words(p.shape)} {p.dtype}: {p.failure}" for p in sweep.points if p.race is None]
    lines += _failed(sweep)
    lines += [f"{name}: {reason}" for name, reason in sweep.absent.items()]
    return lines


def conditions_text(sweep: Sweep) -> str:
    """Return one line: how many sizes, rounds, cache, ``out=``, and what disturbed."""
    races = sweep.races
    if not races:
        return ""
    rounds = sorted(race.conditions["rounds"] for race in races)
    errors = [result.error for race in races for result in race.results if result.right]
    parts = [
        f"{len(races)} sizes" if sweep.complete else f"{len(races)} of {sweep.planned} sizes",
        f"{races[0].conditions['cache']} cache, {'out=' if races[0].conditions['out'] else 'new results'}",
        f"{rounds[0]} rounds" if rounds[0] == rounds[-1] else f"{rounds[0]} to {rounds[-1]} rounds",
        *([accuracy(max(errors), races[0].conditions["truth"])] if errors else []),
    ]
    return " \N{MIDDLE DOT} ".join(parts)


def question(sweep: Sweep) -> str:
    """Return what was swept, such as ``layer_norm, float32``."""
    return f"{sweep.op}, {' and '.join(sweep.dtypes)}" if sweep.dtypes else sweep.op


def sweep_text(sweep: Sweep) -> str:
    """Return the recommendation, the conditions, the tables and the notes as plain text."""
    lines = [question(sweep), sweep.recommendation, conditions_text(sweep)]
    for dtype in sweep.dtypes:
        heading, rows = cells(sweep, dtype)
        table = [heading, *rows]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines += ["", *([dtype] if len(sweep.dtypes) > 1 else [])]
        lines += ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in table]
    found = notes(sweep)
    return "\n".join([*lines, *([""] if found else []), *found])


def _failed(sweep: Sweep) -> list[str]:
    """Return a line for each contender that failed: at how many sizes, and why at the first of them."""
    reasons: dict[str, list[str]] = {}
    for point in sweep.points:
        for name, why in (point.race.absent if point.race is not None else {}).items():
            if not _stopped(sweep, point, name):
                reasons.setdefault(name, []).append(why)
    return [
        f"{spelled(name)} failed at {len(whys)} of {len(sweep.races)} sizes: {whys[0]}"
        for name, whys in reasons.items()
    ]


def _stopped(sweep: Sweep, point: Point, name: str) -> Stop | None:
    """Return where a contender stopped, if it was there or before."""
    stops = [stop for stop in sweep.stops if (stop.contender, stop.dtype) == (name, point.dtype)]
    return next((stop for stop in stops if stop.size <= point.size), None)


def _rows(sweep: Sweep, point: Point) -> Iterator[dict[str, Any]]:
    race = point.race
    entered = [result.contender for result in race.results] if race is not None else []
    where = {"op": sweep.op, "dtype": point.dtype, "shape": format_sizes(point.shape, "x"), "size": point.size}
    for name in sweep.entrants:
        row = {**where, "contender": name, "note": _note(sweep, point, name)}
        if race is None or name not in entered:
            yield row
            continue
        result, cost = race[name], race.conditions.get("cost")
        row |= {"median": result.median, "low": result.interval[0], "high": result.interval[1], "error": result.error}
        row |= {"quartile_1": result.quartiles[0], "quartile_3": result.quartiles[1], "rounds": len(result.seconds)}
        if sweep.base in entered:
            ratio = race.speedup(name, over=sweep.base)
            row |= {"speedup": ratio.value, "speedup_low": ratio.low, "speedup_high": ratio.high, "over": sweep.base}
        if cost:
            row |= {"bytes": cost["bytes_read"] + cost["bytes_written"], "flops": cost["flops"]}
        yield row


def _cell(sweep: Sweep, point: Point, name: str) -> str:
    if point.race is not None:
        for result in point.race.results:
            if result.contender == name:
                return format_seconds(result.median) if result.right else "wrong"
    return "stopped" if _stopped(sweep, point, name) else "failed"


def _note(sweep: Sweep, point: Point, name: str) -> str:
    """Return why there is no number, or what is wrong with it; nothing if all is well."""
    if stop := _stopped(sweep, point, name):
        return f"stopped: {stop.reason}"
    if point.race is None:
        return point.failure
    found = {result.contender: result.fault for result in point.race.results}
    return found[name] if name in found else point.race.absent.get(name, "absent")
