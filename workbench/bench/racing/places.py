"""A place of a race: memory with all inputs and a buffer, in which every contender works in turn."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import check
from .cheats.shot import Window
from .far import Far
from .memory import PLACES, ROOM, Slots, buffers, floats, memories, own_copies, size_of
from .questions import Question

WHOLE = 2 << 20
"""Bytes of inputs up to which all of them are compared after each sample, and beyond which only parts."""
_COPIED = 4 << 20
"""Bytes of inputs up to which they are written anew for each round, and beyond which only what was stirred."""


class Place:
    """Memory for one call of any contender.

    Parameters
    ----------
    question
        Whose values it holds first.
    slots
        Of the buffer for the result.

    Attributes
    ----------
    inputs
        By name, as a contender gets them.
    out
        The buffer, or a tuple of them, or None.
    """

    def __init__(self, question: Question, slots: Slots) -> None:
        self.inputs = own_copies(question.inputs)
        self.out = buffers(slots)
        self.nbytes = size_of(self.inputs)
        # A list of numbers, say, cannot be written to in place, and is copied anew.
        self._in_place = len(memories(self.inputs)) == len(check.leaves(self.inputs))
        self._holds: tuple[Question, int] = (question, question.version)

    def load(self, question: Question, fixed: frozenset[str]) -> None:
        """Write the question's values into the inputs, as they are stirred now."""
        held, version = self._holds
        self._holds = (question, question.version)
        if held is question and version == question.version:
            return
        changes = question.since(version) if held is question and self.nbytes > _COPIED else None
        if changes is not None:
            places, values = floats(self.inputs, fixed), floats(question.inputs, fixed)
            for change in changes:
                places[change.place][change.index] = values[change.place][change.index]
        else:
            self.renew(question)

    def renew(self, question: Question) -> None:
        """Write all of the question's values into the inputs, whatever was done to them."""
        self._holds = (question, question.version)
        if self._in_place:
            for memory, values in zip(memories(self.inputs), memories(question.inputs), strict=True):
                np.copyto(memory, values)
        else:
            self.inputs = own_copies(question.inputs)

    def refresh(self) -> None:
        """Write all values of the question that it holds, as they are now."""
        self.renew(self._holds[0])

    def intact(self, question: Question, rng: np.random.Generator, *, whole: bool = False) -> bool:
        """Tell whether the inputs are what was loaded: all of them, or random parts where they are large."""
        if whole or self.nbytes <= WHOLE:
            return not check.changed(self.inputs, question.inputs)
        pairs = zip(memories(self.inputs), memories(question.inputs), strict=True)
        windows = ((Window.draw(memory.size, rng), memory, values) for memory, values in pairs)
        return all(check.same_bits(window.copy(memory), window.copy(values)) for window, memory, values in windows)


def places(question: Question, slots: Slots) -> list[Place]:
    """Return as many places as fit into :data:`memory.ROOM`, at least one."""
    first = Place(question, slots)
    taken = first.nbytes + sum(buffer.nbytes for buffer in check.leaves(first.out))
    return [first, *(Place(question, slots) for _ in range(min(PLACES, ROOM // max(taken, 1)) - 1))]


def overlaps(array: Any, place: Place) -> bool:
    """Tell whether an array shares memory with the inputs of a place."""
    if isinstance(array, Far):
        return any(array.overlaps(memory) for memory in check.leaves(place.inputs) if isinstance(memory, Far))
    return any(np.may_share_memory(array, memory) for memory in check.leaves(place.inputs))
