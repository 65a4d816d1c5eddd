"""Records as text that every reader of JSON takes, and back without a bit lost."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard, TypeVar

import numpy as np

from workbench.errors import InputError

if TYPE_CHECKING:
    from .race import Race
    from .suites.suite import Suite

_FLOAT = "$float"
Value = TypeVar("Value")


def to_text(record: Any) -> str:
    """Return a record of plain values as JSON.

    JSON knows neither NaN nor infinity, and what Python writes for them no other reader takes: they become
    ``{"$float": "nan"}``. All other numbers are written with the digits that give the same number back.
    """
    return json.dumps(_wrapped(record), indent=2, allow_nan=False)


def from_text(text: str) -> Any:
    """Return the record of :func:`to_text`; Python's own ``NaN`` and ``Infinity`` are read too."""
    return json.loads(text, object_hook=_unwrapped)


def race_of(source: str | Path) -> Race:
    """Return the race that was written with ``race.to_json`` or ``workbench bench OP --json``; text or a file's path.

    Raises
    ------
    workbench.errors.InputError
        If it cannot be read, or is no race.
    """
    from .race import Race

    return _rebuilt(source, Race.from_dict, "race", "race.to_json and workbench bench OP --json")


def suite_of(source: str | Path) -> Suite:
    """Return the suite that was written with ``workbench bench --suite NAME --save``; errors as of :func:`race_of`."""
    from .suites.suite import Suite

    return _rebuilt(source, Suite.from_dict, "suite", "workbench bench --suite kernels --save FILE")


def races_of(source: str | Path) -> list[Race]:
    """Return the races of a file, whichever kind: one race, a suite, or an export of the history."""
    from .race import Race
    from .suites.suite import Suite

    def rebuild(record: Any) -> list[Race]:
        if "cells" in record:
            return [cell.race for cell in Suite.from_dict(record).cells if cell.race is not None]
        return [Race.from_dict(each) for each in record.get("races", [record])]

    return _rebuilt(source, rebuild, "race", "race.to_json, workbench bench OP --json and workbench history export")


def _rebuilt(source: str | Path, rebuild: Callable[[Any], Value], what: str, writers: str) -> Value:
    record = _read(source, what)
    try:
        return rebuild(record)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{_named(source)} is JSON, but no {what} of this version of the workbench: {_reason(error)}. One is "
            f"written by {writers}."
        ) from error


def write(path: str | Path, text: str) -> None:
    """Replace a file as a whole, so that what was kept is never half of it.

    Raises
    ------
    workbench.errors.InputError
        If it cannot be written.
    """
    with _beside(Path(path)) as beside:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)


def check_writable(path: str | Path) -> None:
    """Raise what :func:`write` would, before the work that it is to keep."""
    with _beside(Path(path)) as beside:
        beside.touch()
        beside.unlink()


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """Give a name beside a file, and turn what fails there into an error of ours."""
    if not path.name or path.is_dir():
        raise InputError(f"{path} cannot be written: it is a folder.")
    try:
        yield path.with_name(f"{path.name}.new")
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}.") from error


def _read(source: str | Path, what: str) -> Any:
    """Return the record in JSON that was given as text or as the path of a file."""
    try:
        return from_text(source if _is_text(source) else Path(source).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else f"it is no JSON ({error})"
        raise InputError(f"{_named(source)} cannot be read as a {what}: {reason}.") from error


def _is_text(source: str | Path) -> TypeGuard[str]:
    return isinstance(source, str) and source.lstrip().startswith("{")


def _named(source: str | Path) -> str:
    return "The text" if _is_text(source) else str(source)


def _reason(error: Exception) -> str:
    return f"it has no {error}" if isinstance(error, KeyError) else str(error).replace("__init__() ", "")


def _wrapped(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _wrapped(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_wrapped(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return {_FLOAT: repr(value)}
    return value


def _unwrapped(found: dict[str, Any]) -> Any:
    return float(found[_FLOAT]) if found.keys() == {_FLOAT} else found
