"""What runs an ONNX model: ONNX Runtime, onnx's reference evaluator, or the second where the first refuses."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol

from workbench.errors import LoadError, MissingLibraryError
from workbench.models.awaited import Stop
from workbench.models.outputs import Outputs

from .reference import Reference
from .session import RefusedError, Session, UnsupportedError


class Engine(Protocol):
    """Runs one model, in several threads at once if need be."""

    @property
    def provider(self) -> str:
        """What computes, by the name that ``load`` has for it."""

    def run(self, names: list[str], feeds: dict[str, Any], stop: Stop | None = None) -> Outputs:
        """Run once; see :meth:`Session.run`."""


class Auto:
    """ONNX Runtime, and the reference evaluator for what ONNX Runtime refuses or does not implement.

    Also where ONNX Runtime is not installed. Where it fails for another reason, because sizes do not fit one another
    above all, the reference evaluator would take a long time to fail as well, or would be more lenient than the
    standard.

    Parameters
    ----------
    open_session, open_reference
        Make the one and the other.

    Raises
    ------
    workbench.errors.LoadError
        If neither takes the model, with both reasons.
    """

    def __init__(self, open_session: Callable[[], Session], open_reference: Callable[[], Reference]) -> None:
        self._open_reference = open_reference
        self._reference: Reference | None = None
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._refusal = ""
        try:
            self._session = open_session()
        except (RefusedError, MissingLibraryError) as error:
            self._refusal = error.why if isinstance(error, RefusedError) else "ONNX Runtime is not installed."
            self._fall_back(self._refusal)

    @property
    def provider(self) -> str:
        """``"cpu"``, or ``"reference"`` for a model that ONNX Runtime refused."""
        return self._session.provider if self._session is not None else Reference.provider

    def run(self, names: list[str], feeds: dict[str, Any], stop: Stop | None = None) -> Outputs:
        """Run once; the result says what ran, and why if it was not ONNX Runtime."""
        if self._session is None:
            return self._fall_back(self._refusal).run(names, feeds, stop, self._refusal)
        try:
            return self._session.run(names, feeds, stop)
        except UnsupportedError as error:
            return self._fall_back(error.why).run(names, feeds, stop, error.why)

    def _fall_back(self, refusal: str) -> Reference:
        with self._lock:
            if self._reference is None:
                try:
                    self._reference = self._open_reference()
                except LoadError as error:
                    raise LoadError(f"{refusal} {error}") from error
            return self._reference
