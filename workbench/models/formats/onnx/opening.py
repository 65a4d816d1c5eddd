"""Making a session of ONNX Runtime: what is the same whoever makes one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .providers import PROVIDERS, onnxruntime
from .values import to_value

if TYPE_CHECKING:
    from onnxruntime import InferenceSession, SessionOptions


def silent_options() -> SessionOptions:
    """Return options by which nothing is written to the terminal: what fails is raised."""
    options: SessionOptions = onnxruntime().SessionOptions()
    options.log_severity_level = 4
    return options


def open_session(
    model: str | bytes,
    options: SessionOptions,
    *,
    providers: Sequence[Any] = PROVIDERS["cpu"],
    weights: Mapping[str, np.ndarray[Any, Any]] | None = None,
    disabled: Sequence[str] = (),
) -> InferenceSession:
    """Return a session, or raise ONNX Runtime's own error.

    Parameters
    ----------
    model
        Path, or bytes of the file.
    options
        Of ONNX Runtime.
    providers
        As ONNX Runtime takes them, the first one first.
    weights
        Initialisers by name that ``model`` marks as lying elsewhere; they are copied.
    disabled
        Optimisers of ONNX Runtime that are left out.
    """
    if weights:
        options.add_external_initializers(list(weights), [to_value(array) for array in weights.values()])
    # its own fallback would print, try again elsewhere, and hide that it did
    session: InferenceSession = onnxruntime().InferenceSession(
        model, options, providers=list(providers), enable_fallback=False, disabled_optimizers=list(disabled) or None
    )
    return session
