"""The code that asks a pipeline what the panel asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.views import controls

from .forms import EMBEDDINGS, GENERATION
from .inputs import Asked


def pipeline_code(task: str, model: str, options: Mapping[str, Any], asked: Asked, loading: str = "") -> str:
    """Return the lines of a cell.

    Parameters
    ----------
    task, model, options
        The arguments of ``wb.pipeline``.
    asked
        The arguments of its call.
    loading
        A line that makes ``model``, if that is a variable.
    """
    lines = [loading] if loading else []
    lines.append(f"pipe = {controls.call('wb.pipeline', task, model, **options)}")
    if task == GENERATION:
        lines += [
            f"for piece in {controls.call('pipe.stream', *asked.arguments, **asked.named)}:",
            '    print(piece, end="")',
        ]
    else:
        call = controls.call("pipe", *asked.arguments, **asked.named)
        lines.append(f"vectors = {call}" if task == EMBEDDINGS else call)
        if task == EMBEDDINGS and asked.several:
            lines.append("pipe.similarity(vectors)")
    return "\n".join(lines)
