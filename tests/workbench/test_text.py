"""How numbers are written; the examples of the docstrings show the rest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench import text


@given(st.integers(0, 10**17))
def test_sizes_are_written_with_three_digits_near_the_truth(count: int) -> None:
    number, *unit = text.format_count(count).split()
    factor = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}["".join(unit)]
    assert abs(float(number) * factor - count) <= 0.006 * count


@pytest.mark.parametrize(
    ("seconds", "written"), [(2.5e-10, "0.25 ns"), (9.996e-7, "1.00 µs"), (0.9996, "1.00 s"), (12.34, "12.3 s")]
)
def test_times_have_three_digits(seconds: float, written: str) -> None:
    assert text.format_seconds(seconds) == written
