"""ONNX Runtime as an engine: a session of which each run takes one thread, and one of all cores for texts alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from fused_kernels import get_num_threads
from workbench.errors import RunError, WorkbenchError
from workbench.models.formats.onnx.reasons import reason
from workbench.pipelines.graphs import Graph, open_session

from .engine import Batch, Engine

_TOKENS = 256
"""At which a batch is fastest for layers of 768 features: a core's cache does not hold the activations of more."""
_WIDE_MOST = 8
"""Threads that share a text: its matrices are small, and each operator waits for the slowest."""
_SPIN = 1e-3
"""Seconds for which a second thread waits awake. With less it misses its part in the next operator: 64 tokens take as
long as on one core with 0.5 ms, and half with 1. ONNX Runtime's own choice keeps a core busy for 30 ms.

A text that comes later finds it asleep, and then the system often wakes it on the caller's core: 128 tokens in int8
took 14 ms on two cores and 8 on one, when they came 10 ms apart, and 4 and 7 one after the other."""


class OnnxEngine(Engine):
    """A graph on ONNX Runtime, on the CPU.

    Batches are computed by a session that takes one core for each. Texts alone that follow one another take all cores,
    in a second session; that one is opened once they have taken as long as it takes to open it, and needs the memory of
    the packed weights once more.

    Parameters
    ----------
    graph
        Of what the first session is made.
    again
        Makes the same graph again, for the second session; so the first one need not be kept.
    given
        The source, as the user named it.
    outputs
        Which to compute: one, or several that are put side by side on a new last axis; all if None.
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
        graph: Graph,
        again: Callable[[], Graph],
        given: str,
        *,
        outputs: Sequence[str] | None = None,
        pad: int = 0,
        quantization: str | None = None,
    ) -> None:
        self.given, self.pad, self.quantization, self.nbytes = given, pad, quantization, graph.nbytes
        began = time.perf_counter()
        self._session: Any = self._opened(graph, 1)
        self._paid = began - time.perf_counter()
        """Seconds that texts which follow one another have taken, less those that a second session takes to open."""
        self._ended = 0.0
        """When the last text alone was done."""
        self._outputs = list(outputs or (one.name for one in self._session.get_outputs()))
        self.takes_types = any(one.name == "token_type_ids" for one in self._session.get_inputs())
        self._again: Callable[[], Graph] | None = again
        self._wide: Any = None
        self._lock, self._running = threading.Lock(), 0

    @cached_property
    def lanes(self) -> int:  # type: ignore[override]
        """As many as kernels may have threads: processors, or the container's share of them."""
        return get_num_threads()

    def forward(self, batch: Batch) -> np.ndarray[Any, Any]:
        """Compute a batch on one core; see :meth:`workbench.pipelines.engines.engine.Engine.forward`."""
        with self._lock:
            self._running += 1
        try:
            return self._run(self._session, batch)
        finally:
            with self._lock:
                self._running -= 1

    def forward_alone(self, batch: Batch) -> np.ndarray[Any, Any]:
        """Compute a text on all cores, if it follows another one at once and nothing else is computed.

        Else on one core, as :meth:`forward`.
        """
        if self.lanes == 1 or (self._wide is None and self._again is None):
            return self.forward(batch)
        began = time.perf_counter()
        follows = began - self._ended < _SPIN
        with self._lock:
            wide = follows and self._running == 0
            self._running += 1
            again = self._again if wide and self._paid >= 0 else None
            if again is not None:
                self._again = None
        try:
            if again is not None:
                self._open_wide(again)
            if wide and self._wide is not None:
                return self._run(self._wide, batch)
            output = self._run(self._session, batch)
            if follows:
                self._paid += time.perf_counter() - began
            return output
        finally:
            with self._lock:
                self._running -= 1
            self._ended = time.perf_counter()

    @property
    def sessions(self) -> int:
        """How many sessions are open."""
        return (self._session is not None) + (self._wide is not None)

    def close(self) -> None:
        """Let the sessions go."""
        self._session = self._wide = self._again = None

    def _opened(self, graph: Graph, threads: int) -> Any:
        return open_session(graph, self.given, threads=threads, spin_duration_us=f"{_SPIN * 1e6:.0f}")

    def _open_wide(self, again: Callable[[], Graph]) -> None:
        try:
            self._wide = self._opened(again(), min(self.lanes, _WIDE_MOST))
        except (WorkbenchError, MemoryError):  # files that are gone, or no room: one core is enough to go on with
            self._wide = None

    def _run(self, session: Any, batch: Batch) -> np.ndarray[Any, Any]:
        feeds = {"input_ids": batch.ids, "attention_mask": batch.mask}
        if self.takes_types:
            feeds["token_type_ids"] = np.zeros_like(batch.ids) if batch.types is None else batch.types
        if session is None:
            raise RunError(f"The engine of {self.given} is closed. Open a new one.")
        try:
            outputs = session.run(self._outputs, feeds)
        except Exception as error:
            raise RunError(
                f"ONNX Runtime stopped while computing {self.given}, with {batch.ids.shape[0]} texts of up to "
                f"{batch.ids.shape[1]} tokens: {reason(error)}."
            ) from error
        return outputs[0] if len(outputs) == 1 else np.stack(outputs, -1)
