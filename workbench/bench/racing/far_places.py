"""Places of a race in the memory of a GPU: one upload in a round, for all contenders of all libraries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from workbench.bench.devices import Device

from . import check
from .cheats.shot import Window
from .far import BRAIN, Far, far, mapped
from .memory import PLACES, Slot, Slots, memories, size_of
from .places import WHOLE, Place
from .questions import Question

ROOM = 2 << 30
"""Bytes that the places may take together; one is always made."""
STIRRED = 16 << 20
"""Bytes of inputs up to which they are stirred, which takes an upload; larger ones are the same in each round."""


Masters = WeakKeyDictionary[Question, list[Any]]


class FarPlace(Place):
    """Memory of a GPU for one call of any contender; the values and the truth stay with the question, on the CPU.

    Parameters
    ----------
    question, slots
        As of a :class:`~workbench.bench.racing.places.Place`.
    device
        The GPU.
    kinds
        By the name of an input, its dtype there, where NumPy has no such dtype.
    masters
        Copies on the device of questions that are not stirred, shared by the places of a race.
    """

    def __init__(
        self, question: Question, slots: Slots, device: Device, kinds: Mapping[str, str], masters: Masters
    ) -> None:
        self._device, self._masters = device, masters
        self._arrays: list[Far] = []
        self.inputs = {name: mapped(value, self._putter(kinds.get(name))) for name, value in question.inputs.items()}
        self.out = self._buffers(slots, BRAIN if BRAIN in kinds.values() else None)
        self.nbytes = size_of(question.inputs)
        self._holds = (question, question.version)

    def load(self, question: Question, fixed: frozenset[str]) -> None:
        """Write the question's values into the inputs, unless they are there."""
        if self._holds != (question, question.version):
            self.renew(question)

    def renew(self, question: Question) -> None:
        """Write all of the question's values into the inputs, whatever was done to them."""
        self._holds = (question, question.version)
        if question.stirred:
            for array, values in self._pairs(question):
                self._device.write(array.array, values)
            return
        if question not in self._masters:
            made = [self._device.put(values, array.name) for array, values in self._pairs(question)]
            self._masters[question] = made
        for array, master in zip(self._arrays, self._masters[question], strict=True):
            self._device.copy(array.array, master)

    def intact(self, question: Question, rng: np.random.Generator, *, whole: bool = False) -> bool:
        """Tell whether the inputs are what was loaded: all of them, or random parts where they are large."""
        everything = whole or self.nbytes <= WHOLE
        for array, values in self._pairs(question):
            window = Window() if everything else Window.draw(array.size, rng)
            if not check.same_bits(window.copy(array), window.copy(values)):
                return False
        return True

    def _pairs(self, question: Question) -> list[tuple[Far, np.ndarray[Any, Any]]]:
        return list(zip(self._arrays, memories(question.inputs), strict=True))

    def _putter(self, dtype: str | None) -> Any:
        def put(value: Any) -> Any:
            if not memories(value):
                return value
            floating = value.dtype.kind == "f"
            array = self._device.put(value, dtype if floating else None)
            seen = far(array)
            assert seen is not None, "the device makes arrays that kernels take"
            self._arrays.append(seen)
            return array

        return put

    def _buffers(self, slots: Slots, narrow: str | None) -> Any:
        if isinstance(slots, tuple):
            return tuple(self._buffers(slot, narrow) for slot in slots)
        if not isinstance(slots, Slot):
            return None
        return self._device.empty(slots.shape, narrow if narrow and slots.dtype.kind == "f" else slots.dtype.name)


def far_places(question: Question, slots: Slots, device: Device, kinds: Mapping[str, str]) -> list[Place]:
    """Return as many places as fit into :data:`ROOM`, at least one."""
    masters: Masters = WeakKeyDictionary()
    first = FarPlace(question, slots, device, kinds, masters)
    taken = first.nbytes + sum(buffer.nbytes for buffer in check.leaves(first.out))
    more = range(min(PLACES, ROOM // max(taken, 1)) - 1)
    return [first, *(FarPlace(question, slots, device, kinds, masters) for _ in more)]
