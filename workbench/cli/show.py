"""A race in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from . import tables
from .terminal import console

if TYPE_CHECKING:
    from workbench.bench.race import Race


def print_race(race: Race, *, as_json: bool = False) -> None:
    """Print the verdict, the conditions and the table; or the whole record as JSON."""
    if as_json:
        print(race.to_json())
        return
    screen = console()
    screen.print(Text(race.verdict, style="bold"), soft_wrap=True)
    screen.print(Text(race.conditions_text, style="dim"), soft_wrap=True)
    screen.print()
    screen.print(tables.race_table(race))
    for name, reason in race.absent.items():
        screen.print(Text(f"{name}: {reason}", style="dim"), soft_wrap=True)


def say(text: str, *, style: str = "", quiet: bool = False) -> None:
    """Print a line of text; where the standard output is JSON, on the standard error."""
    console(stderr=quiet).print(Text(text, style=style), soft_wrap=True)
