"""What all commands share: options, and errors as sentences with an exit code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, NoReturn

import typer
from rich.text import Text

from workbench.errors import WorkbenchError

from .terminal import console

Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


@contextmanager
def sentences(debug: bool) -> Iterator[None]:
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
