"""The messages of a kernel: its two queues, and what becomes of each message.

A message is settled by who has it in hand: the run that took it, or the sender that took it back out of the queue. What
others decide meanwhile, such as a caller whose time is up, is written on the message (`Message.claim`) and counted by
who has it. So each is counted once.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any, NamedTuple

from workbench.errors import ClosedError, DeadLetterError, QueueFullError, RunError, WorkbenchError
from workbench.text import format_seconds

from .bounded import Bounded
from .dead_letters import DeadLetter
from .message import Fate, Message, Reply
from .network import Network, callers
from .options import LaunchOptions
from .states import State
from .tally import Tally
from .waiting import Make, ThreadWaiter, Waiter, Waiters


class Onward(NamedTuple):
    """A message that waits for room in the next kernel."""

    message: Message
    to: str
    deadline: float
    waiter: ThreadWaiter


class Traffic:
    """Takes messages in, and gives answers out; a kernel without its runs.

    Parameters
    ----------
    name, options
        Of the kernel.
    network
        The other kernels, and the dead letters.
    """

    def __init__(self, name: str, options: LaunchOptions, network: Network) -> None:
        self.name, self.options, self.network = name, options, network
        self.state = State.LAUNCHED
        self.reason = ""
        """Why it was terminated."""
        self.closing = self.abandoned = False
        self.route = options.route
        """The kernel to which results go on."""
        self.begin()

    def begin(self) -> None:
        """Begin with empty queues, at first and in a forked process."""
        options = self.options
        self.guard, self.turn = threading.RLock(), threading.RLock()
        self.inbox: Bounded[Message] = Bounded(options.capacity, options.when_full)
        self.replies: Bounded[Reply] = Bounded(options.reply_capacity, options.when_replies_full)
        self.outgoing: deque[Onward] = deque()
        self.changed = Waiters()
        self.tally = Tally()
        self.runner = 0
        """The thread that runs the handler, as ``threading.get_ident`` names it; 0 if none does."""
        self.chain: tuple[Traffic, ...] = ()
        """The kernels whose handlers wait for the answer to the message that is run, but for those of its thread."""

    def rouse(self) -> None:
        """See to it that what waits is run; who calls this holds the guard."""
        raise NotImplementedError

    def inside(self) -> bool:
        """Tell whether the caller is in this kernel's handler, or in one that it waits for."""
        return self.runner == threading.get_ident() or self in callers()

    @property
    def settled(self) -> bool:
        """Whether nobody has the turn, so that no answer is on its way."""
        if not self.turn.acquire(False):
            return False
        self.turn.release()
        return True

    def offer(self, message: Message, make: Make, *, forwarded: bool = False) -> Waiter | None:
        """Take a message in and return None; or return who will be woken when there may be room.

        Raises
        ------
        workbench.errors.ClosedError
            If the kernel takes nothing more.
        workbench.errors.QueueFullError
            If the queue is full, and it refuses or would wait for itself.
        """
        with self.guard:
            if self.state is State.TERMINATED or (self.closing and not forwarded and not callers()):
                self.tally.fates[Fate.REFUSED] += not forwarded
                raise ClosedError(self.closed_text())
            if self.inbox.full and self.inbox.when_full != "drop-oldest":
                if self.inbox.when_full == "refuse" or (not forwarded and self.inside()):
                    self.tally.fates[Fate.REFUSED] += not forwarded
                    raise QueueFullError(self.full_text())
                waiter = make()
                self.inbox.room.add(waiter)
                return waiter
            message.home = self
            dropped = self.inbox.put(message)
            if self.state is State.ACTIVE:
                try:
                    self.rouse()
                except RunError:  # no thread can be started, and so it is not sent
                    self.inbox.remove(message)
                    self.tally.fates[Fate.REFUSED] += not forwarded
                    raise
        if dropped is not None:
            self.bury(dropped, "a newer message took its place in the full queue")
        return None

    def give_up_room(self, waiter: Waiter, fate: Fate | None = None) -> None:
        """Wait no longer for room; if there is some, it is another's. The message has this fate, if any."""
        with self.guard:
            self.inbox.room.discard(waiter)
            if not self.inbox.full:
                self.inbox.room.wake()
            if fate is not None:
                self.tally.fates[fate] += 1

    def next_message(self) -> Message | None:
        """Take the next message that may run; who calls this has the turn and holds the guard."""
        if self.state is not State.ACTIVE or self.outgoing:
            return None
        while self.inbox.items:
            head = self.inbox.items[0]
            if head.fate is not None:
                self.count(self.inbox.take())
            elif self.may_answer(head):
                return self.inbox.take()
            else:
                break
        return None

    def may_answer(self, message: Message) -> bool:
        """Tell whether the reply to a message will have room, or need not have any."""
        if message.waiter is not None or not message.reply or self.abandoned:
            return True
        return self.replies.when_full != "block" or not self.replies.full

    def settle(self, message: Message, fate: Fate, value: Any = None, error: BaseException | None = None) -> None:
        """Give a message its answer; who calls this has it in hand."""
        if error is not None and message.waiter is None and not message.reply:
            self.bury(message, "its handler raised, and no reply was asked for", error)
            return
        message.value, message.error = value, error
        won, dropped = message.claim(fate), None
        with self.guard:
            self.count(message)
            if won and message.waiter is None and message.reply:
                reply = Reply(message.id, time.perf_counter() - message.since, error, value)
                refused = self.replies.full and self.replies.when_full == "refuse"
                dropped = reply if refused else self.replies.put(reply)
                if dropped is not None:
                    self.tally.fates[Fate.ANSWERED if dropped.error is None else Fate.FAILED] -= 1
                    self.tally.fates[Fate.DEAD] += 1
        if dropped is not None:
            reason = "nobody received this reply, and the queue of replies is full"
            self.network.dead_letters.add(DeadLetter(self.name, dropped.id, reason, 0, dropped.peek(), dropped.error))
        if won and message.waiter is not None:
            message.waiter.wake()

    def bury(self, message: Message, reason: str, error: BaseException | None = None) -> None:
        """Make a dead letter of a message; its caller gets an error that says why."""
        text = f"Kernel {self.name!r} did not answer message {message.id!r}: {reason}."
        kind = ClosedError if self.state is State.TERMINATED else DeadLetterError
        message.error = error or kind(text)
        won = message.claim(Fate.DEAD)
        with self.guard:
            self.count(message)
        if won:
            letter = DeadLetter(self.name, message.id, reason, message.hops, message.payload, error)
            self.network.dead_letters.add(letter)
            if message.waiter is not None:
                message.waiter.wake()

    def count(self, message: Message) -> None:
        """Count what became of a message; who calls this has it in hand and holds the guard."""
        fate = message.fate
        assert fate is not None
        self.tally.fates[fate] += 1
        if fate in (Fate.ANSWERED, Fate.FAILED):
            self.tally.latencies.append(time.perf_counter() - message.since)

    def forward(self, message: Message, to: str, payload: Any) -> None:
        """Send a message on, and never wait: what has no room is left to the kernel's thread."""
        message.payload = payload
        message.hops += 1
        if message.hops > self.options.max_hops:
            self.bury(message, f"it went on {message.hops} times, and max_hops is {self.options.max_hops}")
        elif waiter := self.pass_on(message, to):
            deadline = time.perf_counter() + self.options.route_patience
            with self.guard:
                self.outgoing.append(Onward(message, to, deadline, waiter))
                self.rouse()

    def pass_on(self, message: Message, to: str) -> ThreadWaiter | None:
        """Give a message to another kernel; return who will be woken if there is no room yet."""
        target = self.network.kernels.get(to)
        if message.fate is not None:
            with self.guard:
                self.count(message)
            return None
        if target is None:
            self.bury(message, f"there is no kernel {to!r} for it to go on to")
            return None
        with self.guard:
            self.tally.fates[Fate.FORWARDED] += 1  # first, so that whoever has the answer finds it counted
        try:
            waiter = target.offer(message, ThreadWaiter, forwarded=True)
        except WorkbenchError as error:
            with self.guard:
                self.tally.fates[Fate.FORWARDED] -= 1
            self.bury(message, f"it could not go on: {error}")
            return None
        if waiter is None:
            return None
        assert isinstance(waiter, ThreadWaiter)
        with self.guard:
            self.tally.fates[Fate.FORWARDED] -= 1
        return waiter

    def push_out(self) -> None:
        """Send on what had no room, waiting for it; the kernel's thread calls this, without the turn."""
        while self.outgoing:
            message, to, deadline, waiter = self.outgoing[0]
            left = deadline - time.perf_counter()
            if self.state is State.TERMINATED or left <= 0 or not waiter.wait(left):
                if (target := self.network.kernels.get(to)) is not None:
                    target.give_up_room(waiter)
                self.bury(message, f"kernel {to!r} had no room for {format_seconds(self.options.route_patience)}")
            elif again := self.pass_on(message, to):
                self.outgoing[0] = Onward(message, to, deadline, again)
                continue
            self.outgoing.popleft()

    def receive(self, make: Make | None) -> Reply | Waiter | None:
        """Take the oldest reply; or return who will be woken when there may be one.

        Raises
        ------
        workbench.errors.ClosedError
            If there is none, and none will come.
        """
        with self.guard:
            if self.replies.items:
                reply = self.replies.take()
                if self.inbox.items and self.state is State.ACTIVE:
                    self.rouse()
                return reply
            if self.state is State.TERMINATED and self.settled:
                raise ClosedError(self.closed_text())
            if make is None:
                return None
            waiter = make()
            self.replies.news.add(waiter)
            return waiter

    def give_up_news(self, waiter: Waiter) -> None:
        """Wait no longer for a reply; if there is one, it is another's."""
        with self.guard:
            self.replies.news.discard(waiter)
            if self.replies.items:
                self.replies.news.wake()

    def closed_text(self) -> str:
        """Return what to say to who comes too late."""
        if self.state is State.TERMINATED:
            return f"Kernel {self.name!r} is terminated ({self.reason}) and takes no more messages; launch a new one."
        return f"Kernel {self.name!r} is being terminated and takes no more messages."

    def full_text(self) -> str:
        """Return what to say to who finds no room."""
        return (
            f"The queue of kernel {self.name!r} is full: {len(self.inbox.items):,} messages wait "
            f"(capacity={self.options.capacity}), and it is {self.state}. Send this one later, or receive() the "
            f"replies that wait: {len(self.replies.items):,} of at most {self.options.reply_capacity:,}."
        )


def give_up(message: Message, kernel: Traffic, fate: Fate) -> bool:
    """Want no answer any more; False if there is one already."""
    if not message.claim(fate):
        return False
    home = message.home or kernel
    with home.guard:
        home.tally.fates[fate] += home.inbox.remove(message)
    return True
