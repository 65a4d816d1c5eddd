"""The child of :mod:`workbench.bench.process`: reads what to race, races it, and writes JSON lines.

A line is ``{"progress": {...}}``, then at the end ``{"race": {...}}`` or ``{"error": {...}}``. Its parent keeps the
standard input open; when that closes, the parent is gone and the child ends at once, so that none is left behind.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import traceback
from dataclasses import asdict
from typing import Any, TextIO

from .progress import Progress


def main() -> None:
    """Race what the first line of the standard input says."""
    protocol = _take_standard_output()
    options: dict[str, Any] = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, name="workbench-parent", daemon=True).start()

    def say(kind: str, content: Any) -> None:
        protocol.write(json.dumps({kind: content}) + "\n")
        protocol.flush()

    def progress(step: Progress) -> None:
        say("progress", asdict(step))

    try:
        from .compare import compare

        race = compare(options.pop("op"), progress=progress, **options)
        say("race", race.to_dict())
    except Exception as error:
        say("error", {"kind": type(error).__name__, "message": str(error), "traceback": traceback.format_exc()})


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
