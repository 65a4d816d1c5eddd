"""The child of :mod:`workbench.bench.process`: reads what to do, does it, and writes JSON lines.

The first line of its standard input is ``{"task": name, "options": {...}}``. A line that it writes is a result, named
by its key as in ``{"race": {...}}``, or ``{"progress": {...}}``; at the end ``{"done": true}`` or ``{"error": {...}}``.
Its parent keeps the standard input open; when that closes, the parent is gone and the child ends at once, so that none
is left behind.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any, TextIO

from .progress import Progress, Report, SuiteProgress

Results = Iterator[tuple[str, Any]]


def main() -> None:
    """Do what the first line of the standard input says."""
    protocol = _take_standard_output()
    order: dict[str, Any] = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, name="workbench-parent", daemon=True).start()

    def say(kind: str, content: Any) -> None:
        protocol.write(json.dumps({kind: content}) + "\n")
        protocol.flush()

    def progress(step: Progress | SuiteProgress) -> None:
        say("progress", asdict(step))

    try:
        for kind, content in _TASKS[order["task"]](progress, **order["options"]):
            say(kind, content)
        say("done", True)
    except Exception as error:
        say("error", {"kind": type(error).__name__, "message": str(error), "traceback": traceback.format_exc()})


def _race(progress: Report, op: str, **options: Any) -> Results:
    from .compare import compare

    yield "race", compare(op, progress=progress, **options).to_dict()


def _cells(progress: Report, **options: Any) -> Results:
    from .suites.cells import run

    for race in run(progress=progress, **options):
        yield ("race", race.to_dict()) if not isinstance(race, str) else ("failure", race)


def _ceilings(progress: Report) -> Results:
    from .rooflines.ceilings import measure

    yield "ceilings", measure().to_dict()


def _sweep(progress: Callable[[SuiteProgress], object], op: str, **options: Any) -> Results:
    from .sweeps.sweeping import growing

    for found in growing(op, progress=progress, **options):
        yield "sweep", found.to_dict()


def _roofline(progress: Callable[[SuiteProgress], object], **options: Any) -> Results:
    from .rooflines.roofline import roofline

    yield "roofline", roofline(progress=progress, **options).to_dict()


def _start(progress: Report, op: str) -> Results:
    from .suites.cells import first_result

    yield "start", first_result(op)


_TASKS: dict[str, Callable[..., Results]] = {
    "race": _race,
    "cells": _cells,
    "ceilings": _ceilings,
    "sweep": _sweep,
    "roofline": _roofline,
    "start": _start,
}


def _take_standard_output() -> TextIO:
    """Return the standard output as ours alone; what anyone else prints, in C as well, goes to the standard error."""
    ours = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(ours, "w", encoding="utf-8")


def _end_with_parent() -> None:
    # Not through sys.stdin: at the interpreter's end a thread that holds its lock would be fatal.
    while os.read(0, 1024):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
