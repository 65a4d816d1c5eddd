"""Where a user's files belong on this system; none of the folders need be there yet."""

from __future__ import annotations

from pathlib import Path

_NAME = "fusion-workbench"


def cache_folder() -> Path:
    """Return the folder for what can be had again: samples, ceilings, comparisons of graphs with torch.

    On Linux ``~/.cache/fusion-workbench``, or in ``XDG_CACHE_HOME``; on macOS it lies in ``~/Library/Caches``, on
    Windows in ``AppData/Local``.
    """
    from platformdirs import user_cache_path

    return user_cache_path(_NAME, appauthor=False)


def data_folder() -> Path:
    """Return the folder for what a user would miss: the history of races.

    On Linux ``~/.local/share/fusion-workbench``, or in ``XDG_DATA_HOME``; on macOS it lies in
    ``~/Library/Application Support``, on Windows in ``AppData/Local``.
    """
    from platformdirs import user_data_path

    return user_data_path(_NAME, appauthor=False)
