"""The command line: ``workbench lab``, ``inspect``, ``bench`` and ``history``, thin over plain functions."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench import __version__
from workbench.errors import InputError

from . import tables
from .bench import bench
from .history import history
from .notebook import to_open
from .options import AsJson, Debug, sentences
from .terminal import console

if TYPE_CHECKING:
    from workbench.models.model import Model, Tensor

app = typer.Typer(
    help="Load models, see what is in them, and race NumPy against fused kernels.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="8888, or the next free one, if none is given; 0 for any.")
    ] = None,
    ip: Annotated[
        str | None, typer.Option(help="The address to listen on; this machine only if none is given.")
    ] = None,
    browser: Annotated[bool, typer.Option(help="Open a browser; the address is printed in either case.")] = True,
    debug: Debug = False,
) -> None:
    """Open JupyterLab on the workbench."""
    with sentences(debug):
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

    with sentences(debug):
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


app.command()(bench)
app.add_typer(history, name="history")


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
