"""``workbench bench --suite``: run it, or show one that was kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from .terminal import console, progress_bar

if TYPE_CHECKING:
    from workbench.bench.suites.suite import Suite


def run(
    name: str,
    ops: list[str],
    options: dict[str, Any],
    *,
    load: Path | None,
    save: Path | None,
    markdown: list[Path],
    as_json: bool,
) -> tuple[Suite, bool]:
    """Race, keep what is asked for, and print the table; tell what is done and whether Ctrl-C ended the races."""
    from workbench.bench.plain import suite_of, to_text, write
    from workbench.bench.suites.markdown import check_marks, write_into
    from workbench.bench.suites.run import run as race
    from workbench.bench.suites.suite import Suite
    from workbench.bench.suites.text import suite_text

    for path in markdown:
        check_marks(path)  # before the half hour, not after it
    suite, cancelled = Suite(name=name), False
    if load is not None:
        suite = suite_of(load)
    else:
        try:
            with progress_bar() as bar:
                for suite in race(name, ops, progress=bar, **options):
                    if save is not None:
                        write(save, to_text(suite.to_dict()))
        except KeyboardInterrupt:
            cancelled = True
    for path in markdown:
        write_into(path, suite)
    if as_json:
        print(to_text(suite.to_dict()))
    else:
        text = Text(suite_text(suite))
        text.highlight_regex(r"[\d.]+ \[[\d., ]+\] !", "red")
        console().print(text, soft_wrap=True)
    return suite, cancelled
