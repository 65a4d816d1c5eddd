"""The names that a configuration has for what its model scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def label_names(config: Mapping[str, Any]) -> list[str]:
    """Return the label for each number; ``LABEL_0`` and so on where the configuration names none, as transformers does.

    >>> label_names({"id2label": {"1": "good", "0": "bad"}}), label_names({})
    (['bad', 'good'], ['LABEL_0', 'LABEL_1'])
    """
    named = config.get("id2label")
    if isinstance(named, Mapping) and named:
        names = {int(number): str(name) for number, name in named.items() if str(number).isdigit()}
        return [names.get(number, f"LABEL_{number}") for number in range(max(names, default=-1) + 1)]
    count = config.get("num_labels")
    return [f"LABEL_{number}" for number in range(count if isinstance(count, int) and count > 0 else 2)]
