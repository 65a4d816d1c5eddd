"""Whose turn it is: who runs the messages of a kernel, and what becomes of one that dies.

Two locks. The *turn* belongs to whoever runs the handler: the kernel's own thread, or a caller that found the kernel
idle and runs its message itself. To wake another thread and to be woken by it takes 20 to 40 us, the handler of a small
message one; so a caller that waits anyway is quicker alone, and the kernel's order and state are the same. One that
must go on, a sender, an event loop, a call with a time-out, does that only where the handler cannot wait for it in turn
(`LaunchOptions.thread`). The *guard* is held for a moment, to look at the queues or to change the state; never while a
handler runs.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from threading import get_ident
from time import perf_counter
from typing import TYPE_CHECKING, Any

from workbench.errors import KernelDiedError
from workbench.text import counted

from .body import Body
from .message import Fate, Forward, Message
from .options import LaunchOptions
from .states import State
from .traffic import Traffic
from .worker import Worker

if TYPE_CHECKING:
    from .network import Network

SHORT = 20e-6
"""Seconds: a handler that lately took less is run by who sends, since waking the kernel's thread would take longer."""
INFINITE = math.inf
_SHARE = 0.1
"""The part of its time-out that a message may take that is run by its caller, who cannot leave it."""
_FORGETS = 0.8
"""What is left of the longest run after each further one, so that one slow run counts for some tens of messages."""


NOT_HERE: Any = object()
"""What `Turns.call_here` gives if the caller is not to run the message."""


class Turns(Traffic):
    """Runs messages, one at a time; a kernel without its states.

    Parameters
    ----------
    name, options, network
        As for :class:`~workbench.ring.traffic.Traffic`.
    body
        What runs its messages.
    """

    def __init__(self, name: str, options: LaunchOptions, body: Body, network: Network) -> None:
        self.body = body
        self.takes_turns = False
        """Whether callers may run their messages themselves."""
        self._own = options.thread == "own"
        may_hold_up = options.thread == "any" or (options.thread == "auto" and body.computes)
        self.short = SHORT if may_hold_up else -1.0
        """Seconds that a message may take that is run by who must go on; negative if none is."""
        self.share = _SHARE if may_hold_up else -1.0
        """The same, as a share of the time-out of a call."""
        super().__init__(name, options, network)

    def begin(self) -> None:
        """Begin with empty queues and a new state, at first and in a forked process."""
        super().begin()
        self._run: Callable[[Any], Any] = self._open
        """The body's, once it is open."""
        self._waiting, self._note = self.inbox.items, self.tally.here.append
        self.shared = 0.0
        """When a task that ran messages itself last let others run."""
        self.lasting = INFINITE
        """Seconds of the longest of the last runs, about; infinite before the first one."""
        self.worker = Worker(self)

    def rouse(self) -> None:
        """Wake the worker's thread; who calls this holds the guard."""
        self.worker.rouse()

    def enter(self, limit: float) -> bool:
        """Take the turn if the kernel is idle and its runs lately took at most ``limit`` seconds.

        Who calls this lets go in an ``except BaseException`` around it: an interrupt may come before it returns.
        """
        if not self.takes_turns or self.lasting > limit or self.runner or not self.turn.acquire(False):
            return False
        if not self.takes_turns or self._waiting or self.outgoing:
            self.leave()
            return False
        return True

    def leave(self) -> None:
        """Give the turn back."""
        self.turn.release()
        if self.state is State.TERMINATED:
            self.close_when_free(0.0)

    def let_go(self) -> None:
        """Give the turn back if it is this thread's, wherever an interrupt has come."""
        if not self.turn.acquire(False):
            return  # it is another's
        self.runner, self.chain = 0, ()
        self.turn.release()
        with contextlib.suppress(RuntimeError):  # it was nobody's
            self.turn.release()
        if self.state is State.TERMINATED:
            self.close_when_free(0.0)

    def wait_for_turn(self, seconds: float) -> bool:
        """Wait until no handler runs, and tell whether that was in time; a negative time waits for ever."""
        try:
            done = self.turn.acquire(timeout=seconds)
            if done:
                self.leave()
        except BaseException:
            self.let_go()
            raise
        return done

    def call_here(self, payload: Any, limit: float) -> Any:
        """Run a message for its caller, as `enter`, `run` and `leave` do, in one step; `NOT_HERE` if it may not be.

        Written out, since this is all that a small message costs: each call and each look saved is a tenth of it.
        """
        if not self.takes_turns or self.lasting > limit or self.runner:
            return NOT_HERE
        try:
            if not self.turn.acquire(False):
                return NOT_HERE
            if not self.takes_turns or self._waiting or self.outgoing:
                self.leave()
                return NOT_HERE
            self.runner = get_ident()
            began = perf_counter()
            try:
                value = self._run(payload)
            except BaseException as error:
                self.tally.here_failed += 1
                if isinstance(error, Exception | KeyboardInterrupt):
                    raise
                raise self.died(error) from error
            else:
                if type(value) is not Forward:
                    self.tally.here_answered += 1
                return value
            finally:
                seconds = perf_counter() - began
                self._note(seconds)
                lasting = self.lasting * _FORGETS
                self.lasting = lasting if seconds < lasting < INFINITE else seconds
                self.runner = 0
                self.turn.release()
                if self.state is State.TERMINATED:
                    self.close_when_free(0.0)
        except BaseException:
            # Python raises a KeyboardInterrupt after any call, so also where the turn was just taken, or not yet given
            # back; whose it is only the lock itself knows.
            self.let_go()
            raise

    def run(self, message: Message) -> Any:
        """Run the handler on a message."""
        self.runner, self.chain = get_ident(), message.chain
        began = perf_counter()
        try:
            return self._run(message.payload)
        except (Exception, KeyboardInterrupt):
            raise
        except BaseException as error:
            raise self.died(error) from error
        finally:
            seconds = perf_counter() - began
            self.tally.runs.append(seconds)
            lasting = self.lasting * _FORGETS
            self.lasting = lasting if seconds < lasting < INFINITE else seconds
            self.runner, self.chain = 0, ()

    def process(self, message: Message) -> None:
        """Run a message, and settle it or send it on."""
        try:
            value = self.run(message)
        except Exception as error:
            if error.__traceback__ is not None:  # without this frame, which refers to the message and that to the error
                error.__traceback__ = error.__traceback__.tb_next
            self.settle(message, Fate.FAILED, error=error)
        except BaseException as error:
            self.settle(message, Fate.FAILED if message.waiter is None else Fate.CANCELLED, error=error)
            raise
        else:
            if type(value) is Forward:
                self.forward(message, value.to, value.payload)
            elif self.route is not None:
                self.forward(message, self.route, value)
            else:
                self.settle(message, Fate.ANSWERED, value)

    def step(self) -> bool:
        """Run the next message, if there is one that may run; the worker's thread calls this."""
        with self.turn:
            with self.guard:
                message = self.next_message()
                if message is None:
                    self.worker.asleep = True
                    self.changed.wake_all()
                    return False
            self.tally.handed_over += 1
            try:
                self.process(message)
            except BaseException as error:  # a handler's KeyboardInterrupt, or no memory: nobody else is here to tell
                if message.fate is None:
                    self.settle(message, Fate.FAILED, error=error)
                self.died(error)
            return True

    def _open(self, payload: Any) -> Any:
        """Run the first payload: make the state before."""
        try:
            self.body.open()
        except BaseException as error:
            self._run = self.body.run  # so that what was opened before the failure is closed
            raise self.died(error) from error
        self._run = self.body.run
        return self._run(payload)

    def died(self, error: BaseException) -> KernelDiedError:
        """Begin anew after a death, or end; return what is said to the caller of the message that it died of."""
        self._close_body()
        self.lasting = INFINITE
        cause = _said(error)
        what = f"Kernel {self.name!r} died of {cause}"
        if self.tally.restarts < self.options.restarts:
            self.tally.restarts += 1
            count = f"{self.tally.restarts} of at most {self.options.restarts}"
            return KernelDiedError(f"{what}. It goes on with a new state (restart {count}).")
        self.end(f"it died of {cause}")
        return KernelDiedError(
            f"{what}, after {counted(self.tally.restarts, 'restart')}, and is terminated. Launch a new one."
        )

    def end(self, reason: str) -> None:
        """End at once, for this reason."""
        raise NotImplementedError

    def close_when_free(self, seconds: float) -> None:
        """Close the body of a terminated kernel, once nobody has the turn; the worker's thread does it for its own.

        In the handler itself it is left to the end of the run.
        """
        if (
            (self._own and self.worker.alive)
            or self.runner == get_ident()
            or not self.turn.acquire(timeout=max(seconds, 0.0))
        ):
            return
        try:
            self._close_body()
        finally:
            self.turn.release()
        with self.guard:
            self.replies.news.wake_all()

    def _close_body(self) -> None:
        if self._run != self._open:
            self._run = self._open
            with contextlib.suppress(Exception):  # it ends in any case
                self.body.close()


def _said(error: BaseException) -> str:
    """Return what an error says, also of one that cannot say it."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return type(error).__name__
