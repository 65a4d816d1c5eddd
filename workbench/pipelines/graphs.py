"""A graph as ONNX Runtime takes it, written here or by an export, and the session that computes it on the CPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.errors import RunError, WorkbenchError
from workbench.models.formats.onnx import opening
from workbench.models.formats.onnx.providers import onnxruntime
from workbench.models.formats.onnx.reasons import reason

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


class UnfitError(WorkbenchError):
    """Why a checkpoint has no graph of our own, as a clause; who asks for one takes the general way then."""


@dataclass(frozen=True)
class Graph:
    """What a session is made of.

    Parameters
    ----------
    model
        Path, or the bytes of a serialised ModelProto.
    nbytes
        Of all weights.
    folder
        In which the files lie that ``model`` names as those of its weights; beside the path if None.
    apart
        Weights that are neither in ``model`` nor in a file, by name.
    disabled
        Optimisers of ONNX Runtime that are left out.
    """

    model: str | bytes
    nbytes: int
    folder: Path | None = None
    apart: Mapping[str, np.ndarray[Any, Any]] = field(default_factory=dict)
    disabled: Sequence[str] = ()


def open_session(graph: Graph, given: str, *, threads: int = 0, **entries: str) -> InferenceSession:
    """Return a session.

    Parameters
    ----------
    graph
        What it computes.
    given
        The source, as the user named it.
    threads
        That share a run; ONNX Runtime's choice if 0.
    **entries
        How they wait for work, by ONNX Runtime's names after ``session.intra_op.``: ``allow_spinning="0"``.

    Raises
    ------
    workbench.errors.RunError
        If ONNX Runtime does not take the graph, with its reason.
    """
    options = opening.silent_options()
    options.intra_op_num_threads = threads
    for name, value in entries.items():
        options.add_session_config_entry(f"session.intra_op.{name}", value)
    if graph.folder is not None:
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(graph.folder))
    try:
        return opening.open_session(graph.model, options, weights=graph.apart, disabled=graph.disabled)
    except Exception as error:
        raise RunError(f"ONNX Runtime {onnxruntime().__version__} does not take {given}: {reason(error)}.") from error
