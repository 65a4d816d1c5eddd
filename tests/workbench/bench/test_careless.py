"""Careless arguments of a race."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import workbench as wb
from fused_kernels.trace import tracing
from workbench.errors import InputError, RaceError

X = np.ones((8, 8), np.float32)


@pytest.mark.parametrize("wrong", [{"budget": None}, {"budget": "1"}, {"contenders": 3}, {"dtype": None}])
def test_arguments_of_another_kind_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=repr(next(iter(wrong.values())))):
        wb.compare("softmax", **{"shape": (8, 8), "budget": 0, **wrong})


def test_no_race_runs_in_a_foreign_byte_order_that_its_report_would_not_tell() -> None:
    with tracing() as found:
        race = wb.compare("scale", shape=(8, 8), dtype=">f4", contenders=["numba"], budget=0)
    assert race.dtype == "float32"
    assert not any("byte order" in note for note in found.notes)


@pytest.mark.parametrize("useless", [lambda x: None, lambda x: "text", lambda x: x.astype(object), iter])
def test_a_reference_that_returns_no_numbers_is_named_and_not_the_others(useless: Any) -> None:
    with pytest.raises(RaceError, match="The reference 'mine' returns"):
        wb.compare({"mine": useless, "other": lambda x: x}, inputs=(X,), budget=0)
