"""What a panel says of its work: a line, a progress bar, an error with its traceback folded."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from fused_kernels.errors import KernelError
from workbench.errors import WorkbenchError

from . import html


def status_html(text: str) -> str:
    """Return one line of plain text for a status widget."""
    return f'<div class="fw-status" role="status">{html.escape(text)}</div>' if text else ""


def progress_html(text: str, share: float | None) -> str:
    """Return a progress line with ``text`` under it; ``share`` is from 0 to 1, or None if it is not known."""
    if share is None:
        bar = '<div class="fw-bar fw-unknown" role="progressbar" aria-label="progress"><i></i></div>'
    else:
        percent = round(100 * min(max(share, 0.0), 1.0))
        bar = (
            f'<div class="fw-bar" role="progressbar" aria-label="progress" aria-valuemin="0" aria-valuemax="100" '
            f'aria-valuenow="{percent}"><i style="width:{percent}%"></i></div>'
        )
    return bar + status_html(text)


def error_html(error: BaseException) -> str:
    """Return the error's sentence, with the traceback folded under it.

    Errors that are ours speak for themselves; of any other the type is named, and that it is not the user's fault.
    """
    said = str(error)
    if not isinstance(error, WorkbenchError | KernelError):
        said = f"{type(error).__name__}: {said}. The workbench did not expect this; the traceback says where."
    lines = "".join(traceback.format_exception(error))
    return (
        f'<div class="fw-error" role="alert">{html.escape(said)}'
        f"{html.folded('Traceback', f'<pre>{html.escape(lines)}</pre>')}</div>"
    )


def guarded(handler: Callable[..., Any], status: widgets.HTML) -> Callable[..., None]:
    """Wrap a widget's event handler: an exception, which would vanish, becomes a sentence in ``status``."""

    def call(*args: Any) -> None:
        try:
            handler(*args)
        except Exception as error:
            status.value = error_html(error)

    return call
