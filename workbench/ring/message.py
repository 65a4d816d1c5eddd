"""A message on its way, and what becomes of it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from workbench.errors import InputError

from .waiting import Waiter

if TYPE_CHECKING:
    from .traffic import Traffic


class Fate(StrEnum):
    """What became of a message; each has one, and one only."""

    ANSWERED = "answered"
    FAILED = "failed"
    FORWARDED = "forwarded"
    """It went on to another kernel, where it has its fate."""
    TIMED_OUT = "timed out"
    CANCELLED = "cancelled"
    REFUSED = "refused"
    DEAD = "dead"


@dataclass(frozen=True)
class Forward:
    """What a handler returns to send a message on to another kernel instead of answering it.

    Parameters
    ----------
    to
        The name of the kernel.
    payload
        What it will be given. Its answer goes to who sent the message.

    Raises
    ------
    workbench.errors.InputError
        If ``to`` is no name.
    """

    to: str
    payload: Any

    def __post_init__(self) -> None:
        if not isinstance(self.to, str) or not self.to:
            raise InputError(f"Forward(to, payload) takes the name of a kernel, such as 'softmax'; got {self.to!r}.")


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a message that was sent.

    Parameters
    ----------
    id
        What ``send`` returned for the message.
    seconds
        From sending to the answer.
    error
        What the handler raised, or else None.
    """

    id: Hashable
    seconds: float
    error: BaseException | None = None
    _value: Any = field(default=None, repr=False)

    @property
    def value(self) -> Any:
        """What the handler returned, the very object; if it raised, that is raised here."""
        if self.error is not None:
            raise self.error
        return self._value

    def peek(self) -> Any:
        """Return what the handler returned, and None if it raised."""
        return self._value


class Message:
    """A payload that waits for its run, and for whom.

    Parameters
    ----------
    payload
        What the handler will be given.
    id
        The correlation id.
    since
        When it was sent, by ``time.perf_counter``.
    waiter
        Its caller; None if it was sent, so that the answer goes to the queue of replies.
    reply
        Whether the answer of one that was sent is wanted.
    chain
        The kernels whose handlers wait for the answer.
    """

    __slots__ = ("_fate", "chain", "error", "home", "hops", "id", "payload", "reply", "since", "value", "waiter")

    def __init__(
        self,
        payload: Any,
        id: Hashable,
        since: float,
        *,
        waiter: Waiter | None = None,
        reply: bool = True,
        chain: tuple[Traffic, ...] = (),
    ) -> None:
        self.payload, self.id, self.since = payload, id, since
        self.waiter, self.reply, self.chain = waiter, reply, chain
        self.hops = 0
        self.home: Traffic | None = None
        """The kernel in whose queue it waits, or waited last."""
        self.value: Any = None
        self.error: BaseException | None = None
        self._fate: dict[None, Fate] = {}

    @property
    def fate(self) -> Fate | None:
        """What became of it, None as long as nothing has."""
        return self._fate.get(None)

    def result(self) -> Any:
        """Return the answer, or raise the error that is one."""
        if self.error is not None:
            raise self.error
        return self.value

    def claim(self, fate: Fate) -> bool:
        """Decide what becomes of it, and tell whether that was not decided before; any two threads may try at once."""
        return self._fate.setdefault(None, fate) is fate
