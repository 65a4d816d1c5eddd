"""A history in words: a line for each run, who was fastest and by how much, and which libraries changed."""

from __future__ import annotations

from workbench.bench.verdict import spelled
from workbench.text import aligned, format_seconds, format_sizes

from .history import ALL, History, Run, changed

SHOWN = 40
"""A history shows its last so many runs."""
_OTHERS = 3
COLUMNS = ("run", "began (UTC)", "race", "fastest", "beside it", "changed since the run before")


def history_text(history: History) -> str:
    """Return a heading and a line for each of the last runs."""
    rows = history_rows(history)
    lines = aligned([COLUMNS, *rows], left=len(COLUMNS)) if rows else []
    return "\n".join([heading(history), *lines])


def heading(history: History) -> str:
    """Return in one sentence how many runs there are, and what is not shown."""
    whose = (
        "of all machines" if history.machine == ALL else "of this machine" if _is_here(history) else "of one machine"
    )
    count = len(history)
    text = f"{count:,} run{'s' * (count != 1)} {whose}"
    if count > SHOWN:
        text += f", of which these are the last {SHOWN}"
    if history.elsewhere:
        text += f"; {history.elsewhere:,} more of other machines, with machine='all'"
    if not count:
        text += ". race.save() and `workbench bench OP --record` keep one"
    return f"{text}."


def history_rows(history: History) -> list[tuple[str, ...]]:
    """Return the last runs, one for each row, in the order of :data:`COLUMNS`."""
    runs = list(history)
    before: dict[object, Run] = {}
    rows: list[tuple[str, ...]] = []
    for run in runs:
        earlier = before.get(run.question)
        news = changed(earlier.libraries, run.libraries) if earlier else []
        if earlier and earlier.machine != run.machine:
            news = ["another machine", *news]
        before[run.question] = run
        rows.append((str(run.id), run.began[:16].replace("T", " "), question_text(run), *_times(run), shortened(news)))
    return rows[-SHOWN:]


def shortened(news: list[str]) -> str:
    """Return the first of what changed, and how many more there are.

    >>> shortened(["numpy 1 to 2", "torch 1 to 2", "jax 1 to 2"])
    'numpy 1 to 2 and 2 more'
    """
    return ", ".join(news) if len(news) <= 1 else f"{news[0]} and {len(news) - 1} more"


def question_text(run: Run) -> str:
    """Return what was raced in words, such as ``softmax 512 x 768 float32, out=``."""
    cold = ", cold cache" if run.cache == "cold" else ""
    where = f", {run.device}" if run.device else ""
    return f"{run.op} {format_sizes(run.shape)} {run.dtype}, {'out=' if run.out else 'new result'}{cold}{where}"


def _times(run: Run) -> tuple[str, str]:
    right = [time for time in run.times if time.right] or list(run.times)
    if not right:
        return "", ""
    first, *others = right
    beside = [f"{spelled(time.contender)} {time.median / first.median:#.3g}x" for time in others[:_OTHERS]]
    more = ["..."] if len(others) > _OTHERS else []
    return f"{spelled(first.contender)} {format_seconds(first.median)}", ", ".join([*beside, *more])


def _is_here(history: History) -> bool:
    from workbench.bench.place import machine

    return history.machine == machine()
