"""A kernel: its states, and how it ends."""

from __future__ import annotations

from time import perf_counter

from .states import State, check_step
from .turns import Turns
from .waiting import Make, ThreadWaiter, Waiter


class Kernel(Turns):
    """What a handle holds and the worker's thread runs."""

    def activate(self) -> None:
        """Go to active, and run what waits."""
        self._go(State.ACTIVE)

    def deactivate(self, seconds: float | None) -> bool:
        """Go to deactivated, and tell whether the message that was being run is done."""
        self._go(State.DEACTIVATED)
        if self.inside():
            return True
        return self.wait_for_turn(-1 if seconds is None else seconds)

    def _go(self, new: State) -> None:
        with self.guard:
            check_step(self.name, self.state, new)
            self.state = new
            self.decide_turns()
            self.changed.wake_all()
            if new is State.ACTIVE and self.inbox.items:
                self.rouse()

    def drain(self, deadline: float) -> bool:
        """Wait until nothing is left to run, and tell whether that was in time; at once where it is not active."""
        while True:
            with self.guard:
                if self.state is not State.ACTIVE:
                    return True
                empty = not self.inbox.items and not self.outgoing
                waiter = ThreadWaiter()
                if not empty:
                    self.changed.add(waiter)
            left = max(deadline - perf_counter(), 0.0)
            if empty:
                if not self.wait_for_turn(left):
                    return False
                if not self.inbox.items and not self.outgoing:
                    return True
            elif not waiter.wait(left):
                with self.guard:
                    self.changed.discard(waiter)
                return False

    def close_doors(self) -> None:
        """Take nothing more but what other kernels send on."""
        with self.guard:
            self.closing = True
            self.decide_turns()

    def go_on_to(self, name: str | None) -> None:
        """Let results go on to another kernel, or be answers."""
        with self.guard:
            self.route = name
            self.decide_turns()

    def decide_turns(self) -> None:
        """See whether callers may run their messages themselves; who calls this holds the guard."""
        free = self.state is State.ACTIVE and not self.closing
        self.takes_turns = free and not self._own and self.route is None

    @property
    def loaded(self) -> bool:
        """Whether it has messages that are not settled."""
        return bool(self.inbox.items or self.outgoing or self.runner)

    def end(self, reason: str) -> None:
        """Go to terminated at once: what waits becomes dead letters, and who waits is told."""
        with self.guard:
            if self.state is State.TERMINATED:
                return
            self.state, self.reason = State.TERMINATED, reason
            self.decide_turns()
            left = list(self.inbox.items)
            self.inbox.items.clear()
            self.inbox.room.wake_all()
            self.replies.news.wake_all()
            self.changed.wake_all()
            self.worker.poke()
        self.network.forget(self)
        for message in left:
            if message.fate is None:
                self.bury(message, f"the kernel was terminated before ({reason})")
            else:
                with self.guard:
                    self.count(message)

    def terminate(self, *, drain: bool, deadline: float, reason: str) -> None:
        """Take nothing more, run what waits if asked to, and end; at about the deadline in any case."""
        waits = not self.inside()
        self.close_doors()
        if drain and waits:
            self.drain(deadline)
        self.end(reason)
        if waits:
            self.close_when_free(deadline - perf_counter())
            self.worker.join(deadline - perf_counter())

    def wait_for(self, state: State, make: Make) -> Waiter | None:
        """Return who will be woken when the state changes, None if it is this one; raise if it never will be."""
        with self.guard:
            if self.state is state:
                return None
            if self.state is State.TERMINATED or state is State.LAUNCHED:
                check_step(self.name, self.state, state)  # which it never will be
            waiter = make()
            self.changed.add(waiter)
            return waiter

    def give_up_state(self, waiter: Waiter) -> None:
        """Wait no longer for a state."""
        with self.guard:
            self.changed.discard(waiter)
