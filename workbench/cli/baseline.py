"""What ``--against`` names: the last run of the history, a run by its number, or a file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import InputError

from .show import say

if TYPE_CHECKING:
    from workbench.bench.past.against import Against
    from workbench.bench.race import Race

LAST = "LAST"


class Baseline:
    """Races to compare with; a file and a run are read at once, since a race should not be run for nothing.

    Parameters
    ----------
    name
        ``LAST``, the number of a run, or the path of a file.
    allow
        Which share a contender may be slower.
    suite
        Whether it is for a suite: then the file has one too, and a single run is none.
    """

    def __init__(self, name: str, allow: float, *, suite: bool) -> None:
        self._name, self._allow = name, allow
        self._known: list[Race] = []
        if name == LAST:
            return
        if name.isdecimal() and not Path(name).exists():
            if suite:
                raise InputError(f"Run {name} is one race; a suite is compared with LAST, or with what --save wrote.")
            from workbench.bench.past.history import history

            self._known = [history(machine="all")[int(name)]]
        else:
            self._known = _read(name)

    def compare(self, races: Iterable[Race], *, recording: bool, quiet: bool) -> bool:
        """Say of each race what got slower, and tell whether anything did by more than is allowed.

        Raises
        ------
        workbench.errors.InputError
            If there is nothing to compare with, unless the races are being recorded and so become the first.
        """
        from workbench.bench.past.against import against

        say("", quiet=quiet)
        worse = compared = 0
        several = len(races := list(races)) > 1
        for race in races:
            before = self._before(race)
            if before is None:
                continue
            name, earlier = before
            found = against(race, earlier, allow=self._allow, baseline=name)
            compared += 1
            worse += bool(found.regressions)
            for line in _lines(race, found, several=several):
                say(line, style="red" if found.regressions else "", quiet=quiet)
        if not compared:
            nothing = f"There is no earlier run of {_question(races)} in this machine's history"
            if not (recording and self._name == LAST):
                raise InputError(f"{nothing}. `--record` keeps one to compare with.")
            say(f"{nothing}; this one is the first.", quiet=quiet)
        elif several:
            say(f"{compared} of {len(races)} races compared; in {worse} of them something got worse.", quiet=quiet)
        return worse > 0

    def _before(self, race: Race) -> tuple[str, Race] | None:
        """Return the race to compare with and its name; None if there is none."""
        if self._name != LAST:
            same = [one for one in self._known if _key(one) == _key(race)] or (
                self._known if len(self._known) == 1 else []
            )
            name = f"run {self._name}" if self._name.isdecimal() else Path(self._name).name
            return (name, same[0]) if same else None
        from workbench.bench.past.history import history

        runs = history(race.op, shape=race.shape, dtype=race.dtype, out=bool(race.conditions.get("out")))
        fitting = [run for run in runs if run.cache == race.conditions.get("cache", "warm")]
        if not fitting:
            return None
        run = fitting[-1]
        return f"run {run.id} of {run.began[:16].replace('T', ' ')}", runs[run.id]


def share(text: str) -> float:
    """Return a share that was given as ``5%`` or ``0.05``.

    >>> share("5%"), share("0.05"), share("0")
    (0.05, 0.05, 0.0)
    """
    found = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*(%?)\s*", text)
    value = float(found[1]) / (100 if found[2] else 1) if found else -1.0
    if not found or (value > 1 and not found[2]):
        raise InputError(f"--allow takes a share such as 5% or 0.05; got {text!r}.")
    return value


def _read(path: str) -> list[Race]:
    """Return the races of a file: one race, or a suite."""
    from workbench.bench.plain import races_of

    return races_of(path)


def _key(race: Race) -> tuple[object, ...]:
    return race.op, race.shape, race.dtype, bool(race.conditions.get("out")), race.conditions.get("cache", "warm")


def _lines(race: Race, found: Against, *, several: bool) -> list[str]:
    """Return all of a comparison; of several only what got worse, in one line each."""
    if not several:
        return str(found).splitlines()
    what = f"{race.op} {json.dumps(list(race.shape))} {race.dtype}"
    return [f"{what}, against {found.baseline}: {one}" for one in found.regressions]


def _question(races: list[Race]) -> str:
    names = list(dict.fromkeys(race.op for race in races))
    return f"{', '.join(names)} with the same shape, dtype and out=" if names else "these races"
