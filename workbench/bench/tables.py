"""A race as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .race import Race

if TYPE_CHECKING:
    import pandas as pd


def baseline(race: Race) -> str:
    """Return whom the speed-ups are over: numpy if it is right, else the slowest that is right, else the slowest."""
    right = [result.contender for result in race.results if result.right]
    return "numpy" if "numpy" in right else right[-1] if right else race.results[-1].contender


def race_frame(race: Race) -> pd.DataFrame:
    """Return one row per contender, fastest first; times in seconds.

    The columns ``speedup``, ``speedup_low`` and ``speedup_high`` are over :func:`baseline`, whose name is in ``over``.
    """
    import pandas as pd

    over = baseline(race)
    rows = []
    for result in race.results:
        ratio = race.speedup(result.contender, over=over)
        rows.append(
            {
                "contender": result.contender,
                "version": result.version,
                "median": result.median,
                "quartile_1": result.quartiles[0],
                "quartile_3": result.quartiles[1],
                "low": result.interval[0],
                "high": result.interval[1],
                "speedup": ratio.value,
                "speedup_low": ratio.low,
                "speedup_high": ratio.high,
                "over": over,
                "first_call": result.first_call,
                "error": result.error,
                "right": result.right,
                "fault": result.fault,
            }
        )
    return pd.DataFrame(rows)
