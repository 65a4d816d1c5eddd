"""``%load_ext workbench`` and ``%%race`` in a real IPython shell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell

from fused_kernels import OPS
from workbench.bench.race import Race

QUICK = "--rounds 3"
BEFORE = "import numpy as np\nx = np.linspace(0, 1, 1000, dtype=np.float32)\nw = x + 1"


@pytest.fixture(scope="module")
def ipython() -> Iterator[InteractiveShell]:
    shell = InteractiveShell()
    shell.run_cell("%load_ext workbench")
    shell.run_cell(BEFORE)
    yield shell
    shell.reset()


@pytest.fixture
def shell(ipython: InteractiveShell, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    monkeypatch.delattr("builtins._", raising=False)  # left by a doctest, say; IPython then keeps no last result
    names = {name: value for name, value in ipython.user_ns.items() if not name.startswith("_")}
    yield ipython
    # reset() would collect garbage, which takes longer than most of the tests
    for name in [name for name in ipython.user_ns if not name.startswith("_")]:
        del ipython.user_ns[name]
    ipython.user_ns.update(names)


def race(shell: InteractiveShell, line: str, cell: str) -> Race:
    """Return the race of a cell, which must also be in ``_``."""
    result = shell.run_cell(f"%%race {line} {QUICK}\n{cell}", store_history=True)
    result.raise_error()
    assert isinstance(result.result, Race)
    assert shell.user_ns["_"] is result.result
    return result.result


def failure(shell: InteractiveShell, line: str, cell: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Return what a cell that fails prints."""
    result = shell.run_cell(f"%%race {line}\n{cell}")
    assert result.error_in_exec is not None
    printed = capsys.readouterr()
    assert "Traceback" not in printed.out + printed.err
    return str(result.error_in_exec)


def names(found: Race) -> set[str]:
    return {result.contender for result in found.results}


def test_functions_race_on_the_inputs_that_are_named(shell: InteractiveShell) -> None:
    cell = """
offset = 1.0

def _helper(x):
    return x + offset

def plain(x, w):
    return _helper(x) * w

def other(x, w):
    return x * w + w

cube = lambda x, w: (x + 1) * w
"""
    found = race(shell, "x, w", cell)
    assert names(found) == {"plain", "other", "cube"}
    assert all(result.right for result in found.results)
    assert found.shape == (1000,)
    assert found.conditions["truth"] == "plain in float64"
    assert shell.user_ns["offset"] == 1.0, "what the cell defines stays, as in any cell"


def test_functions_find_their_inputs_by_the_names_of_their_parameters(shell: InteractiveShell) -> None:
    assert names(race(shell, "", "def a(x): return x * 2\ndef b(x): return x + x")) == {"a", "b"}


def test_inputs_may_be_expressions(shell: InteractiveShell) -> None:
    found = race(shell, "np.ones((8, 16)), {'k': 2}['k']", "def a(x, k): return x * k\ndef b(x, k): return k * x")
    assert found.shape == (8, 16)


def test_blocks_race_under_the_comments_above_them(shell: InteractiveShell) -> None:
    cell = """
# This comment stands above what is run once.
import math
half = x[:50].astype(float)
# loop
total = 0.0
for value in half:
    # a comment inside belongs to the loop
    total += math.sqrt(value)
total
# numpy
np.sqrt(half).sum()
"""
    found = race(shell, "", cell)
    assert names(found) == {"This comment stands above what is run once.", "loop", "numpy"} - {
        "This comment stands above what is run once."
    }
    assert all(result.right for result in found.results)
    assert found.shape == (50,), "the arrays that the blocks read are the inputs"
    assert "total" not in shell.user_ns
    assert "half" in shell.user_ns


def test_a_block_may_end_with_an_assignment(shell: InteractiveShell) -> None:
    found = race(shell, "", "# one\ny = x * 2\n# two\ny = x\ny = y + y\n# three\ny = x.copy()\ny += x")
    assert names(found) == {"one", "two", "three"}
    assert all(result.right for result in found.results)


def test_lines_race_each_for_itself(shell: InteractiveShell) -> None:
    found = race(shell, "", "k = 3\nx ** k\nx * x * x\nnp.power(\n    x, k)")
    assert names(found) == {"x ** k", "x * x * x", "np.power( x, k)"}
    assert all(result.right for result in found.results)


def test_contenders_are_called_as_one_likes_and_the_truth_is_whose_one_says(shell: InteractiveShell) -> None:
    found = race(shell, "-n mine,theirs -r theirs -o kept", "x + 1\nx + 1.0")
    assert names(found) == {"mine", "theirs"}
    assert found.conditions["truth"].startswith("theirs")
    assert shell.user_ns["kept"] is found


def test_a_wrong_result_is_out_of_the_competition(shell: InteractiveShell) -> None:
    found = race(shell, "", "# right\nx + 1\n# wrong\nx + 2")
    assert not found["wrong"].right
    assert "out of the competition" in found.verdict


def test_a_changed_variable_is_found(shell: InteractiveShell) -> None:
    found = race(shell, "", "# right\nx + 1\n# careless\nx[0] = 5\nx + 1")
    assert not found["careless"].right
    assert shell.user_ns["x"][0] == 0, "each has its own copies"


def test_what_cannot_be_compared_races_without_a_check(shell: InteractiveShell) -> None:
    found = race(shell, "--no-check", "# join\n','.join(map(str, range(50)))\n# loop\nfor i in range(50): pass")
    assert "results not compared" in found.conditions_text
    assert "right to" not in found.conditions_text


def test_a_cell_may_use_other_magics_above(shell: InteractiveShell) -> None:
    found = race(shell, "", "%precision 3\nk = 2\nx * k\nk * x")
    assert names(found) == {"x * k", "k * x"}


def test_writing_into_out_is_taken_or_left(shell: InteractiveShell) -> None:
    cell = "def a(x, out=None): return np.add(x, 1, out=out)\ndef b(x, out=None): return np.add(1, x, out=out)"
    assert set(race(shell, "x", cell).conditions["out"]) == {"a", "b"}
    assert race(shell, "x --no-out", cell).conditions["out"] == []


def test_a_formula_races_by_itself(shell: InteractiveShell) -> None:
    cell = """
import fused_kernels as fk
@fk.elementwise
def magic_formula(x):
    return x * x + 1.0
def plain(x):
    return x * x + 1.0
"""
    found = race(shell, "x", cell)
    try:
        assert names(found) == {"magic_formula", "plain"}
        assert all(result.right for result in found.results)
        assert "magic_formula" in OPS
    finally:
        OPS.remove("magic_formula")


@pytest.mark.parametrize(
    ("line", "cell", "words"),
    [
        ("", "pass", "nothing to race in the cell"),
        ("", "k = 1", "nothing to race in the cell"),
        ("", "x + 1\nk = 2\nx + k", "Line 2 is no expression"),
        ("nothing", "def a(x): return x", "'nothing' cannot be had"),
        ("", "def a(nowhere): return nowhere", "no variable nowhere: name the inputs"),
        ("x[0]", "x + 1\nx + 2", "'x[0]' is no variable"),
        ("-n one", "x + 1\nx + 1.0", "a name for each of the 2 contenders"),
        ("-r nobody", "x + 1\nx + 1.0", "'nobody' is not among"),
        ("", "# a\nx + 1\n# b\nfor i in x: pass", "ends in line 4 has no value"),
        ("", "# a\nx + 1\n# a\nx + 1", "Two blocks are called 'a'"),
        ("", "async def a(x): return x", "coroutine"),
        ("--rounds 0", "x + 1", "at least one round"),
        ("", "x + 1\nundefined + 1", "undefined"),
        ("", "str(x)\nrepr(x)", "returns str, with which no result can be compared"),
        ("--nonsense", "x + 1", "--nonsense"),
    ],
)
def test_an_error_is_a_sentence(
    shell: InteractiveShell, line: str, cell: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert words in failure(shell, line, cell, capsys)


def test_a_race_that_is_interrupted_says_so_and_keeps_nothing(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    cell = "calls = []\n# a\nx + 1\n# b\ncalls.append(1)\nif len(calls) > 3: raise KeyboardInterrupt\nx + 1"
    assert "cancelled" in failure(shell, "-o kept", cell, capsys)
    assert "kept" not in shell.user_ns
    assert np.array_equal(shell.user_ns["x"], np.linspace(0, 1, 1000, dtype=np.float32))


def test_a_line_that_python_cannot_read_is_pythons_own_error(shell: InteractiveShell) -> None:
    assert isinstance(shell.run_cell("%%race\nx +").error_in_exec, SyntaxError)


def test_help_shows_how_it_is_used(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    shell.run_cell("%%race?")
    shown = capsys.readouterr().out
    assert "--reference" in shown
    assert "%%race x, weight" in shown


def test_no_array_is_needed(shell: InteractiveShell) -> None:
    found: Any = race(shell, "", "sum(range(100))\nsum(list(range(100)))")
    assert all(result.right for result in found.results)
    assert np.isfinite(found.results[0].median)
