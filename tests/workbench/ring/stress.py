"""A storm of messages, in which each sender keeps its own book: what the kernel counted must be the same."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from workbench.errors import (
    ClosedError,
    DeadLetterError,
    InputError,
    KernelDiedError,
    QueueFullError,
    ReplyTimeoutError,
    StateError,
)
from workbench.ring import KernelHandle, LaunchOptions, Runtime, State


class Mishap(Exception):
    """What the handler raises."""


def handler(state: dict[str, int], payload: tuple[str, int]) -> tuple[str, int]:
    """Answer, crash, kill the kernel, or take a while, as the payload says."""
    what, number = payload
    state["runs"] = state.get("runs", 0) + 1
    if what == "crash":
        raise Mishap(number)
    if what == "die":
        raise SystemExit(number)
    if what == "slow":
        time.sleep(0.002)
    return what, number


class Work:
    """What the messages of a storm ask for: on the CPU, of the handler above."""

    backend = "cpu"
    mishaps: tuple[type[Exception], ...] = (Mishap,)
    options: Mapping[str, Any] = {"handler": handler, "state": dict}

    def payload(self, what: str, key: int) -> Any:
        """Return a message that is answered, crashes, kills the kernel, or takes a while."""
        return what, key

    def right(self, answer: Any, what: str, key: int) -> bool:
        """Tell whether this is the answer to that message."""
        return bool(answer == (what, key))


class Deadly:
    """What kills a kernel that looks at it."""

    @property
    def shape(self) -> tuple[int, ...]:
        raise SystemExit("deadly")


class Scaling(Work):
    """The same of the operation ``scale`` on a GPU."""

    mishaps = (InputError,)
    options: Mapping[str, Any] = {"handler": "scale"}

    def __init__(self, backend: str) -> None:
        self.backend = backend

    def payload(self, what: str, key: int) -> Any:
        """Return an array and a factor; of integers, which no kernel of the GPU takes; of many numbers."""
        if what == "die":
            return Deadly(), 2.0
        return np.full(20_000 if what == "slow" else 3, key, int if what == "crash" else float), 2.0

    def right(self, answer: Any, what: str, key: int) -> bool:
        """Tell whether this is the answer to that message."""
        return bool((answer == 2.0 * key).all())


class Storm:
    """Senders, someone who deactivates and activates, and one that receives.

    Parameters
    ----------
    messages, senders
        How many of each.
    seed
        Of all that is drawn.
    work
        What they ask for.
    """

    def __init__(self, messages: int, senders: int, seed: int, work: Work | None = None, **options: Any) -> None:
        self.work = work or Work()
        self.book: Counter[str] = Counter()
        self.received: Counter[str] = Counter()
        self.wrong: list[Any] = []
        self.sent: set[Any] = set()
        self.posted: set[Any] = set()
        self.received_ids: list[Any] = []
        self._each = messages // senders
        self._lock = threading.Lock()
        self.messages = self._each * senders
        self.runtime = Runtime(self.work.backend, dead_letters=messages)
        chosen = LaunchOptions(restarts=10**9, capacity=64, reply_capacity=256, **self.work.options, **options)
        self.kernel: KernelHandle = self.runtime.launch("storm", chosen)
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(seed, place)) for place in range(senders)]
        self._others = [threading.Thread(target=self._toggle, args=(seed,)), threading.Thread(target=self._receive)]

    def run(self, limit: float) -> None:
        """Let all of it happen; what hangs for ``limit`` seconds is an error."""
        deadline = time.monotonic() + limit
        for thread in [*self._threads, *self._others]:
            thread.start()
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0))
        assert not any(thread.is_alive() for thread in self._threads), "a sender hangs"
        self._done.set()
        self._others[0].join(10)
        if self.kernel.state is State.DEACTIVATED:
            self.kernel.activate()
        self.runtime.shutdown(timeout=30)
        self._others[1].join(max(deadline - time.monotonic(), 10))
        assert not any(thread.is_alive() for thread in self._others), "the receiver hangs"

    def _send(self, seed: int, place: int) -> None:
        draw = random.Random(f"{seed} {place}")
        book: Counter[str] = Counter()
        sent: set[str] = set()
        posted: set[str] = set()
        for number in range(self._each):
            key = place * self._each + number
            what = draw.choices(["plain", "crash", "slow", "die"], [90, 8, 0.3, 0.2])[0]
            how, payload = draw.random(), self.work.payload(what, key)
            try:
                if how < 0.5:
                    answer = self.kernel.call(payload, timeout=draw.choice([0.0, 0.0005, 5.0, 5.0, None]))
                    if not self.work.right(answer, what, key):
                        self.wrong.append((what, key, answer))
                    book["answered"] += 1
                else:
                    wanted = how < 0.9
                    id = f"sent {key}"
                    self.kernel.send(payload, id=id, reply=wanted, timeout=draw.choice([0.0, 0.01, 5.0]))
                    book["sent" if wanted else "posted"] += 1
                    (sent if wanted else posted).add(id)
            except (*self.work.mishaps, KernelDiedError):
                book["failed"] += 1
            except ReplyTimeoutError:
                book["timed_out"] += 1
            except QueueFullError:
                book["refused"] += 1
            except (DeadLetterError, ClosedError):
                book["dead"] += 1
        with self._lock:
            self.book.update(book)
            self.sent |= sent
            self.posted |= posted

    def _toggle(self, seed: int) -> None:
        draw = random.Random(seed)
        while not self._done.wait(draw.random() * 0.01):
            try:
                self.kernel.deactivate(timeout=1)
                time.sleep(draw.random() * 0.003)
                self.kernel.activate()
            except StateError:
                return

    def _receive(self) -> None:
        while True:
            try:
                reply = self.kernel.receive(timeout=60)
            except ClosedError:
                return
            self.received["answered" if reply.error is None else "failed"] += 1
            self.received_ids.append(reply.id)

    def check(self) -> None:
        """Compare the books with what the kernel counted: each message has one fate, the one that was told."""
        metrics, book, received = self.kernel.metrics, self.book, self.received
        assert not self.wrong, self.wrong[:3]
        assert sum(book.values()) == self.messages
        assert metrics.messages == self.messages, (metrics, book)
        assert metrics.waiting == metrics.running == metrics.cancelled == 0
        assert metrics.timed_out == book["timed_out"]
        assert metrics.refused == book["refused"]
        buried = [letter.id for letter in self.runtime.dead_letters]
        assert metrics.dead == len(buried) == len(set(buried))
        assert len(self.received_ids) == len(set(self.received_ids)), "a reply came twice"
        assert set(self.received_ids) | (set(buried) & self.sent) == self.sent, "sent, and neither received nor buried"
        assert not set(self.received_ids) & set(buried)
        posted_dead, calls_dead = len(set(buried) & self.posted), len(set(buried) - self.posted - self.sent)
        assert calls_dead == book["dead"]
        assert metrics.failed == book["failed"] + received["failed"]
        assert metrics.answered == book["answered"] + received["answered"] + len(self.posted) - posted_dead
