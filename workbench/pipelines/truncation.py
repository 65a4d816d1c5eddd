"""What becomes of a text that is longer than its model takes; never that it is cut in silence."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, cast, get_args

from workbench.errors import InputError, TruncationWarning
from workbench.text import counted, did_you_mean

from .texts import Text, which, whole_number

Truncation = Literal["window", "warn", "error"]
"""Read in windows that overlap, or where a task cannot do that, cut, with a warning; or refused."""

_HOME = str(Path(__file__).parents[1])


def check_truncation(truncation: Any, *, windows: bool) -> Truncation:
    """Return it if the task can do it; what the task does by itself if None."""
    known = [way for way in get_args(Truncation) if way != ("warn" if windows else "window")]
    if truncation is None:
        return cast(Truncation, known[0])
    if truncation not in known:
        ways = {
            "window": "'window' reads all of it",
            "warn": "'warn' cuts it and says so",
            "error": "'error' refuses it",
        }
        raise InputError(
            f"truncation={truncation!r} is nothing that this task does with a long text: "
            f"{', '.join(ways[way] for way in known)}.{did_you_mean(truncation, known)}"
        )
    return cast(Truncation, truncation)


def check_stride(stride: Any, longest: int | None) -> int:
    """Return how many tokens two windows share: a quarter of the longest, at most 128, if it is not given."""
    if stride is None:
        return min(longest // 4, 128) if longest else 0
    shared = whole_number("stride", stride, 0, ", the tokens that two windows share")
    if longest and shared >= longest:
        raise InputError(f"stride={shared} tokens cannot be shared by two windows of {longest}. Give a smaller one.")
    return shared


def warn_of_the_cut(texts: Sequence[Text], cut: Sequence[tuple[int, int]], longest: int, *, left: bool) -> None:
    """Warn, once for all texts of a call.

    Parameters
    ----------
    texts
        All of them.
    cut
        The places of those that were cut, and how many tokens each lost.
    longest
        How many tokens the model takes.
    left
        Whether it was the beginning that went.
    """
    place, most = max(cut, key=lambda entry: entry[1])
    end = "first" if left else "last"
    if len(texts) == 1:
        what = f"The text was cut: it has {longest + most} tokens"
        lost = f"the {end} {most} were left out"
    else:
        what = (
            f"{len(cut)} of {counted(len(texts), 'text')} were cut"
            if len(cut) > 1
            else f"{which(texts, place)} was cut"
        )
        lost = f"of text {place} the {end} {counted(most, 'token')} were left out" + (
            ", the most" if len(cut) > 1 else ""
        )
    warnings.warn(
        f"{what}; the model takes {longest}, so {lost}. Cut long texts into parts yourself, or have them refused: "
        "truncation='error'.",
        TruncationWarning,
        stacklevel=outside(),
    )


def outside() -> int:
    """Return the level of the first caller that is not of this package, to whom a warning is told."""
    level, frame = 1, sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_HOME):
        level, frame = level + 1, cast(Any, frame.f_back)
    return level
