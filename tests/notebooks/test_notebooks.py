"""The committed notebooks are run, whole and small, and nbval holds what they print."""

from __future__ import annotations

import copy
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LIMIT = 1_000_000
MARK = "# NBVAL_CHECK_OUTPUT"
FIGURE, PICTURE = "application/vnd.plotly.v1+json", "image/jpeg"
OF_THE_MOMENT = re.compile(r" at 0x[0-9a-f]{6,}|/(?:home|root|tmp|work|Users)/|ipykernel_\d+")


@pytest.fixture(scope="module")
def runner():
    spec = importlib.util.spec_from_file_location("run_notebooks", Path(__file__).with_name("run.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def notebook(path):
    return nbformat.read(path, as_version=4)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outputs(notebook):
    return [output for cell in code(notebook) for output in cell.outputs]


def test_it_was_run_from_top_to_bottom(notebook):
    # nbval compares nothing in a cell that was not run
    assert [cell.execution_count for cell in code(notebook)] == list(range(1, len(code(notebook)) + 1))


def test_some_of_its_outputs_are_compared(notebook):
    marked = [cell for cell in code(notebook) if MARK in cell.source]
    assert len(marked) >= 3
    for cell in marked:
        assert cell.outputs, f"nothing to compare in: {cell.source}"
        for output in cell.outputs:
            assert output.output_type == "stream" or set(output.data) == {"text/plain"}, (
                f"a picture or a style changes more often than what it shows: print it\n{cell.source}"
            )


def test_no_cell_failed_or_warned(notebook):
    for output in outputs(notebook):
        assert output.output_type != "error"
        assert output.get("name") != "stderr", output.text


def test_it_is_as_the_runner_writes_it(notebook, path, runner):
    clean = copy.deepcopy(notebook)
    runner.clean(clean)
    assert nbformat.writes(clean) + "\n" == path.read_text(), "run it by `make notebooks`, not by an editor"


def test_it_is_small_and_holds_nothing_of_this_machine(notebook, path):
    assert path.stat().st_size < LIMIT
    for output in outputs(notebook):
        for text in (output.get("text", ""), output.get("data", {}).get("text/plain", "")):
            assert not OF_THE_MOMENT.search(text), text


def test_each_figure_has_a_picture_for_pages_without_scripts(notebook):
    for output in outputs(notebook):
        assert (FIGURE in output.get("data", {})) == (PICTURE in output.get("data", {}))


def test_nbval_compares_and_a_wrong_output_fails(tmp_path, runner):
    cell = nbformat.v4.new_code_cell(f"{MARK}\nprint(6 * 7)")
    right = tmp_path / "right.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), right)
    runner.run(right)
    assert "42\\n" in right.read_text()
    (tmp_path / "wrong.ipynb").write_text(right.read_text().replace("42\\n", "43\\n"))

    command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path)]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", "--color=no", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert re.search(r"FAILED .*wrong\.ipynb::Cell 0", done.stdout), done.stdout
    assert "1 failed, 1 passed" in done.stdout, done.stdout


def test_a_notebook_that_fails_is_left_as_it_was(tmp_path, runner, capsys):
    broken = tmp_path / "broken.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0")]), broken)
    before = broken.read_bytes()
    assert runner.main([str(broken)]) == 1
    assert broken.read_bytes() == before
    assert "ZeroDivisionError" in capsys.readouterr().err
