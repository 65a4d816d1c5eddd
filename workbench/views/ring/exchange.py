"""Messages to a kernel, one after the other, and what came of them."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import Any, NamedTuple

from fused_kernels.errors import KernelError
from workbench.errors import QueueFullError, WorkbenchError
from workbench.ring.handle import KernelHandle
from workbench.text import counted, format_seconds
from workbench.views import html
from workbench.views.jobs import Report

from .payload import said

CALL, SEND, RECEIVE = "call", "send", "receive"
_SHOWN = 8
_MOST = 100_000


class Replied(NamedTuple):
    """An answer: of which message, after how many seconds, the value, and what the handler raised."""

    which: str
    seconds: float
    value: Any
    error: BaseException | None = None


@dataclass(frozen=True)
class Exchange:
    """What came of messages.

    Parameters
    ----------
    verb
        ``"call"``, ``"send"`` or ``"receive"``.
    count
        How many were answered, sent or received.
    seconds
        That this took in all.
    refused, failed
        How many found no room, and how many made the handler raise.
    replies
        The last ones.
    """

    verb: str
    count: int
    seconds: float
    refused: int = 0
    failed: int = 0
    replies: tuple[Replied, ...] = ()

    @property
    def said(self) -> str:
        """The sum in a line."""
        if self.verb == SEND:
            full = f", {self.refused:,} refused since the queue is full" if self.refused else ""
            return f"Sent {counted(self.count, 'message')}{full}. Receive takes the replies."
        if self.verb == RECEIVE:
            return f"Received {self.count:,} repl{'y' if self.count == 1 else 'ies'}." if self.count else _NO_REPLY
        if not self.count:
            return f"{counted(self.failed, 'message')} failed: the handler raised."
        each = f", {format_seconds(self.seconds / self.count)} each" if self.count > 1 else ""
        failed = f", {self.failed:,} failed: the handler raised" if self.failed else ""
        return f"{counted(self.count, 'answer')} in {format_seconds(self.seconds)}{each}{failed}."


async def called(handle: KernelHandle, payload: Any, times: int, patience: float | None, report: Report) -> Exchange:
    """Call a kernel so many times.

    Raises
    ------
    workbench.errors.WorkbenchError, fused_kernels.errors.KernelError
        Those say what to do; what else a handler raises stands among the replies.
    """
    replies: deque[Replied] = deque(maxlen=_SHOWN)
    begin, failed = time.perf_counter(), 0
    for place in range(1, times + 1):
        start = time.perf_counter()
        value, raised = None, None
        try:
            value = await handle.acall(payload, timeout=patience)
        except (WorkbenchError, KernelError):
            raise
        except Exception as error:
            raised, failed = error, failed + 1
        replies.append(Replied(str(place), time.perf_counter() - start, value, raised))
        _tell(report, place, times, start)
    return Exchange(CALL, times - failed, time.perf_counter() - begin, failed=failed, replies=tuple(replies))


async def sent(handle: KernelHandle, payload: Any, times: int, patience: float | None, report: Report) -> Exchange:
    """Send a kernel so many messages, and count those that find no room.

    Raises
    ------
    workbench.errors.QueueFullError
        If it is one message that finds none.
    """
    begin, refused = time.perf_counter(), 0
    for place in range(1, times + 1):
        start = time.perf_counter()
        try:
            await handle.asend(payload, timeout=patience)
        except QueueFullError:
            if times == 1:
                raise
            refused += 1
        _tell(report, place, times, start)
    return Exchange(SEND, times - refused, time.perf_counter() - begin, refused)


def received(handle: KernelHandle) -> Exchange:
    """Take the replies that wait."""
    replies: deque[Replied] = deque(maxlen=_SHOWN)
    begin, count = time.perf_counter(), 0
    while count < _MOST and (reply := handle.try_receive()) is not None:
        count += 1
        replies.append(Replied(str(reply.id), reply.seconds, reply.peek(), reply.error))
    return Exchange(RECEIVE, count, time.perf_counter() - begin, replies=tuple(replies))


def _tell(report: Report, place: int, times: int, start: float) -> None:
    """Say how far it is, after messages that take long enough for somebody to read that."""
    if times > 1 and time.perf_counter() - start > 1e-3:
        report(f"{place:,} of {times:,}", place / times)


def replies_html(exchange: Exchange) -> str:
    """Return replies as a table, the last one on top."""
    rows = [
        (html.Fault(f"{type(error).__name__}: {error}") if error else said(value), format_seconds(seconds), which)
        for which, seconds, value, error in reversed(exchange.replies)
    ]
    left = exchange.count + exchange.failed - len(rows)
    more = f'<p class="fw-muted">and {left:,} before</p>' if left > 0 else ""
    return html.table(("reply", "took", "message"), rows, numeric=("took", "message")) + more


_NO_REPLY = "No reply waits: Call takes its own answer, Send leaves it here."
