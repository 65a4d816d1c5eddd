"""The law of the states: any steps in any order leave a kernel in the state that they lead to, and lose no message."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

import workbench as wb
from workbench.errors import ClosedError, QueueFullError, ReplyTimeoutError, StateError
from workbench.ring import KernelHandle

STEPS = {
    "launched": {"activate": "active", "terminate": "terminated"},
    "active": {"deactivate": "deactivated", "terminate": "terminated"},
    "deactivated": {"activate": "active", "terminate": "terminated"},
    "terminated": {"terminate": "terminated"},
}
CAPACITY = 4


class Life(RuleBasedStateMachine):
    """A kernel, and what it should be; the model knows states, what waits, and replies."""

    backend = "cpu"
    options: Mapping[str, Any] = {
        "handler": lambda state, payload: (state.append(payload), len(state))[1],
        "state": list,
    }
    """Of a kernel that answers with how many messages it had."""

    def payload(self, number: int) -> Any:
        """Return what is sent."""
        return number

    def runs_told(self, answer: Any) -> int:
        """Return how many messages the kernel had, as it says."""
        return int(answer)

    @initialize(thread=st.sampled_from(["auto", "any", "own"]), active=st.booleans())
    def launch(self, thread: Any, active: bool) -> None:
        self.runtime = wb.Runtime(self.backend)
        self.kernel: KernelHandle = self.runtime.launch(
            *("life",),
            **self.options,
            thread=thread,
            auto_activate=active,
            capacity=CAPACITY,
            when_full="refuse",
        )
        self.state = "active" if active else "launched"
        self.waiting: deque[int] = deque()
        self.replies: deque[tuple[int, int]] = deque()
        self.runs = self.sent = 0
        self.fates = dict.fromkeys(("refused", "timed_out", "dead", "answered"), 0)

    def run_what_waits(self) -> None:
        while self.state == "active" and self.waiting:
            self.runs += 1
            self.fates["answered"] += 1
            self.replies.append((self.waiting.popleft(), self.runs))

    @rule(step=st.sampled_from(["activate", "deactivate", "terminate"]))
    def go(self, step: str) -> None:
        if step == "deactivate" and self.state == "active":
            self.quiet()
        allowed = STEPS[self.state]
        if step not in allowed:
            with pytest.raises(StateError, match=self.state):
                getattr(self.kernel, step)()
        else:
            getattr(self.kernel, step)()
            self.state = allowed[step]
            if self.state == "terminated":
                self.fates["dead"] += len(self.waiting)
                self.waiting.clear()
            self.run_what_waits()
        assert self.kernel.state == self.state

    @rule()
    def send(self) -> None:
        self.sent += 1
        if self.state == "terminated":
            with pytest.raises(ClosedError):
                self.kernel.send(self.payload(self.sent), id=self.sent)
            self.fates["refused"] += 1
        elif len(self.waiting) == CAPACITY:
            with pytest.raises(QueueFullError):
                self.kernel.send(self.payload(self.sent), id=self.sent)
            self.fates["refused"] += 1
        else:
            if self.state == "active":
                self.quiet()
            self.kernel.send(self.payload(self.sent), id=self.sent)
            self.waiting.append(self.sent)
            self.run_what_waits()

    @rule()
    def call(self) -> None:
        self.sent += 1
        if self.state == "active":
            self.call_active()
        elif self.state == "terminated":
            with pytest.raises(ClosedError):
                self.kernel.call(self.payload(self.sent))
            self.fates["refused"] += 1
        elif len(self.waiting) == CAPACITY:
            with pytest.raises(QueueFullError):
                self.kernel.call(self.payload(self.sent), timeout=0)
            self.fates["refused"] += 1
        else:
            with pytest.raises(ReplyTimeoutError):
                self.kernel.call(self.payload(self.sent), timeout=0)
            self.fates["timed_out"] += 1

    @rule()
    def receive(self) -> None:
        if self.replies:
            reply = self.kernel.receive(timeout=30)
            assert (reply.id, self.runs_told(reply.value)) == self.replies.popleft()
        elif self.state == "terminated":
            with pytest.raises(ClosedError):
                self.kernel.receive()
        else:
            assert self.kernel.try_receive() is None

    @precondition(lambda self: self.state != "active")
    @rule()
    def counts(self) -> None:
        metrics = self.kernel.metrics
        assert metrics.waiting == len(self.waiting)
        assert {name: getattr(metrics, name) for name in self.fates} == self.fates
        assert metrics.messages == self.sent
        assert self.kernel.status.replies == len(self.replies)

    def quiet(self) -> None:
        """Let what was sent be run, so that the next step finds it done: a call is behind all of it."""
        self.sent += 1
        self.call_active()

    def call_active(self) -> None:
        while self.kernel.metrics.waiting:  # right after activate a queue may be full still, and refuses the call
            time.sleep(0.001)
        self.runs += 1
        assert self.runs_told(self.kernel.call(self.payload(self.sent), timeout=30)) == self.runs
        self.fates["answered"] += 1

    def teardown(self) -> None:
        if hasattr(self, "runtime"):
            self.runtime.shutdown()
            assert self.kernel.state == "terminated"
            self.counts_at_the_end()

    def counts_at_the_end(self) -> None:
        assert self.kernel.metrics.messages == self.sent
        assert self.kernel.metrics.running == self.kernel.metrics.waiting == 0


Life.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestLife = Life.TestCase
