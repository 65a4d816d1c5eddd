"""A race as tables, and tables as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import InputError, MissingLibraryError
from workbench.text import format_sizes

from .race import Race, Result
from .verdict import copy_share

if TYPE_CHECKING:
    import pandas as pd

    from .past.history import History
    from .suites.suite import Suite


def baseline(race: Race) -> str:
    """Return whom the speed-ups are over: numpy if it is right, else the slowest that is right, else the slowest."""
    right = [result.contender for result in race.results if result.right]
    return "numpy" if "numpy" in right else right[-1] if right else race.results[-1].contender


def race_frame(race: Race) -> pd.DataFrame:
    """Return one row per contender, fastest first; times in seconds.

    The columns ``speedup``, ``speedup_low`` and ``speedup_high`` are over :func:`baseline`, whose name is in ``over``.
    Of a race on a GPU there are ``host``, ``waited`` and ``graph`` too, as of a :class:`~workbench.bench.race.Beside`,
    and ``copy_share``.
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
                "peak_bytes": result.peak_bytes,
                **_beside(race, result),
                "error": result.error,
                "right": result.right,
                "fault": result.fault,
            }
        )
    return pd.DataFrame(rows)


def _beside(race: Race, result: Result) -> dict[str, float | None]:
    """Return what the host's clock tells of a contender on a GPU, in seconds, and its share of a copy's bandwidth."""
    known = result.on_device
    if known is None:
        return {}
    times = {name: known.median(name) for name in ("host", "waited", "graph")}
    return {**times, "copy_share": copy_share(race, result)}


def sample_frame(race: Race) -> pd.DataFrame:
    """Return one row per sample: contender, round (from 1) and seconds per call."""
    import pandas as pd

    rows = [
        (result.contender, turn, seconds)
        for result in race.results
        for turn, seconds in enumerate(result.seconds, start=1)
    ]
    return pd.DataFrame(rows, columns=["contender", "round", "seconds"])


def suite_frame(suite: Suite) -> pd.DataFrame:
    """Return the rows of :func:`race_frame` of each cell; one that has no race has the reason in ``fault``."""
    import pandas as pd

    frames = []
    for cell in suite.cells:
        where = {"op": cell.op, "shape": format_sizes(cell.shape, "x"), "dtype": cell.dtype, "out": cell.out}
        rows = race_frame(cell.race) if cell.race is not None else pd.DataFrame([{"fault": cell.failure}])
        frames.append(pd.DataFrame({**where, "without": " ".join(cell.without)}, index=rows.index).join(rows))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def history_frame(history: History) -> pd.DataFrame:
    """Return one row per run and contender; times in seconds."""
    import pandas as pd

    names = ("run", "began", "machine", "op", "shape", "dtype", "out", "cache", "device")
    columns = [*names, "contender", "version", "median", "low", "high", "right"]
    rows = [
        (
            *(run.id, run.began, run.machine, run.op, format_sizes(run.shape, "x"), run.dtype, run.out, run.cache),
            run.device,
            *(time.contender, time.version, time.median, time.low, time.high, time.right),
        )
        for run in history
        for time in run.times
    ]
    return pd.DataFrame(rows, columns=columns)


def to_csv(frame: pd.DataFrame, path: str | Path) -> None:
    """Write a table as CSV, with all digits of its numbers.

    Raises
    ------
    workbench.errors.InputError
        If the file cannot be written.
    """
    try:
        frame.to_csv(path, index=False)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}.") from error


def to_parquet(frame: pd.DataFrame, path: str | Path) -> None:
    """Write a table as Parquet.

    Raises
    ------
    workbench.errors.MissingLibraryError
        If pyarrow, which writes it, is not installed.
    workbench.errors.InputError
        If the file cannot be written.
    """
    from .environment import installed

    if not installed("pyarrow"):
        raise MissingLibraryError(
            'Parquet is written by pyarrow, which is not installed: pip install "pyarrow>=17". to_csv needs nothing.'
        )
    try:
        frame.to_parquet(path, engine="pyarrow", index=False)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}.") from error
