"""The chosen kernel: send it messages, see what it answers, and let its results go on to another one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import ipywidgets as widgets
import traitlets

from workbench.errors import InputError
from workbench.ring.handle import KernelHandle
from workbench.ring.metrics import KernelStatus
from workbench.views import controls, html
from workbench.views.jobs import Job, Report
from workbench.views.status import guarded

from .exchange import CALL, RECEIVE, SEND, Exchange, called, received, replies_html, sent
from .payload import operation_of, sample, takes_texts, written

SENDER = "the sender"
"""To whom results go that have no route."""
_MOST = 100_000


class RingMessages(widgets.VBox):  # type: ignore[misc]
    """Fields for a message to one kernel, and its replies.

    Parameters
    ----------
    route
        Called with the names of two kernels, or with None for the second one, when another route is chosen.
    done
        Called after each exchange.

    Attributes
    ----------
    handle
        The kernel; None if none is chosen.
    text, shape, dtype
        What it is sent: by the first of them, or by the other two if it runs an operation.
    times, patience
        How often, and how many seconds an answer or room in the queue is waited for.
    route
        Where its results go.
    exchange
        The last :class:`Exchange`, or None.
    job
        What Call, Send, Receive and Cancel do.
    written
        Counts the changes; to be observed.
    """

    written = traitlets.Int(0)

    def __init__(self, route: Callable[[str, str | None], None], done: Callable[[], None]) -> None:
        self.handle: KernelHandle | None = None
        self.exchange: Exchange | None = None
        self._route, self._done, self._quiet = route, done, False
        self._verb, self._next = CALL, CALL
        self._texts: dict[str, str] = {}
        self.heading = widgets.HTML()
        self.text = controls.textarea("Message", rows=2)
        self.shape = controls.combobox("Message: arrays of shape", (), ensure_option=False)
        self.dtype = controls.dropdown("Dtype", ())
        self.times = controls.text("Times", value="1")
        self.patience = controls.text("Wait at most, seconds", value="60")
        self.route = controls.dropdown("Results go to", [SENDER])
        self.job: Job[Exchange] = Job(self._run, self._show, label="Call", said=lambda exchange: exchange.said)
        self.job.run_button.tooltip = "send, and wait for the answer"
        self.send = controls.button("Send", tooltip="send, and go on")
        self.receive = controls.button("Receive", tooltip="take the replies that wait")
        self.job.buttons.children = [self.job.run_button, self.send, self.receive, self.job.cancel_button]
        self.replies = widgets.HTML()
        fields = controls.box(self.shape, self.dtype, self.times, self.patience, self.route, classes="fw-options")
        parts = (self.heading, self.text, fields, self.job, self.job.failure, self.replies)
        super().__init__(parts, _dom_classes=("fw-section", "fw-messages"))
        for button, verb in ((self.send, SEND), (self.receive, RECEIVE)):
            button.on_click(lambda _, verb=verb: self.start(verb))
        for choice in (self.text, self.shape, self.dtype, self.times, self.patience):
            choice.observe(self._changed, "value")
        self.route.observe(guarded(self._choose_route, self.job.failure), "value")
        self.job.observe(self._enable, "state")
        self.show(None, ())

    def start(self, verb: str) -> None:
        """Call, send or receive what the fields say; does nothing while that is under way."""
        if self.job.state != "working":
            self._next = verb
            self.job.start()

    def show(self, handle: KernelHandle | None, others: tuple[str, ...]) -> None:
        """Show the fields for a kernel; nothing for None.

        Parameters
        ----------
        handle
            The kernel.
        others
            To which its results may go.
        """
        changed = (handle and handle.name) != (self.handle and self.handle.name)
        if changed and self.handle is not None:
            self._texts[self.handle.name] = self.text.value
        self.handle = handle
        controls.show(self, handle is not None)
        if handle is None:
            return
        status = handle.status
        if changed:
            self._begin(status)
        self._show_route(status, others)

    def code(self) -> list[str]:
        """Return the lines that do the same; none if no kernel is chosen.

        Raises
        ------
        workbench.errors.InputError
            If a field holds what it cannot.
        """
        if self.handle is None:
            return []
        kernel = f"runtime[{controls.literal(self.handle.name)}]"
        if self._verb == RECEIVE:
            return [f"while (reply := {kernel}.try_receive()) is not None:", "    print(reply.value)"]
        _, payload = self._payload()
        patience = self._patience()
        call = controls.call(f"{kernel}.{self._verb}", controls.Code("message"), timeout=patience)
        times = self._count()
        lines = [f"message = {payload}", *([f"for _ in range({times}):"] if times > 1 else [])]
        if "fk." in payload:
            lines[:0] = ["import numpy as np", "import fused_kernels as fk"]
        return [*lines, f"    {call}" if times > 1 else call]

    def _begin(self, status: KernelStatus) -> None:
        """Show the fields that a kernel asks for, with something to begin with."""
        op = operation_of(status)
        self.heading.value = html.heading(f"A message for {status.name}")
        controls.show(self.text, op is None)
        for field in (self.shape, self.dtype):
            controls.show(field, op is not None)
        if op is not None:
            self.shape.options = ["x".join(map(str, shape)) for shape in op.shapes]
            self.shape.description = f"Arrays: {' x '.join(op.dimensions)}"
            self.shape.value = self.shape.options[0]
            self.dtype.options = list(op.tolerance)
            self.dtype.value = self.dtype.options[0]
        texts = takes_texts(status)
        self.text.description = "Text; several as lines" if texts else "Message: a Python literal, or a text"
        first = "The soup was delicious." if texts else _FIRST.get(status.runs, "1")
        self.text.value = self._texts.get(status.name, first)
        self.exchange, self.replies.value = None, ""
        self.job.say("")

    def _show_route(self, status: KernelStatus, others: tuple[str, ...]) -> None:
        names = [name for name in others if name != status.name]
        options = list(dict.fromkeys([SENDER, *names, *([status.route] if status.route else [])]))
        self._quiet = True
        try:
            if list(self.route.options) != options:
                self.route.options = options
            self.route.value = status.route or SENDER
        finally:
            self._quiet = False

    def _choose_route(self, *_: Any) -> None:
        if self.handle is not None and not self._quiet:
            self.job.failure.value = ""
            self._route(self.handle.name, None if self.route.value == SENDER else self.route.value)

    def _enable(self, *_: Any) -> None:
        for button in (self.send, self.receive):
            button.disabled = self.job.state == "working"

    def _changed(self, *_: Any) -> None:
        self.written += 1

    def _payload(self) -> tuple[Any, str]:
        assert self.handle is not None
        status = self.handle.status
        if (op := operation_of(status)) is not None:
            return sample(op, self.shape.value, self.dtype.value)
        return written(self.text.value, texts=takes_texts(status))

    def _count(self) -> int:
        with suppress(ValueError):
            if 1 <= (times := int(self.times.value)) <= _MOST:
                return times
        raise InputError(f"Times is {self.times.value!r}, which is not a whole number from 1 to {_MOST:,}.")

    def _patience(self) -> float | None:
        if not self.patience.value.strip():
            return None
        with suppress(ValueError):
            if (seconds := float(self.patience.value)) >= 0:
                return seconds
        raise InputError(
            f"Wait at most is {self.patience.value!r}, which is no number of seconds; leave it empty to wait for ever."
        )

    async def _run(self, report: Report) -> Exchange:
        handle = self.handle
        verb, self._next = self._next, CALL
        self._verb = verb
        self._changed()
        if handle is None:
            raise InputError("No kernel is chosen. Click its name on the board.")
        if verb == RECEIVE:
            return received(handle)
        (payload, _), times, patience = self._payload(), self._count(), self._patience()
        report("waiting for the answer" if verb == CALL else "sending", None)
        return await (called if verb == CALL else sent)(handle, payload, times, patience, report)

    def _show(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.replies.value = replies_html(exchange) if exchange.replies else ""
        self._done()


_FIRST = {"the kernel similarity_matrix": "[[1, 0], [0, 1]]"}
"""A message to begin with, by what a kernel runs."""
