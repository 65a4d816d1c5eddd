"""One ring: messages that wait for the GPU, and its replies, in places that go round."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .layout import COMMAND, COMMAND_WORDS, REPLY, REPLY_WORDS, WORD, Command, Reply

if TYPE_CHECKING:
    from .program import Program


class Ring:
    """Messages of one kernel to the GPU, answered in order; one thread at a time uses it.

    Parameters
    ----------
    program
        The persistent kernel.
    lane
        Which of its rings.
    number
        Of the last message in it.
    """

    def __init__(self, program: Program, lane: int, number: int) -> None:
        self.program, self.lane, self._capacity = program, lane, program.capacity
        self.posted = self.taken = number
        self.open = True

    @property
    def waiting(self) -> int:
        """Messages whose reply was not taken yet."""
        return self.posted - self.taken

    @property
    def full(self) -> bool:
        """Whether a reply must be taken before another message has a place."""
        return self.waiting == self._capacity

    def post(self, command: Command) -> None:
        """Write a message into the ring, and let the kernel run.

        Without a persistent kernel nothing runs before `take` asks for a reply, so that one launch answers all of them.
        """
        assert not self.full, "a reply must be taken first"
        memory, place = (
            self.program.commands,
            (self.lane * self._capacity + self.posted % self._capacity) * COMMAND_WORDS,
        )
        COMMAND.pack_into(memory.view, (place + 1) * WORD, *command)
        # The number comes last: it says that the rest is there. The words are seen in this order (facts.py).
        memory.words[place] = self.posted = self.posted + 1
        if self.program.persistent and self.open:
            self.program.start()

    def take(self, seconds: float | None = None) -> Reply | None:
        """Wait for the reply to the oldest message; None if there is none in time, or nothing was posted."""
        if not self.waiting:
            return None
        memory, place = self.program.replies, (self.lane * self._capacity + self.taken % self._capacity) * REPLY_WORDS
        if not self.program.wait(memory.words, place, self.taken + 1, seconds, start=self.open):
            return None
        self.taken += 1
        return Reply(*REPLY.unpack_from(memory.view, place * WORD))

    def pause(self) -> None:
        """Let messages wait; when this returns, none is being answered."""
        self.open = False
        self.program.gate(self.lane, open=False)

    def resume(self) -> None:
        """Let messages be answered again."""
        self.open = True
        self.program.gate(self.lane, open=True)
        if self.waiting and self.program.persistent:
            self.program.start()
