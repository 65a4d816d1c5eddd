"""Files of ``numpy.save`` and ``numpy.savez``: arrays without a graph; no pickle in them is ever read.

The array of a ``.npy`` has the file's name without its ending.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.models.formats import Format
from workbench.models.model import Model
from workbench.models.source import Source
from workbench.models.weights import WeightsModel

from .archive import archive_tensors, looks_like_npz
from .npy import MAGIC, file_tensor


def _open(source: Source, options: Mapping[str, Any]) -> Model:
    tensors = [file_tensor(source)] if source.head.startswith(MAGIC) else archive_tensors(source)
    return WeightsModel("numpy", source, tensors, "Load the model that it belongs to.")


FORMAT = Format(
    name="numpy",
    title="a NumPy file",
    options=(),
    recognises=lambda source: source.is_file and (source.head.startswith(MAGIC) or looks_like_npz(source.head)),
    open=_open,
)
