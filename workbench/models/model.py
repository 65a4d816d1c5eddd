"""What every loaded model is, whatever its format: its description, its tensors, and a way to run it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np

from .info import ModelInfo
from .table import TensorTable
from .tensor import Tensor

__all__ = ["Model", "ModelInfo", "Tensor", "TensorTable"]


class Model(ABC):
    """A loaded model: ``info``, ``tensors`` and ``run``."""

    info: ModelInfo
    tensors: TensorTable

    def prepare(self) -> None:  # noqa: B027  a format without anything to prepare leaves it so
        """Make everything ready that the first run would else have to wait for."""

    @abstractmethod
    def run(self, inputs: Mapping[str, Any], outputs: list[str] | None = None) -> dict[str, np.ndarray[Any, Any]]:
        """Run the model once.

        Parameters
        ----------
        inputs
            An array for each name of ``info.inputs``, in its dtype and shape; optional ones may be left out.
        outputs
            Names to return; all of ``info.outputs`` if None.

        Raises
        ------
        workbench.errors.InputError
            If a name is missing or unknown, or a dtype, rank or size does not fit.
        workbench.errors.RunError
            If the runtime fails all the same; the message has its reason.
        """

    async def arun(
        self, inputs: Mapping[str, Any], outputs: list[str] | None = None
    ) -> dict[str, np.ndarray[Any, Any]]:
        """Run the model once in a worker thread, so that the event loop stays free; as :meth:`run`."""
        import asyncio

        return await asyncio.to_thread(self.run, inputs, outputs)

    def __repr__(self) -> str:
        return repr(self.info)

    def _repr_html_(self) -> str:
        return self.info._repr_html_()
