"""ONNX Runtime as an engine: one session, of which each run takes one thread."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from workbench.errors import RunError
from workbench.models.formats.onnx.providers import onnxruntime
from workbench.models.formats.onnx.reasons import reason

from .engine import Batch, Engine

_TOKENS = 512


class OnnxEngine(Engine):
    """A graph on ONNX Runtime.

    Parameters
    ----------
    model
        Path, or the bytes of a serialised ModelProto.
    given
        The source, as the user named it.
    folder
        Where the files are that ``model`` names as those of its weights; beside the path if None.
    outputs
        Which to compute: one, or several that are put side by side on a new last axis; all if None.
    disabled
        Optimisers of ONNX Runtime that are left out.
    nbytes
        Of the weights.
    pad
        Token id of padding.
    quantization
        How its weights were made int8; None where they were not.

    Raises
    ------
    workbench.errors.RunError
        If ONNX Runtime does not take the graph.
    """

    name = "onnxruntime"
    tokens_at_once = _TOKENS

    def __init__(
        self,
        model: str | bytes,
        given: str,
        *,
        folder: Path | None = None,
        outputs: Sequence[str] | None = None,
        disabled: Sequence[str] = (),
        nbytes: int = 0,
        pad: int = 0,
        quantization: str | None = None,
    ) -> None:
        runtime = onnxruntime()
        settings = runtime.SessionOptions()
        settings.log_severity_level = 4  # what fails is raised; nothing is written to the terminal
        settings.intra_op_num_threads = 1
        if folder is not None:
            settings.add_session_config_entry("session.model_external_initializers_file_folder_path", str(folder))
        try:
            session = runtime.InferenceSession(
                model,
                settings,
                providers=["CPUExecutionProvider"],
                enable_fallback=False,
                disabled_optimizers=list(disabled) or None,
            )
        except Exception as error:
            raise RunError(f"ONNX Runtime {runtime.__version__} does not take {given}: {reason(error)}.") from error
        self.given, self.nbytes, self.pad, self.quantization = given, nbytes, pad, quantization
        self._session = session
        self._inputs = {one.name for one in session.get_inputs()}
        self._outputs = list(outputs or (one.name for one in session.get_outputs()))
        self.takes_types = "token_type_ids" in self._inputs
        self.lanes = _cores()

    def forward(self, batch: Batch) -> np.ndarray[Any, Any]:
        """Compute a batch; see :meth:`workbench.pipelines.engines.engine.Engine.forward`."""
        feeds = {"input_ids": batch.ids, "attention_mask": batch.mask}
        if self.takes_types:
            feeds["token_type_ids"] = np.zeros_like(batch.ids) if batch.types is None else batch.types
        if self._session is None:
            raise RunError(f"The engine of {self.given} is closed. Open a new one.")
        try:
            outputs = self._session.run(self._outputs, feeds)
        except Exception as error:
            raise RunError(
                f"ONNX Runtime stopped while computing {self.given}, with {batch.ids.shape[0]} texts of up to "
                f"{batch.ids.shape[1]} tokens: {reason(error)}."
            ) from error
        return outputs[0] if len(outputs) == 1 else np.stack(outputs, -1)

    def close(self) -> None:
        """Let the session go."""
        self._session = None


def _cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
