"""What a user has of a kernel: its verbs, for threads and for event loops."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Hashable
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn

from workbench.errors import InputError
from workbench.text import did_you_mean

from . import steps
from .kernel import Kernel
from .message import Forward, Message, Reply
from .metrics import KernelMetrics, KernelStatus
from .network import callers
from .states import State
from .steps import Time, checked
from .turns import INFINITE, NOT_HERE
from .waiting import LoopWaiter, ThreadWaiter, Waiter

if TYPE_CHECKING:
    from .runtime import Runtime

_YIELD = 1e-3
"""Seconds after which a task that runs messages itself lets others of its loop run."""


class KernelHandle:
    """A kernel that was launched: ``handle = runtime.launch("softmax")``.

    ``send`` and ``receive`` are for streams, ``call`` for one answer; any thread may use them, and any event loop those
    whose names begin with ``a``. As a context manager it terminates the kernel at the end.
    """

    def __init__(self, kernel: Kernel, runtime: Runtime) -> None:
        self._kernel = kernel
        self._runtime = runtime  # so that the kernels live as long as somebody can use one of them

    @property
    def name(self) -> str:
        """By which the runtime finds it."""
        return self._kernel.name

    @property
    def state(self) -> State:
        """``"launched"``, ``"active"``, ``"deactivated"`` or ``"terminated"``."""
        return self._kernel.state

    @property
    def status(self) -> KernelStatus:
        """What it is, where it runs, and how much waits."""
        return KernelStatus.of(self._kernel)

    @property
    def metrics(self) -> KernelMetrics:
        """What became of its messages, and how long they took."""
        return KernelMetrics.of(self._kernel)

    def call(self, payload: Any, *, timeout: float | None = None) -> Any:
        """Send a message and wait for its own answer, which does not go to the replies.

        Parameters
        ----------
        payload
            What the handler is given: the very object, nothing is copied.
        timeout
            Seconds to wait; None waits for ever.

        Returns
        -------
        object
            What the handler returned, the very object; if it raised, that is raised.

        Raises
        ------
        workbench.errors.ReplyTimeoutError
            If there is no answer in time. The message is taken back, or its answer thrown away.
        workbench.errors.QueueFullError, workbench.errors.ClosedError
            If the kernel does not take it, or is terminated meanwhile.
        workbench.errors.DeadLetterError, workbench.errors.KernelDiedError
            If it was lost on a route, made room for a newer one, or killed the kernel.
        workbench.errors.StateError
            If the caller is in the kernel's own handler, so that it would wait for itself.
        """
        kernel = self._kernel
        value = kernel.call_here(payload, INFINITE if timeout is None else checked(timeout) * kernel.share)
        if value is not NOT_HERE and type(value) is not Forward:
            return value
        message = self._message(payload, ThreadWaiter())
        if value is NOT_HERE:
            steps.run(steps.call(kernel, message, Time(timeout), ThreadWaiter))
        else:
            kernel.forward(message, value.to, value.payload)
            steps.run(steps.answer(kernel, message, Time(timeout)))
        return message.result()

    async def acall(self, payload: Any, *, timeout: float | None = None) -> Any:
        """Await the answer to a message; as :meth:`call`, and a task that is cancelled takes its message back."""
        kernel = self._kernel
        limit = kernel.short if timeout is None else min(kernel.short, checked(timeout) * kernel.share)
        value = kernel.call_here(payload, limit)
        if value is not NOT_HERE and type(value) is not Forward:
            await _share(kernel)
            return value
        message = self._message(payload, LoopWaiter())
        if value is NOT_HERE:
            await steps.arun(steps.call(kernel, message, Time(timeout), LoopWaiter))
        else:
            kernel.forward(message, value.to, value.payload)
            await steps.arun(steps.answer(kernel, message, Time(timeout)))
        return message.result()

    def send(self, payload: Any, *, id: Hashable = None, reply: bool = True, timeout: float | None = None) -> Hashable:
        """Send a message and go on; its answer is for :meth:`receive`.

        Parameters
        ----------
        payload
            What the handler is given.
        id
            Goes with the message and its reply, so that they can be told apart; a number of the runtime's if None.
        reply
            Whether an answer is wanted. Without one an exception of the handler becomes a dead letter.
        timeout
            Seconds to wait for room in a full queue; None waits for ever.

        Returns
        -------
        hashable
            The id.

        Raises
        ------
        workbench.errors.QueueFullError, workbench.errors.ClosedError
            If the kernel does not take it.
        """
        message = self._message(payload, None, id, reply)
        if not self._send_here(message):
            steps.run(steps.send(self._kernel, message, Time(timeout), ThreadWaiter))
        return message.id

    async def asend(
        self, payload: Any, *, id: Hashable = None, reply: bool = True, timeout: float | None = None
    ) -> Hashable:
        """Send a message, awaiting room in a full queue; as :meth:`send`."""
        message = self._message(payload, None, id, reply)
        if self._send_here(message):
            await _share(self._kernel)
        else:
            await steps.arun(steps.send(self._kernel, message, Time(timeout), LoopWaiter))
        return message.id

    def receive(self, timeout: float | None = None) -> Reply:
        """Wait for the oldest reply and take it.

        Parameters
        ----------
        timeout
            Seconds to wait; None waits for ever.

        Raises
        ------
        workbench.errors.ReplyTimeoutError
            If there is none in time.
        workbench.errors.ClosedError
            If there is none and the kernel is terminated.
        """
        return steps.run(steps.receive(self._kernel, Time(timeout), ThreadWaiter))

    async def areceive(self, timeout: float | None = None) -> Reply:
        """Await the oldest reply; as :meth:`receive`."""
        return await steps.arun(steps.receive(self._kernel, Time(timeout), LoopWaiter))

    def try_receive(self) -> Reply | None:
        """Take the oldest reply, or None if there is none; never waits.

        Raises
        ------
        workbench.errors.ClosedError
            If there is none and the kernel is terminated.
        """
        reply = self._kernel.receive(None)
        assert reply is None or isinstance(reply, Reply)
        return reply

    def activate(self) -> None:
        """Let it run what waits and what comes.

        Raises
        ------
        workbench.errors.StateError
            If it is active or terminated.
        """
        self._kernel.activate()

    def deactivate(self, timeout: float | None = None) -> bool:
        """Let it rest, its messages waiting and its state kept; when this returns True, no handler runs.

        Parameters
        ----------
        timeout
            Seconds to wait for the message that is being run; None waits for its end. False if it is not done by then.

        Raises
        ------
        workbench.errors.StateError
            If it is not active.
        """
        return self._kernel.deactivate(None if timeout is None else checked(timeout))

    async def adeactivate(self, timeout: float | None = None) -> bool:
        """Deactivate without blocking the event loop; as :meth:`deactivate`."""
        return await asyncio.to_thread(self.deactivate, timeout)

    def terminate(self, *, drain: bool = True, timeout: float = 1.0) -> None:
        """Refuse what comes, run what waits, and end; once terminated, nothing happens.

        Parameters
        ----------
        drain
            Whether an active kernel runs what waits. What is left becomes dead letters; its callers get a ClosedError.
        timeout
            Seconds for that, and for the message that is being run. A handler that takes longer goes on in its thread,
            and its answer still reaches its caller.
        """
        deadline = time.perf_counter() + checked(timeout)
        self._kernel.terminate(drain=drain, deadline=deadline, reason="by its handle")

    async def aterminate(self, *, drain: bool = True, timeout: float = 1.0) -> None:
        """Terminate without blocking the event loop; as :meth:`terminate`."""
        await asyncio.to_thread(self.terminate, drain=drain, timeout=timeout)

    def wait(self, state: str = State.TERMINATED, timeout: float | None = None) -> None:
        """Wait until it is in a state.

        Raises
        ------
        workbench.errors.ReplyTimeoutError
            If it is not in time.
        workbench.errors.StateError
            If it is terminated and so never will be.
        """
        steps.run(steps.state(self._kernel, _state(state), Time(timeout), ThreadWaiter))

    async def await_state(self, state: str = State.TERMINATED, timeout: float | None = None) -> None:
        """Await a state; as :meth:`wait`."""
        await steps.arun(steps.state(self._kernel, _state(state), Time(timeout), LoopWaiter))

    def __enter__(self) -> KernelHandle:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.terminate(drain=error is None)

    async def __aenter__(self) -> KernelHandle:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aterminate(drain=error is None)

    def __reduce__(self) -> NoReturn:
        raise InputError(
            f"Kernel {self.name!r} cannot be pickled or copied, since it has a thread and a state. Launch one "
            "where it is needed."
        )

    def __repr__(self) -> str:
        return repr(self.status)

    def _repr_html_(self) -> str:
        from workbench.views.ring.card import kernel_card

        return kernel_card(self.status, self.metrics)

    def _message(self, payload: Any, waiter: Waiter | None, id: Hashable = None, reply: bool = True) -> Message:
        given = next(self._kernel.network.ids) if id is None else id
        chain = () if waiter is None else callers()
        return Message(payload, given, time.perf_counter(), waiter=waiter, reply=reply, chain=chain)

    def _send_here(self, message: Message) -> bool:
        """Run a message that takes less time than waking the kernel's thread; False if it is to be handed over."""
        kernel = self._kernel
        try:
            if not kernel.enter(kernel.short):
                return False
            answered = kernel.may_answer(message)
            if answered:
                kernel.tally.here_sent += 1
                kernel.process(message)
            kernel.leave()
        except BaseException:
            kernel.let_go()
            raise
        return answered


def _state(name: str) -> State:
    try:
        return State(name)
    except ValueError:
        known = ", ".join(map(repr, map(str, State)))
        raise InputError(
            f"There is no state {name!r}; a kernel is one of {known}.{did_you_mean(name, list(map(str, State)))}"
        ) from None


async def _share(kernel: Kernel) -> None:
    """Let other tasks of the loop run, now and then: a task that never waits would keep it to itself."""
    now = time.perf_counter()
    if now - kernel.shared > _YIELD:
        kernel.shared = now
        await asyncio.sleep(0)
