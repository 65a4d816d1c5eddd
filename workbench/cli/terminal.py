"""The terminal: where text goes, and a bar while something runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn


def console(*, stderr: bool = False) -> Console:
    """Return the standard output or error; without colours and of any width where it is no terminal."""
    found = Console(stderr=stderr, highlight=False)
    if not found.is_terminal:
        found.width = 10_000  # a pipe has no width, and what reads it wants whole lines
    return found


@contextmanager
def progress_bar() -> Iterator[Callable[[Any], object]]:
    """Show a bar on the standard error while the block runs; nothing where that is no terminal.

    What it yields takes the progress of a race or a suite: its text, and the fraction that is done.
    """
    screen = console(stderr=True)
    columns = (BarColumn(bar_width=30), TextColumn("{task.description}", markup=False))
    with Progress(
        *columns, console=screen, transient=True, refresh_per_second=4, disable=not screen.is_terminal
    ) as bar:
        task = bar.add_task("starting", total=None)
        yield lambda step: bar.update(
            task, total=1.0 if step.fraction else None, completed=step.fraction, description=str(step)
        )
