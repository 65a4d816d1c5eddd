"""The house stands as CONTRIBUTING.md draws it: imports run one way, nothing optional comes early, files stay small."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import workbench

ROOT = Path(__file__).parents[1]
HOMES = {"workbench": ROOT / "workbench", "fused_kernels": ROOT / "kernels" / "fused_kernels"}
SOURCES = {
    ".".join([package, *path.relative_to(home).with_suffix("").parts]).removesuffix(".__init__"): path
    for package, home in HOMES.items()
    for path in sorted(home.rglob("*.py"))
}

# A part may import from parts of a lower floor and, as long as no circle arises, from its own.
FLOORS = {
    "fused_kernels": 0,
    # The package itself holds the version; its public names, loaded by text, count as the modules they come from.
    **dict.fromkeys(["workbench", *(f"workbench.{each}" for each in ("arrays", "errors", "folders", "text"))], 1),
    **dict.fromkeys(
        ["workbench.models", "workbench.bench", "workbench.bridge", "workbench.pipelines", "workbench.ring"], 2
    ),
    "workbench.views": 3,
    "workbench.cli": 4,
    "workbench.__main__": 5,
}
DISPLAY = {"plotly", "ipywidgets", "anywidget", "itables", "IPython", "traitlets", "ipykernel"}
TERMINAL = {"rich", "typer"}
ARRAYS = {"numpy", "scipy", "ml_dtypes", "numba", "llvmlite", "torch", "cupy", "cupy_backends"}
PEERS = {"jax", "numexpr", "polyglot_bridge"}
"""Libraries that the kernels are raced against; an operation's peers import them, and nothing else."""
BROUGHT_BY = {
    **dict.fromkeys(["ipython", "traitlets"], "ipywidgets"),
    **dict.fromkeys(["huggingface-hub", "tokenizers"], "transformers"),
    "filelock": "torch",
    "llvmlite": "numba",
    "ml-dtypes": "onnx",
}
"""Libraries that are used and not declared, since what they belong to cannot do without them."""
SOLD_AS = {"cupy": ["cupy-cuda12x", "cupy-cuda13x"]}
"""The distributions of libraries that are not called like them, and that need not be installed here."""
OPTIONAL = ["torch", "transformers", "onnxruntime", "onnx", "cupy", "numba", "pandas"]
OPTIONAL += sorted(DISPLAY | TERMINAL | PEERS)


class Import(NamedTuple):
    """One imported module, and where its statement stands."""

    importer: str
    imported: str
    line: int
    for_a_picture: bool
    """In a function that does nothing but ask views for a picture."""

    def __str__(self) -> str:
        return f"{SOURCES[self.importer].relative_to(ROOT)}:{self.line} imports {self.imported}"


def imports_of(module: str) -> Iterator[Import]:
    """Yield all imports of a module but those for type checkers, which never run."""
    package = module if SOURCES[module].name == "__init__.py" else module.rpartition(".")[0]

    def walk(node: ast.AST, picture: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            if isinstance(child, ast.Import | ast.ImportFrom):
                yield from (Import(module, name, child.lineno, picture) for name in targets(child))
            elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                yield from walk(child, only_asks_for_a_picture(child))
            else:
                yield from walk(child, picture)

    def targets(node: ast.Import | ast.ImportFrom) -> list[str]:
        if isinstance(node, ast.Import):
            return [alias.name for alias in node.names]
        origin = node.module or ""
        if node.level:
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            origin = ".".join([*above, *([origin] if origin else [])])
        public = workbench._HOME if origin == "workbench" else {}
        members = [f"{origin}.{public.get(alias.name, alias.name)}" for alias in node.names]
        return [member if member in SOURCES else origin for member in members]

    yield from walk(ast.parse(SOURCES[module].read_text()), False)


def only_asks_for_a_picture(function: ast.AST) -> bool:
    """Tell whether a function's body is an import from views and a return, after its docstring."""
    if not isinstance(function, ast.FunctionDef):
        return False
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return len(body) == 2 and isinstance(body[0], ast.ImportFrom) and isinstance(body[1], ast.Return)


def part(module: str) -> str:
    """Return the part of the house that a module belongs to."""
    return next(part for part in sorted(FLOORS, key=len, reverse=True) if f"{module}.".startswith(f"{part}."))


@cache
def ours() -> list[Import]:
    """Return each import of one part of the house by another one."""
    found = [entry for module in SOURCES for entry in imports_of(module)]
    found = [entry for entry in found if entry.imported.split(".")[0] in HOMES]
    return [entry for entry in found if part(entry.importer) != part(entry.imported)]


@cache
def foreign() -> list[Import]:
    """Return each import of another's library."""
    found = [entry for module in SOURCES for entry in imports_of(module)]
    return [entry for entry in found if entry.imported.split(".")[0] not in {*HOMES, *sys.stdlib_module_names}]


def listed(entries: list[Import]) -> str:
    return "".join(f"\n  {entry}" for entry in entries)


def test_imports_run_one_way() -> None:
    upward = [
        entry
        for entry in ours()
        if FLOORS[part(entry.imported)] > FLOORS[part(entry.importer)]
        and not (entry.for_a_picture and part(entry.imported) == "workbench.views")
    ]
    assert not upward, listed(upward)


def test_no_two_parts_import_each_other() -> None:
    graph: dict[str, set[str]] = {}
    for entry in ours():
        if not entry.for_a_picture:
            graph.setdefault(part(entry.importer), set()).add(part(entry.imported))
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_each_package_is_on_a_floor() -> None:
    modules = {
        f"workbench.{path.stem}" for path in HOMES["workbench"].iterdir() if path.suffix == ".py" or path.is_dir()
    }
    modules -= {"workbench.__init__", "workbench.__pycache__"}
    assert modules <= FLOORS.keys()


def test_only_views_knows_how_to_draw() -> None:
    drawing = [entry for entry in foreign() if entry.imported.split(".")[0] in DISPLAY]
    assert drawing, "views draws with something"
    elsewhere = [entry for entry in drawing if part(entry.importer) != "workbench.views"]
    assert not elsewhere, listed(elsewhere)


def test_only_the_command_line_knows_the_terminal() -> None:
    elsewhere = [
        entry
        for entry in foreign()
        if entry.imported.split(".")[0] in TERMINAL and part(entry.importer) != "workbench.cli"
    ]
    assert not elsewhere, listed(elsewhere)


def test_the_kernels_know_arrays_only() -> None:
    inside = [entry for entry in foreign() if part(entry.importer) == "fused_kernels"]
    others = [entry for entry in inside if entry.imported.split(".")[0] not in ARRAYS | PEERS]
    assert not others, listed(others)
    assert not any(entry.imported.split(".")[0] in PEERS and ".ops." not in entry.importer for entry in inside)


def test_each_library_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *(line for lines in project["optional-dependencies"].values() for line in lines)]
    declared = {canonicalize_name(Requirement(line).name) for line in lines}
    for library, owner in BROUGHT_BY.items():
        assert owner in declared
        assert library in {canonicalize_name(Requirement(line).name) for line in metadata.requires(owner) or ()}
    distributions = metadata.packages_distributions()
    unknown = []
    for entry in foreign():
        library = entry.imported.split(".")[0]
        names = {canonicalize_name(name) for name in distributions.get(library, SOLD_AS.get(library, [library]))}
        unknown += [] if names & {*declared, *BROUGHT_BY} else [entry]
    assert not unknown, listed(unknown)


@cache
def loaded_by(statement: str) -> frozenset[str]:
    """Return the top-level modules in a fresh process after a statement."""
    code = f"{statement}\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return frozenset(name.split(".")[0] for name in done.stdout.split())


@pytest.mark.parametrize("library", OPTIONAL)
@pytest.mark.parametrize(
    "statement",
    ["import workbench", "import fused_kernels", "from fused_kernels import OPS; [OPS[name].shapes for name in OPS]"],
    ids=["workbench", "fused_kernels", "catalogue"],
)
def test_nothing_optional_is_imported_early(statement: str, library: str) -> None:
    loaded = loaded_by(statement)
    assert {"workbench", "fused_kernels"} & loaded, "the list of modules is a real one"
    assert library not in loaded


def test_importing_workbench_is_quick() -> None:
    """Under 0.1 s: less than NumPy takes, which is about that. In CPU time, which a busy machine changes little."""

    def seconds(statement: str) -> float:
        process = subprocess.Popen([sys.executable, "-c", statement], cwd=ROOT.parent)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        return usage.ru_utime + usage.ru_stime

    statements = ["pass", "import numpy", "import workbench"]
    rounds = [[seconds(statement) for statement in statements] for _ in range(5)]
    nothing, numpy, ours = (min(times) for times in zip(*rounds, strict=True))
    assert ours - nothing < numpy - nothing


def test_kernels_folder_is_not_a_package() -> None:
    assert not (ROOT / "kernels" / "__init__.py").exists(), (
        "it would hide the package `kernels` that transformers imports"
    )


def test_files_are_short() -> None:
    suffixes = {".py", ".js", ".css", ".cu", ".cuh"}
    files = [
        path for top in ("workbench", "kernels", "tests") for path in (ROOT / top).rglob("*") if path.suffix in suffixes
    ]
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in files}
    assert lengths
    assert not {path: length for path, length in lengths.items() if length > 320}


def test_the_picture_in_contributing_is_the_house() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    picture = re.search(r"```\n(README.*?)```", text, re.DOTALL)
    assert picture, "CONTRIBUTING.md begins its picture with README.md"
    drawn = set(re.findall(r"[\w.]+/|[\w.]+\.(?:py|md|yml|toml|txt)|Makefile", picture[1]))
    for home in HOMES.values():
        parts = {f"{path.name}/" if path.is_dir() else path.name for path in home.iterdir()}
        parts -= {"__pycache__/", "__init__.py", "py.typed", "errors.py"}
        assert parts <= drawn, f"not in the picture: {sorted(parts - drawn)}"
    everything = {f"{path.name}/" if path.is_dir() else path.name for top in HOMES.values() for path in top.rglob("*")}
    everything |= {
        f"{path.name}/" if path.is_dir() else path.name for path in [*ROOT.iterdir(), *(ROOT / "kernels").iterdir()]
    }
    everything |= {f"{path.name}/" for path in (ROOT / "tests").iterdir()} | {"README.md"}
    assert drawn <= everything, f"drawn but not there: {sorted(drawn - everything)}"
