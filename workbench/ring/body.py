"""What runs the messages of a kernel: the place where a device comes in.

A body is told when to begin, is given one payload after the other, never two at once, and is told when to end. That is
all a kernel knows of it: queues, states, time-outs and counts are the same for each. Here is the one of the CPU, a
function; that of the GPU, `cuda.body`, takes a ring of a persistent CUDA kernel and gives it back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class Body(Protocol):
    """Runs payloads.

    Attributes
    ----------
    runs
        What it runs, for a person: ``"the operation softmax"``.
    device
        Where: ``"cpu"`` or ``"cuda:0"``.
    computes
        Whether it does nothing but compute, and so never waits for what its caller might do next.
    """

    runs: str
    device: str
    computes: bool

    def open(self) -> None:
        """Make its state; called before the first payload, and again after a death."""

    def run(self, payload: Any) -> Any:
        """Return the answer to a payload; an Exception is the payload's own fault."""

    def close(self) -> None:
        """Give back what `open` made; may be called without it."""


class FunctionBody:
    """A function, with or without state.

    Parameters
    ----------
    function
        Of the payload, or of the state and the payload.
    runs
        As in :class:`Body`.
    state
        Makes the state; None if there is none.
    computes
        As in :class:`Body`.
    """

    device = "cpu"

    def __init__(
        self,
        function: Callable[..., Any],
        runs: str,
        state: Callable[[], Any] | None = None,
        *,
        computes: bool = False,
    ) -> None:
        self.runs, self.computes = runs, computes
        self._function, self._state = function, state
        self.run: Callable[[Any], Any] = function if state is None else self._not_open

    def open(self) -> None:
        """Make the state."""
        if self._state is None:
            return
        function, state = self._function, self._state()

        def run(payload: Any) -> Any:
            return function(state, payload)

        self.run = run

    def close(self) -> None:
        """Forget the state."""
        if self._state is not None:
            self.run = self._not_open

    def _not_open(self, payload: Any) -> Any:
        raise RuntimeError(f"{self.runs} has no state yet")


def spread(function: Callable[..., Any]) -> Callable[[Any], Any]:
    """Return a function of one payload: a dict of arguments by name, a tuple of them, or the only one."""

    def run(payload: Any) -> Any:
        kind = type(payload)
        if kind is tuple:
            return function(*payload)
        if kind is dict:
            return function(**payload)
        return function(payload)

    return run
