"""A file of tensors that says nothing of what to compute with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from workbench.errors import RunError

from .model import Model, ModelInfo, Tensor, TensorTable
from .source import Source


class WeightsModel(Model):
    """Tensors by name, and no way to run them.

    Parameters
    ----------
    format
        As in ``info.format``.
    source
        Of the tensors.
    tensors
        In the file's order.
    owner
        Where the model is that they belong to, for the message of a run: ``"Load its folder."``.
    metadata
        What else the file says.
    producer
        Who wrote it, where the file says so.
    """

    def __init__(
        self,
        format: str,
        source: Source,
        tensors: Iterable[Tensor],
        owner: str,
        *,
        metadata: Mapping[str, str] | None = None,
        producer: str = "",
    ) -> None:
        self._given, self._owner = source.given, owner
        self.tensors = TensorTable(tensors)
        self.info = ModelInfo(
            format=format,
            name=source.label,
            inputs=(),
            outputs=(),
            opset={},
            ir_version=None,
            producer=producer,
            parameters=self.tensors.elements,
            nbytes=self.tensors.nbytes,
            dtypes=self.tensors.dtypes,
            metadata=metadata or {},
        )

    def run(self, inputs: Any, outputs: list[str] | None = None) -> NoReturn:
        """Raise RunError: tensors say nothing about what to compute."""
        raise RunError(f"{self._given} has tensors and no graph, so it cannot be run. {self._owner}")
