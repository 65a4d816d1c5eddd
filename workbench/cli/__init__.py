"""The command line: ``workbench lab``, ``inspect`` and ``bench``, thin over plain functions."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.text import Text

from workbench import __version__
from workbench.errors import InputError, WorkbenchError

from . import suites, tables
from .notebook import to_open
from .terminal import console, progress_bar

if TYPE_CHECKING:
    from workbench.models.model import Model, Tensor

app = typer.Typer(
    help="Load models, see what is in them, and race NumPy against fused kernels.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a pipe that takes only ASCII gets "?" for a "·", not a traceback
    app(prog_name="workbench")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"workbench {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and end.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    pass


@app.command()
def lab(
    notebook: Annotated[Path | None, typer.Argument(help="The first tutorial if none is given.")] = None,
    port: Annotated[int | None, typer.Option(help="8888, or the next free one, if none is given.")] = None,
    ip: Annotated[
        str | None, typer.Option(help="The address to listen on; this machine only if none is given.")
    ] = None,
    browser: Annotated[bool, typer.Option(help="Open a browser; the address is printed in either case.")] = True,
    debug: Debug = False,
) -> None:
    """Open JupyterLab on the workbench."""
    with _sentences(debug):
        path = to_open(notebook)
    # In a checkout the folder above, so that the file browser shows all of it.
    root = path.parents[1] if path.parent.name == "notebooks" else path.parent
    command = [
        *(sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={root}"),
        "--LabApp.news_url=None",  # else it asks about its news, over the notebook
        f"--LabApp.default_url=/lab/tree/{path.relative_to(root).as_posix()}",
        *([f"--ServerApp.port={port}"] if port is not None else []),
        *([f"--ServerApp.ip={ip}"] if ip is not None else []),
        *([] if browser and _has_screen() else ["--no-browser"]),
        *(["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),
    ]
    print(f"Opening {path.relative_to(root)} in JupyterLab; Ctrl-C ends it.", flush=True)
    if os.name == "posix":
        os.execv(sys.executable, command)  # in our place, so that Ctrl-C and the exit code are JupyterLab's own
    raise typer.Exit(subprocess.call(command))


@app.command()
def inspect(
    model: Annotated[str, typer.Argument(help="A file, a folder, a Hugging Face id, or sample:NAME.")],
    tensors: Annotated[bool, typer.Option("--tensors", help="List the tensors.")] = False,
    text: Annotated[str, typer.Option("--filter", metavar="TEXT", help="List those whose name contains TEXT.")] = "",
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show what a model is made of."""
    from workbench.models.load import load

    with _sentences(debug):
        loaded = load(model)
        found = [tensor for name, tensor in loaded.tensors.items() if text.lower() in name.lower()]
        if text and not found:
            raise InputError(f"None of the {len(loaded.tensors)} tensors has {text!r} in its name.")
        listed = found if tensors or text else None
        if as_json:
            print(json.dumps(_model_record(loaded, listed), indent=2))
            return
        screen = console()
        screen.print(tables.model_card(loaded))
        if listed is not None:
            screen.print()
            screen.print(tables.tensor_table(listed))


@app.command()
def bench(
    ops: Annotated[list[str] | None, typer.Argument(help="An operation of the catalogue, such as layer_norm.")] = None,
    *,
    suite: Annotated[
        str | None, typer.Option(help="kernels: all operations, or those named, at all their shapes and dtypes.")
    ] = None,
    shape: Annotated[str | None, typer.Option(help="Such as 512x768; the operation's first if none is given.")] = None,
    dtype: Annotated[str, typer.Option(help="float32 or float64.")] = "float32",
    contenders: Annotated[
        str | None, typer.Option(help="Such as numpy,jax; all; else the usual four, or all of them in a suite.")
    ] = None,
    budget: Annotated[
        float | None, typer.Option(help="Seconds of racing; 3, or 1 for each cell of a suite.", show_default=False)
    ] = None,
    rounds: Annotated[int | None, typer.Option(help="Exactly so many rounds, whatever the time.")] = None,
    out: Annotated[bool, typer.Option(help="Write into a preallocated array, those that can.")] = True,
    seed: Annotated[int, typer.Option(help="Of the inputs and of the order of the turns.")] = 0,
    as_json: AsJson = False,
    in_process: Annotated[bool, typer.Option("--in-process", help="Race in this process, not in a child.")] = False,
    save: Annotated[Path | None, typer.Option(help="Keep a suite in this file after each of its cells.")] = None,
    load: Annotated[Path | None, typer.Option(help="Show a suite from such a file instead of racing.")] = None,
    markdown: Annotated[
        list[Path] | None, typer.Option(help="Write a suite into the marked places of this file; may be repeated.")
    ] = None,
    debug: Debug = False,
) -> None:
    """Race an operation's contenders, with their results checked; or a whole suite."""
    from workbench.bench.compare import compare
    from workbench.bench.process import race_in_child

    options: dict[str, Any] = {"seed": seed}
    if contenders is not None:
        named = [name.strip() for name in contenders.split(",") if name.strip()]
        options["contenders"] = "all" if named == ["all"] else named
    if budget is not None:
        options["budget"] = budget
    with _sentences(debug):
        if suite is not None:
            if suite != "kernels":
                raise InputError(f"There is no suite {suite!r}; there is: kernels.")
            suites.run(ops or [], options, load=load, save=save, markdown=markdown or [], as_json=as_json)
            return
        if save or load or markdown:
            raise InputError("--save, --load and --markdown are for a suite: workbench bench --suite kernels.")
        if not ops or len(ops) > 1:
            raise InputError(
                f"One operation races; got {', '.join(ops or ['none'])}. Several: workbench bench --suite kernels "
                f"{' '.join(ops or [])}".rstrip()
            )
        options |= {"shape": shape, "dtype": dtype, "rounds": rounds, "out": out}
        with progress_bar() as report:
            race = (compare if in_process else race_in_child)(ops[0], progress=report, **options)
    if as_json:
        print(json.dumps(race.to_dict(), indent=2))
        return
    screen = console()
    screen.print(Text(race.verdict, style="bold"), soft_wrap=True)
    screen.print(Text(race.conditions_text, style="dim"), soft_wrap=True)
    screen.print()
    screen.print(tables.race_table(race))
    for name, reason in race.absent.items():
        screen.print(Text(f"{name}: {reason}", style="dim"), soft_wrap=True)


@contextmanager
def _sentences(debug: bool) -> Iterator[None]:
    """Turn the workbench's own errors into a sentence and an exit code."""
    try:
        yield
    except WorkbenchError as error:
        if debug:
            raise
        _fail(str(error), 1)
    except KeyboardInterrupt:
        _fail("Cancelled.", 130)


def _fail(message: str, code: int) -> NoReturn:
    console(stderr=True).print(Text(message, style="red" if code == 1 else ""), soft_wrap=True)
    raise typer.Exit(code)


def _model_record(model: Model, tensors: list[Tensor] | None) -> dict[str, Any]:
    record = asdict(model.info)
    if tensors is not None:
        record["tensors"] = [
            {"name": tensor.name, "dtype": tensor.dtype, "shape": list(tensor.shape), "nbytes": tensor.nbytes}
            for tensor in tensors
        ]
    return record


def _has_screen() -> bool:
    """Tell whether a browser can be opened: on Linux without a display only one in the terminal could be."""
    import webbrowser

    if sys.platform.startswith("linux") and not {"DISPLAY", "WAYLAND_DISPLAY", "BROWSER"} & os.environ.keys():
        return False
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True
