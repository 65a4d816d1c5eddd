"""Files of ``numpy.save`` and ``numpy.savez``: arrays without a graph; no pickle in them is ever read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from workbench.errors import RunError
from workbench.models.formats import Format
from workbench.models.model import Model, ModelInfo, TensorTable
from workbench.models.source import Source

from .archive import archive_tensors, looks_like_npz
from .npy import MAGIC, file_tensor


class NumpyModel(Model):
    """Arrays by name, and no way to run them; the array of a ``.npy`` has the file's name without its ending."""

    def __init__(self, source: Source) -> None:
        single = source.head.startswith(MAGIC)
        self._given = source.given
        self.tensors = TensorTable([file_tensor(source)] if single else archive_tensors(source))
        self.info = ModelInfo(
            format="numpy",
            name=source.label,
            inputs=(),
            outputs=(),
            opset={},
            ir_version=None,
            producer="",
            parameters=self.tensors.elements,
            nbytes=self.tensors.nbytes,
            dtypes=self.tensors.dtypes,
            metadata={},
        )

    def run(self, inputs: Any, outputs: list[str] | None = None) -> NoReturn:
        """Raise RunError: arrays say nothing about what to compute."""
        raise RunError(
            f"{self._given} has arrays and no graph, so it cannot be run. Load the model that it belongs to."
        )


def _open(source: Source, options: Mapping[str, Any]) -> Model:
    return NumpyModel(source)


FORMAT = Format(
    name="numpy",
    title="a NumPy file",
    options=(),
    recognises=lambda source: source.is_file and (source.head.startswith(MAGIC) or looks_like_npz(source.head)),
    open=_open,
)
