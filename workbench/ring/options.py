"""What a kernel runs, how many messages may wait for it, and what happens when it dies."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from workbench.errors import InputError
from workbench.text import did_you_mean

WhenFull = Literal["block", "refuse", "drop-oldest"]
Thread = Literal["auto", "any", "own"]


@dataclass(frozen=True)
class LaunchOptions:
    """How a kernel is launched.

    Parameters
    ----------
    handler
        What runs for each message: the name of an operation or of a kernel that comes with the workbench, a function of
        ``fused_kernels`` or of ``@fk.elementwise``, a pipeline, or any function of the payload. None takes what is
        called like the kernel. A payload for an operation or a pipeline is its one argument, a tuple of them, or a dict
        by name.
    state
        Makes the state of a function: it is called without arguments, and the handler as ``handler(state, payload)``
        with the same object for each message. A kernel that is restarted gets a new one.
    auto_activate
        Whether it is active at once.
    capacity, reply_capacity
        At most so many messages wait for it, and so many replies to be received.
    when_full, when_replies_full
        What then becomes of another one. ``"block"``: who sends waits for room; the kernel waits until a reply is
        received. ``"refuse"``: who sends gets a QueueFullError; the reply becomes a dead letter. ``"drop-oldest"``: the
        one that has waited the longest becomes a dead letter.
    thread
        Who runs the handler; never two at once. ``"auto"``: the kernel's own thread, or, while the kernel is idle, a
        caller that waits for the answer anyway, without a time-out. What only computes, an operation or a formula on
        the CPU, is run as with ``"any"``. ``"any"``: also who sends, awaits, or has a time-out, if the handler lately
        took less time than waking another thread, or than a tenth of the time-out. For handlers that never wait for
        anything: one that suddenly did would hold up its sender, its event loop, or its time-out. ``"own"``: always the
        kernel's own thread.
    restarts
        How often a kernel that dies begins anew. An Exception of a handler goes to its caller and is no death; a
        SystemExit is one, and so is a state that cannot be made.
    route
        The name of the kernel to which all results go on as messages.
    max_hops
        A message that went on more often than this, from here, becomes a dead letter.
    route_patience
        Seconds that a result waits for room in the next kernel before it becomes a dead letter.

    Raises
    ------
    workbench.errors.InputError
        If a value is none that is described here.

    Examples
    --------
    >>> LaunchOptions(capacity=0)
    Traceback (most recent call last):
        ...
    workbench.errors.InputError: capacity must be a whole number of at least 1, got 0.
    """

    handler: Any = None
    state: Callable[[], Any] | None = None
    auto_activate: bool = True
    capacity: int = 1024
    reply_capacity: int = 1024
    when_full: WhenFull = "block"
    when_replies_full: WhenFull = "block"
    thread: Thread = "auto"
    restarts: int = 3
    route: str | None = None
    max_hops: int = 16
    route_patience: float = 1.0

    def __post_init__(self) -> None:
        for name, least in (("capacity", 1), ("reply_capacity", 1), ("restarts", 0), ("max_hops", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
                raise InputError(f"{name} must be a whole number of at least {least}, got {value!r}.")
        for name, kind in (("when_full", WhenFull), ("when_replies_full", WhenFull), ("thread", Thread)):
            value, known = getattr(self, name), get_args(kind)
            if value not in known:
                listed = ", ".join(map(repr, known))
                raise InputError(f"{name}={value!r} is none of {listed}.{did_you_mean(value, known)}")
        patience = self.route_patience
        if isinstance(patience, bool) or not isinstance(patience, numbers.Real) or not 0 <= patience < math.inf:
            raise InputError(f"route_patience must be seconds, 0 or more and finite, got {patience!r}.")
        if self.route is not None and (not isinstance(self.route, str) or not self.route):
            raise InputError(f"route must be the name of a kernel, such as 'next', or None; got {self.route!r}.")
        if self.state is not None and not callable(self.state):
            raise InputError(
                f"state must make the state of a kernel when it is called, such as dict or lambda: Counter(); got "
                f"{self.state!r}."
            )
