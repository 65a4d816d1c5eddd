"""The command line, on real input, as a user starts it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from typer.testing import CliRunner

import workbench
from workbench import cli
from workbench.bench.compare import compare
from workbench.bench.race import Race
from workbench.bench.suites.suite import Cell, Suite
from workbench.cli import notebook

RESNET = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light" / "light_resnet50.onnx"


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "workbench", *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )


@pytest.fixture(autouse=True)
def _history_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_HISTORY", str(tmp_path / "history.sqlite"))


def test_version() -> None:
    assert run("--version").stdout == f"workbench {workbench.__version__}\n"


def test_help_names_the_commands() -> None:
    shown = run("--help").stdout
    assert all(command in shown for command in ("lab", "inspect", "bench", "history"))


def test_a_pipe_that_takes_only_ascii_gets_the_whole_report() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "workbench",
            "bench",
            "scale",
            "--shape",
            "8x8",
            "--budget",
            "0",
            "--contenders",
            "numpy",
        ],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "NumPy takes" in done.stdout


def test_inspect_shows_a_card() -> None:
    done = run("inspect", str(RESNET))
    assert done.returncode == 0, done.stderr
    assert re.search(r"parameters +25,\d{3},\d{3}", done.stdout)
    assert re.search(r"input +.*float32 \[1, 3, 224, 224\]", done.stdout)
    assert "\x1b" not in done.stdout, "no colours in a pipe"


def test_inspect_lists_and_filters_tensors() -> None:
    everything, some = (
        run("inspect", str(RESNET), "--tensors").stdout,
        run("inspect", str(RESNET), "--filter", "CONV1").stdout,
    )
    names = list(workbench.load(str(RESNET)).tensors)
    assert all(name in everything for name in names)
    listed = [name for name in names if re.search(rf"^{re.escape(name)} ", some, re.MULTILINE)]
    assert listed == [name for name in names if "conv1" in name.lower()] != []


def test_inspect_as_json() -> None:
    record = json.loads(run("inspect", str(RESNET), "--json", "--tensors").stdout)
    info = workbench.load(str(RESNET)).info
    assert record["parameters"] == info.parameters
    assert record["inputs"][0]["shape"] == [1, 3, 224, 224]
    assert sum(tensor["nbytes"] for tensor in record["tensors"]) == info.nbytes


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["inspect", "nothing.onnx"], "nothing.onnx"),
        (["inspect", str(RESNET), "--filter", "nobody"], "'nobody'"),
        (["bench", "softmx"], "Did you mean 'softmax'?"),
        (["bench", "softmax", "--contenders", "nunpy", "--in-process"], "Did you mean 'numpy'?"),
        (["bench", "softmax", "--device", "tpu"], "device= is 'cpu' or 'cuda'; got 'tpu'."),
        (["bench"], "One operation races; got none."),
        (["bench", "softmax", "scale"], "workbench bench --suite kernels softmax scale"),
        (["bench", "softmax", "--save", "suite.json"], "--suite kernels"),
        (["bench", "--suite", "quick", "--shape", "8x8", "--no-out"], "leave out --shape and --out"),
        (["bench", "--suite", "models"], "There are: kernels, headlines, quick."),
        (["bench", "--suite", "kernels", "softmx"], "Did you mean 'softmax'?"),
        (["bench", "--suite", "kernels", "--load", "nothing.json"], "nothing.json"),
        (["bench", "--suite", "kernels", "--markdown", os.devnull], "has no place"),
        (["bench", "softmax", "--against", "nothing.json"], "nothing.json cannot be read as a race"),
        (["bench", "softmax", "--against", "LAST", "--allow", "5"], "such as 5% or 0.05"),
        (["bench", "--suite", "quick", "--against", "12"], "Run 12 is one race"),
        (["history", "show", "12"], "There is no run 12 in the history."),
        (["history", "export", "runs.doc"], ".parquet"),
        (["lab", "nothing.ipynb"], "nothing.ipynb"),
    ],
)
def test_an_error_is_a_sentence(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli.app, arguments)
    assert done.exit_code == 1
    assert words in done.stderr
    assert isinstance(done.exception, SystemExit), "all that leaves a command is its exit code"
    assert done.stdout == ""


def test_debug_shows_the_traceback() -> None:
    done = run("bench", "softmx", "--debug")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "In the race's process:" in done.stderr


def test_bench_names_a_winner_and_its_conditions() -> None:
    done = run("bench", "softmax", "--shape", "16x32", "--contenders", "numpy, numba", "--rounds", "3")
    assert done.returncode == 0, done.stderr
    verdict, conditions, _, heading, *rows = done.stdout.splitlines()
    assert "numba" in verdict
    assert "NumPy" in verdict
    assert "3 rounds" in conditions
    assert heading.startswith("contender")
    assert {row.split()[0] for row in rows} == {"numpy", "numba"}


@pytest.mark.parametrize("where", [[], ["--in-process"]])
def test_bench_as_json(where: list[str]) -> None:
    options = ["--shape", "16x32", "--dtype", "float64", "--contenders", "numpy", "--rounds", "2", "--no-out", "--json"]
    done = run("bench", "softmax", *options, *where)
    assert done.returncode == 0, done.stderr
    race = Race.from_dict(json.loads(done.stdout))
    assert (race.op, race.shape, race.dtype, race.conditions["out"]) == ("softmax", (16, 32), "float64", [])
    assert race["numpy"].right


def test_a_suite_that_was_kept_is_shown_again(tmp_path: Path) -> None:
    race = compare("softmax", shape=(8, 64), contenders=["numpy", "numba"], budget=0)
    suite = Suite((Cell("softmax", (8, 64), "float32", True, race),), planned=1)
    (tmp_path / "suite.json").write_text(json.dumps(suite.to_dict()))
    done = run("bench", "--suite", "kernels", "--load", "suite.json", "--markdown", "page.md", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == repr(suite)
    assert "### softmax" in (tmp_path / "page.md").read_text()
    again = run("bench", "--suite", "kernels", "--load", "suite.json", "--json", cwd=tmp_path)
    assert Suite.from_dict(json.loads(again.stdout)) == suite


def test_lab_prints_the_address_of_the_first_tutorial(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "BROWSER")}
    environment |= {f"JUPYTER_{kind}_DIR": str(tmp_path / kind) for kind in ("CONFIG", "DATA", "RUNTIME")}
    lab = subprocess.Popen(
        [sys.executable, "-m", "workbench", "lab", "--port", "18888"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert lab.stdout is not None
    lines = []
    with lab:
        for line in lab.stdout:
            lines.append(line)
            if re.search(r"http://\S+/lab/tree/notebooks/01_workbench\.ipynb\?token=\w+", line):
                break
        # Not terminate(): a server that is still starting does not act on it, and the test would wait for ever.
        lab.kill()
        lab.stdout.read()
    assert "notebooks/01_workbench.ipynb" in lines[0]
    assert "01_workbench.ipynb?token=" in lines[-1], "".join(lines)


def test_lab_makes_a_notebook_where_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    class Replaced(BaseException):
        """The process would be JupyterLab now."""

    def execute(program: str, command: list[str]) -> None:
        commands.append(command)
        raise Replaced

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(notebook, "__file__", str(tmp_path / "site-packages" / "workbench" / "cli" / "notebook.py"))
    monkeypatch.setattr(os, "execv", execute)
    with pytest.raises(Replaced):
        CliRunner().invoke(cli.app, ["lab"], catch_exceptions=False)
    assert "--LabApp.default_url=/lab/tree/workbench.ipynb" in commands[0]
    assert f"--ServerApp.root_dir={tmp_path}" in commands[0]
    source = json.loads((tmp_path / "workbench.ipynb").read_text())["cells"][0]["source"]
    assert "wb.Workbench()" in "".join(source)
