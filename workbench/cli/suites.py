"""``workbench bench --suite``: run it, or show one that was kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.text import Text

from workbench.errors import InputError

from .terminal import console, progress_bar


def run(
    ops: list[str],
    options: dict[str, Any],
    *,
    load: Path | None,
    save: Path | None,
    markdown: list[Path],
    as_json: bool,
) -> None:
    """Race, print the table, and write what is asked for; Ctrl-C ends the races and keeps what is done."""
    from workbench.bench.suite import Suite, kernels
    from workbench.bench.suite_markdown import check_marks, write_into
    from workbench.bench.suite_text import suite_text

    for path in markdown:
        check_marks(path)  # before the half hour, not after it
    suite, cancelled = Suite(), False
    if load is not None:
        suite = _loaded(load)
    else:
        try:
            with progress_bar() as report:
                for suite in kernels(ops, progress=report, **options):
                    if save is not None:
                        _write(save, json.dumps(suite.to_dict()))
        except KeyboardInterrupt:
            cancelled = True
    for path in markdown:
        write_into(path, suite)
    if as_json:
        print(json.dumps(suite.to_dict(), indent=2))
    else:
        text = Text(suite_text(suite))
        text.highlight_regex(r"[\d.]+ \[[\d., ]+\] !", "red")
        console().print(text, soft_wrap=True)
    if cancelled:
        raise KeyboardInterrupt


def _loaded(path: Path) -> Any:
    from workbench.bench.suite import Suite

    try:
        return Suite.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no suite that --save has written.") from error


def _write(path: Path, text: str) -> None:
    """Replace the file as a whole, so that what was kept is never half of it."""
    beside = path.with_name(f"{path.name}.new")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}.") from error
