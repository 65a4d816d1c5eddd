"""What every loaded model is, whatever its format: its description, its tensors, and a way to run it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.errors import RunError, WorkbenchError

from .awaited import Stop, awaited
from .info import ModelInfo
from .table import TensorTable
from .tensor import Tensor

if TYPE_CHECKING:
    from .batch import Batches
    from .cost import ModelCost
    from .export.quantized import Quantized
    from .formats.onnx import OnnxModel
    from .profile import Profile

__all__ = ["Model", "ModelInfo", "Tensor", "TensorTable"]

_ONLY_WEIGHTS = "Load the model that these weights belong to: the folder with config.json, a module, an ONNX file."


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

    def cost(self, inputs: Mapping[str, Any] | None = None, **symbols: int) -> ModelCost:
        """Return the multiplications of one run and the memory that its nodes write; nothing is run.

        Parameters
        ----------
        inputs
            For each input whose shape is not declared, its shape as a tuple, or an array that has it.
        **symbols
            Sizes of symbolic dimensions: ``batch=1, sequence=128``.

        Raises
        ------
        workbench.errors.InputError
            If a dimension is left open, or a shape does not fit.
        workbench.errors.RunError
            If the graph contradicts itself; or if the model is no graph.

        Examples
        --------
        >>> import workbench as wb
        >>> wb.load("sample:mlp").cost(batch=2)
        1.28 k MACs, 576 B of activations, 512 B at the same time
          for x [2, 16]
          operator  nodes    MACs        activations
          Gemm          2  1.28 k  100%        288 B
          Relu          1       0    0%        256 B
          Softmax       1       0    0%         32 B
        """
        raise self._without("has no graph from which its cost could be told", "then ask it: wb.load(path).cost(...)")

    def profile(self, inputs: Any, *args: Any, **options: Any) -> Profile:
        """Measure where the time of a run goes; see :meth:`workbench.models.formats.onnx.OnnxModel.profile`.

        Raises
        ------
        workbench.errors.RunError
            If the model is not one that ONNX Runtime runs.
        """
        raise self._without("keeps no times of its parts", "then ask it: wb.load(path).profile(inputs)")

    def to_onnx(self, path: Any, *args: Any, **options: Any) -> OnnxModel:
        """Export the model to ONNX; see :meth:`workbench.models.torch_model.TorchModel.to_onnx`.

        Raises
        ------
        workbench.errors.RunError
            If the model is not one that torch runs.
        """
        if self.info.format == "onnx":
            raise RunError(f"{self.info.name} is an ONNX model already. To write it: onnx.save(model.proto, path).")
        raise RunError(f"{self.info.name} is {self._kind}, which says nothing of what to compute. {_ONLY_WEIGHTS}")

    def _without(self, what: str, then: str) -> RunError:
        """Return the error for what only an ONNX model has, with the way to one."""
        exports = type(self).to_onnx is not Model.to_onnx
        way = f"Export it, model.to_onnx(path), {then}." if exports else _ONLY_WEIGHTS
        return RunError(f"{self.info.name} is {self._kind}, which {what}. {way}")

    @property
    def _kind(self) -> str:
        from .formats import formats

        return next((one.title for one in formats() if one.name == self.info.format), self.info.format)

    def quantize(self, method: str = "int8", path: Any = None, **options: Any) -> Quantized:
        """Make a model with int8 weights, and measure what it costs in size and error.

        ``"int8"`` is the faithful way and ``"dynamic"`` the faster one;
        :func:`workbench.models.export.quantize.quantize` says what each does, and has the options: ``inputs``,
        ``overwrite``, ``progress``. A model that runs on torch is exported to ONNX first.

        Examples
        --------
        >>> import workbench as wb
        >>> quantized = wb.load("sample:mlp").quantize("int8")
        >>> quantized.worst.cosine > 0.999
        True
        """
        from .export.quantize import quantize

        return quantize(self, method, path, **options)

    async def arun(
        self, inputs: Mapping[str, Any], outputs: list[str] | None = None
    ) -> dict[str, np.ndarray[Any, Any]]:
        """Run the model once in a worker thread, so that the event loop stays free; as :meth:`run`.

        When the wait is cancelled, an ONNX model stops at its next node; others finish in their thread.
        """
        return await awaited(lambda stop: self.run_until(inputs, outputs, stop))

    def run_batch(
        self, sets: Iterable[Mapping[str, Any]], outputs: list[str] | None = None
    ) -> list[dict[str, np.ndarray[Any, Any]] | WorkbenchError]:
        """Run the model for each input set, several of them stacked into one run where that gives the same.

        That is tried on the model's first stacked run; :class:`workbench.models.batch.Batches` says how. A result of a
        stacked run is that of the set alone to rounding, and a view of the stacked outputs.

        Parameters
        ----------
        sets
            What :meth:`run` takes, for each run.
        outputs
            As for :meth:`run`.

        Returns
        -------
        list
            For each set, in order, the outputs by name, or the error that it alone caused.

        Raises
        ------
        workbench.errors.InputError
            If ``sets`` is no list of sets, or there is no such output; never for one bad set.
        """
        return self._batches.run(sets, outputs)

    async def arun_batch(
        self, sets: Iterable[Mapping[str, Any]], outputs: list[str] | None = None
    ) -> list[dict[str, np.ndarray[Any, Any]] | WorkbenchError]:
        """Run the model for each input set in a worker thread; as :meth:`run_batch`, and cancelled as :meth:`arun`."""
        return await awaited(lambda stop: self._batches.run(sets, outputs, stop))

    def run_until(
        self, inputs: Mapping[str, Any], outputs: list[str] | None, stop: Stop | None
    ) -> dict[str, np.ndarray[Any, Any]]:
        """Run the model once, or until ``stop`` is requested where a format can end a run early; as :meth:`run`."""
        return self.run(inputs, outputs)

    def mixes_rows(self) -> bool:
        """Return whether something in the model is known to make the rows of a batch depend on one another."""
        return False

    @cached_property
    def _batches(self) -> Batches:
        from .batch import Batches

        return Batches(self)

    def __repr__(self) -> str:
        return repr(self.info)

    def _repr_html_(self) -> str:
        return self.info._repr_html_()
