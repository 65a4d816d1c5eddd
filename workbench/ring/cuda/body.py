"""What runs the messages of a kernel on the GPU: each is one message in a ring of the persistent kernel."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from workbench.errors import RunError
from workbench.ring.body import spread

from .asked import ASKS, Asked
from .layout import DTYPES, Command, Operation, Reply, Status
from .places import Placed, Places
from .plans import PLANS
from .pool import Pool
from .program import DeviceLost
from .ring import Ring


class RingBody:
    """A ring of the persistent kernel, with one message in it at a time: a `Body` but for what it runs.

    Parameters
    ----------
    name
        Of what it runs, for errors.
    runs
        The same for a person.
    pool
        Of whose rings it takes one.
    """

    computes = False
    """Others may keep the card busy, for as long as they like: whoever must go on does not wait for it."""

    def __init__(self, name: str, runs: str, pool: Pool) -> None:
        self.runs, self.device, self.name = f"{runs}, {pool.how}", f"cuda:{pool.device}", name
        self.ids = itertools.count(1)
        self.last: Reply | None = None
        """What the GPU has said last, with the checksum of the result."""
        self._pool = pool
        self._ring: Ring | None = None
        self._places: Places | None = None
        self._placed: Placed | None = None

    @property
    def places(self) -> Places:
        """Where arrays are put."""
        assert self._places is not None, "a body is opened first"
        return self._places

    def open(self) -> None:
        """Take a ring."""
        self._ring = self._pool.ring()
        self._places = Places(self._ring.program)

    def close(self) -> None:
        """Give the ring back, and the memory."""
        ring, places = self._ring, self._places
        self._ring = self._places = self._placed = None
        try:
            if places is not None:
                places.close()
        finally:
            if ring is not None:
                self._pool.give_back(ring)

    def told(self, command: Command, placed: Placed | None = None, *, status: Status = Status.DONE) -> Reply:
        """Post a message about arrays, and return its reply, which must have this status.

        Raises
        ------
        workbench.errors.RunError
            If the GPU refuses it.
        """
        assert self._ring is not None
        self._placed = placed  # kept until the reply is there, also if the caller is interrupted before
        self._ring.post(command)
        reply = self._ring.take()
        assert reply is not None
        self._placed = None
        if reply.id != command.id:
            raise DeviceLost(f"The GPU answered message {command.id} with the reply to {reply.id}.")
        if reply.status != status:
            said = Status(reply.status).name.lower().replace("_", " ")
            raise RunError(f"The GPU refused {self.name} with {said!r}. Terminate the kernel and launch it anew.")
        self.last = reply
        return reply

    def settled(self) -> Reply | None:
        """Wait for a message whose caller was interrupted, and return its reply; the memory it uses is free then."""
        assert self._ring is not None
        reply = None
        while self._ring.waiting:
            reply = self._ring.take()
        self._placed = None
        return reply


class OperationBody(RingBody):
    """An operation that looks at nothing but its message.

    Parameters
    ----------
    name, runs, pool
        As for :class:`RingBody`; one of `ASKS`.
    """

    def __init__(self, name: str, runs: str, pool: Pool) -> None:
        super().__init__(name, runs, pool)
        self._ask = spread(ASKS[name])

    def run(self, payload: Any) -> Any:
        """Send a payload to the GPU, and return its answer."""
        asked: Asked = self._ask(payload)
        self.settled()
        placed = self.places.of(self.name, asked)
        if asked.shape is not None and not math.prod(asked.shape):
            return placed.result()
        reply = self.told(self._command(asked, placed), placed)
        if placed.out:
            return placed.result()
        with np.errstate(over="ignore"):  # a sum that float16 does not hold is infinite, as NumPy's is
            return np.dtype("float32" if placed.dtype == "bfloat16" else placed.dtype).type(reply.value)

    def _command(self, asked: Asked, placed: Placed) -> Command:
        shape = asked.arrays[0].shape
        columns = shape[-1] if asked.operation is Operation.SOFTMAX else math.prod(shape)
        command = Command(
            id=next(self.ids),
            operation=asked.operation,
            dtype=DTYPES[placed.dtype],
            x=placed.addresses[0],
            y=placed.addresses[-1],
            out=placed.out,
            rows=math.prod(shape) // columns if columns else 1,
            columns=columns,
            factor=asked.factor,
        )
        return PLANS[asked.operation](command)
