"""The ways over the bridge: a value arrives as a tensor, moves between devices, and leaves as an array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.errors import InputError

from . import dtypes, sharing
from .devices import pin_memory, resolve
from .pool import Pool
from .receive import receive
from .report import Passage
from .transfer import Pending, Transfers

if TYPE_CHECKING:
    import torch


class Crossing:
    """What a bridge does, by its configuration.

    Parameters
    ----------
    device, cuda, pinned
        As :class:`workbench.bridge.bridge.TorchBridge`, of which they have been checked.
    pool
        Where the memory of large copies comes from.
    """

    def __init__(self, device: str, cuda: bool | None, pinned: bool | None, pool: Pool) -> None:
        self._device, self._cuda, self._pool = device, cuda, pool
        self._pin = pin_memory if pinned else None
        self._transfers = Transfers(pool, pinned)

    def arrive(
        self,
        value: Any,
        shape: int | Sequence[int] | None = None,
        dtype: Any = None,
        *,
        device: Any = None,
        copy: bool | None = None,
        readonly: sharing.Readonly = "copy",
    ) -> tuple[Passage, torch.device]:
        """Return a value as a tensor on the device where it lies, and the device where it is to lie.

        The arguments are those of :meth:`workbench.bridge.bridge.TorchBridge.tensor`.
        """
        if readonly not in ("copy", "share"):
            raise InputError(f"readonly is 'copy' or 'share'; received {readonly!r}.")
        if copy not in (None, True, False):
            raise InputError(f"copy is None, True or False; received {copy!r}.")
        place = (
            None
            if device is None and self._device == "cpu"
            else resolve(self._device if device is None else device, self._cuda)
        )
        if place is not None and place.type != "cpu":
            readonly = "share"  # what goes on to a GPU is only read here
        source, memory, name, copied = receive(value, shape, dtype)
        if copied:
            if copy is False:
                raise InputError(f"copy=False, and {source} needs a copy: {copied}. Use copy=None.")
            # It is nobody else's already: one copy is enough.
            copy, readonly = None, "share"
        if isinstance(memory, np.ndarray):
            result, shared, why = sharing.tensor_of(memory, self._pool, readonly=readonly, copy=copy, pin=self._pin)
        else:
            result, shared, why = self._from_torch(memory, copy)
        if copied:
            shared, why = False, copied if shared else f"{copied}; {why}"
        if place is None or (device is None and result.device.type != "cpu"):
            place = result.device
        return Passage(source, name, result, shared, why), place

    def leave(self, value: Any, call: str, *, detach: bool, shared_only: bool = False) -> Passage:
        """Return a value as an array.

        Parameters
        ----------
        value
            Whatever arrives.
        call
            What the user called, for the messages.
        detach
            Whether the gradient may be left behind.
        shared_only
            Whether a copy is an error.
        """
        source, memory, name, copied = receive(value)
        if isinstance(memory, np.ndarray):
            return Passage(source, name, memory, not copied, copied or sharing.SAME)
        tensor = sharing.check_plain(memory, detach=detach, call=call)
        dtypes.name_of(tensor.dtype)
        how = ""
        if tensor.device.type != "cpu":
            if shared_only:
                raise InputError(f"{call}: {sharing.describe(tensor)} has no memory on the CPU. Pass .cpu(), a copy.")
            pending, how = self._transfers.start(self._allowed(tensor), resolve("cpu", self._cuda))
            tensor = pending.wait()
            self.forget()
        array, shared, why = sharing.array_of(tensor)
        if shared_only and not shared:
            raise InputError(f"{call}: {sharing.describe(tensor)} cannot be shared: {why}. Use to_bytes.")
        return Passage(source, name, array, shared and not how, how or why)

    def move(self, passage: Passage, place: torch.device) -> tuple[Pending, Passage]:
        """Begin to copy what has arrived to another device."""
        source, name, tensor, shared, why = passage
        if tensor.requires_grad:
            pending, how = Pending(tensor.to(place)), "to another device, by torch itself, so that autograd follows"
        else:
            pending, how = self._transfers.start(tensor, place)
        return pending, Passage(source, name, pending.tensor, False, how if shared else f"{why}; {how}")

    def moved(self, passage: Passage, place: torch.device) -> Passage:
        """Return what has arrived on another device, when it is there."""
        pending, passage = self.move(passage, place)
        pending.wait()
        self.forget()
        return passage

    def forget(self) -> None:
        """Let go of the memory of copies that have ended."""
        self._transfers.forget()

    def _from_torch(self, tensor: torch.Tensor, copy: bool | None) -> sharing.Crossed:
        sharing.check_plain(self._allowed(tensor), detach=True, call="tensor")
        if copy:
            return sharing.Crossed(tensor.clone(), False, "a copy was asked for")
        return sharing.Crossed(tensor, True, sharing.SAME)

    def _allowed(self, tensor: torch.Tensor) -> torch.Tensor:
        if tensor.device.type == "cuda" and self._cuda is False:
            raise InputError(f"{sharing.describe(tensor)} is passed, and this bridge has cuda=False. Pass .cpu().")
        return tensor
