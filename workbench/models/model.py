"""What every loaded model is, whatever its format: its description, its tensors, and a way to run it."""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.arrays import TensorSpec, element_count
from workbench.errors import InputError, LoadError
from workbench.text import format_bytes, format_count, format_share, format_sizes

if TYPE_CHECKING:
    import pandas as pd

    from .stats import TensorStats


@dataclass(frozen=True)
class ModelInfo:
    """What a model says about itself, read without loading its weights.

    Parameters
    ----------
    format
        ``"onnx"``, ``"huggingface"`` or ``"safetensors"``.
    name
        The graph's name; or the folder's, with the architecture's; or the file's.
    inputs, outputs
        :class:`~workbench.arrays.TensorSpec`, symbolic dimensions by name.
    opset
        ONNX operator set version per domain (``""`` is ONNX's own); empty for other formats.
    ir_version
        ONNX version of the file format; None for other formats.
    producer
        Who wrote it, with version; for Hugging Face the transformers version.
    parameters
        Number of elements of all weights.
    nbytes
        Bytes of all weights.
    dtypes
        Bytes by dtype name, largest first.
    metadata
        Whatever else the file says, as text.
    """

    format: str
    name: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    opset: Mapping[str, int]
    ir_version: int | None
    producer: str
    parameters: int
    nbytes: int
    dtypes: Mapping[str, int]
    metadata: Mapping[str, str]

    def __str__(self) -> str:
        lines = [
            f"{self.name} ({self.format})",
            "  parameters "
            + ", ".join(filter(None, (format_count(self.parameters), format_bytes(self.nbytes), self._dtypes_text))),
        ]
        if self.opset:
            lines.append(f"  opset {self._opset_text}; IR version {self.ir_version}")
        if self.producer:
            lines.append(f"  producer {self.producer}")
        lines += [f"  input  {spec}" for spec in self.inputs]
        lines += [f"  output {spec}" for spec in self.outputs]
        return "\n".join(lines)

    __repr__ = __str__

    @property
    def dtype_shares(self) -> dict[str, float]:
        """Share of the weights' bytes by dtype name, largest first; the shares sum to 1."""
        return {dtype: nbytes / self.nbytes for dtype, nbytes in self.dtypes.items()} if self.nbytes else {}

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What is worth knowing at a glance, as names with values in words; empty ones are unknown."""
        return [
            ("parameters", f"{self.parameters:,}"),
            ("bytes", format_bytes(self.nbytes)),
            ("dtypes", self._dtypes_text),
            ("opset", self._opset_text),
            ("IR version", "" if self.ir_version is None else str(self.ir_version)),
            ("producer", self.producer),
        ]

    @property
    def _dtypes_text(self) -> str:
        return ", ".join(f"{dtype} {format_share(share)}" for dtype, share in self.dtype_shares.items())

    @property
    def _opset_text(self) -> str:
        return ", ".join(f"{domain or 'ai.onnx'} {version}" for domain, version in self.opset.items())

    def _repr_html_(self) -> str:
        from workbench.views import cards

        return cards.model_card(self)


@dataclass(frozen=True, eq=False)
class Tensor:
    """One tensor of a model; its values are read from the file when asked for.

    Parameters
    ----------
    name, dtype, shape
        As stored; ``dtype`` by its standard name.
    nbytes
        Bytes in the file.
    read
        Reads the values as a NumPy array.
    read_flat
        Reads the elements ``start`` to ``stop`` of the flattened tensor and no others; None where the file
        can only be read whole.
    origin
        ``"stored"``; or, in a graph, ``"constant"`` for the value of a node and ``"filled"`` for one value that a
        node repeats over a shape, of which ``nbytes`` are needed only when the model runs.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    nbytes: int
    read: Callable[[], np.ndarray[Any, Any]]
    read_flat: Callable[[int, int], np.ndarray[Any, Any]] | None = None
    origin: str = "stored"

    @property
    def size(self) -> int:
        """Number of elements."""
        return element_count(self.shape)

    def numpy(self) -> np.ndarray[Any, Any]:
        """Return the values, shape ``self.shape``, in the NumPy (or ml_dtypes) dtype of ``self.dtype``.

        The array may be a read-only view of the file: copy it to change it.
        """
        return self.read()

    def slice2d(
        self, row: int = 0, column: int = 0, *, height: int = 64, width: int = 64, leading: tuple[int, ...] = ()
    ) -> np.ndarray[Any, Any]:
        """Return a window over the last two axes, reading no more of the file than it shows where that is possible.

        Parameters
        ----------
        row, column
            Where the window begins, on the last but one and on the last axis.
        height, width
            Its greatest size; it ends where the tensor ends.
        leading
            An index for each axis before the last two; zeros if left out.

        Returns
        -------
        numpy.ndarray
            Always 2-D: a vector is one row, a scalar one row and one column.

        Raises
        ------
        workbench.errors.InputError
            If an offset or an index lies outside the tensor.
        """
        from .window import slice2d

        return slice2d(self, row, column, height=height, width=width, leading=leading)

    def stats(self) -> TensorStats:
        """Return minimum, maximum, mean, spread, counts of special values and a histogram; computed once."""
        return self._stats

    @cached_property
    def _stats(self) -> TensorStats:
        from .stats import flat_stats, tensor_stats

        return flat_stats(self.read_flat, self.size, self.dtype) if self.read_flat else tensor_stats(self.read())

    def __repr__(self) -> str:
        return f"{self.name}: {self.dtype}, {format_sizes(self.shape)}, {format_bytes(self.nbytes)}"

    def _repr_html_(self) -> str:
        from workbench.views import cards

        return cards.tensor_card(self)


class TensorTable(Mapping[str, Tensor]):
    """A model's tensors by name, in the file's order.

    Raises
    ------
    workbench.errors.LoadError
        If two of them have the same name.
    """

    def __init__(self, tensors: Iterable[Tensor]) -> None:
        self._tensors: dict[str, Tensor] = {}
        for tensor in tensors:
            if self._tensors.setdefault(tensor.name, tensor) is not tensor:
                raise LoadError(f"Two tensors are named {tensor.name!r}; names must be unique. Write the model anew.")

    def __getitem__(self, name: str) -> Tensor:
        if name in self._tensors:
            return self._tensors[name]
        if not self._tensors:
            raise InputError(f"There is no tensor {name!r}: the model has none.")
        near = [other for other in self._tensors if str(name) in other]
        known = near or difflib.get_close_matches(str(name), self._tensors) or list(self._tensors)
        raise InputError(
            f"There is no tensor {name!r} among {len(self)}; for example there are: {', '.join(known[:5])}."
        )

    def __contains__(self, name: object) -> bool:
        return name in self._tensors

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        return sum(tensor.nbytes for tensor in self.values())

    @property
    def elements(self) -> int:
        """Number of elements of all tensors."""
        return sum(tensor.size for tensor in self.values())

    @property
    def dtypes(self) -> dict[str, int]:
        """Bytes by dtype name, largest first."""
        totals: dict[str, int] = {}
        for tensor in self.values():
            totals[tensor.dtype] = totals.get(tensor.dtype, 0) + tensor.nbytes
        return dict(sorted(totals.items(), key=lambda item: (-item[1], item[0])))

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per tensor: name, dtype, shape (as text ``384 x 1536``), elements, bytes."""
        import pandas as pd

        return pd.DataFrame(
            {
                "name": [tensor.name for tensor in self.values()],
                "dtype": [tensor.dtype for tensor in self.values()],
                "shape": [format_sizes(tensor.shape) for tensor in self.values()],
                "elements": [tensor.size for tensor in self.values()],
                "bytes": [tensor.nbytes for tensor in self.values()],
            }
        )

    def __repr__(self) -> str:
        shown = list(self.values())[:20]
        more = [f"... and {len(self) - len(shown)} more"] if len(self) > len(shown) else []
        return "\n".join([f"{len(self)} tensors, {format_bytes(self.nbytes)}", *map(repr, shown), *more])

    def _repr_html_(self) -> str:
        from workbench.views import cards

        return cards.tensor_table(self)


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
