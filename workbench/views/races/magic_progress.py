"""How far the race of a cell is, below the cell while it runs; nothing of it stays."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from workbench.bench.progress import Progress, Report
from workbench.views import html


@contextmanager
def shown(shell: Any) -> Iterator[Report]:
    """Give what takes the progress of a race and shows it; however the block ends, it is taken away again.

    In a notebook it is a bar, in a terminal a line on the standard error, and elsewhere nothing.
    """
    if hasattr(shell, "kernel"):
        yield from _below_the_cell()
    elif sys.stderr.isatty():
        yield from _in_a_line()
    else:
        yield lambda step: None


def _below_the_cell() -> Iterator[Report]:
    from IPython.display import display

    # Not clear_output, which would take what the cell itself has printed, too.
    handle: Any = display(_bar("preparing", None), raw=True, display_id=True)  # type: ignore[no-untyped-call]
    try:
        yield lambda step: handle.update(_bar(str(step), step.fraction if step.rounds else None), raw=True)
    finally:
        handle.update({"text/html": "", "text/plain": ""}, raw=True)


def _in_a_line() -> Iterator[Report]:
    widest = 0

    def write(step: Progress) -> None:
        nonlocal widest
        text = str(step)
        print(f"\r{text:<{widest}}", end="", file=sys.stderr, flush=True)
        widest = max(widest, len(text))

    try:
        yield write
    finally:
        print(f"\r{'':<{widest}}\r", end="", file=sys.stderr, flush=True)


def _bar(text: str, share: float | None) -> dict[str, str]:
    done = "" if share is None else f' value="{share:.3f}"'
    bar = f'<progress max="1"{done} style="width:240px;accent-color:var(--fw-accent)"></progress>'
    words = f'<p class="fw-muted" role="status">{html.escape(text)}; interrupt the kernel to cancel</p>'
    return {"text/html": html.card(bar, words), "text/plain": text}
