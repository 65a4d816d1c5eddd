"""What runs on torch, wherever it came from: a module with NumPy arrays in and out, and its export to ONNX."""

from __future__ import annotations

import os
import threading
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.errors import InputError, RunError, WorkbenchError

from .inputs import check_outputs
from .model import Model
from .torch_arrays import first_line, is_tensor, to_numpy, to_torch

if TYPE_CHECKING:
    from .export.examples import Limits
    from .export.step import Report
    from .export.to_onnx import ExportedModel


class TorchModel(Model):
    """A model that is, or will be on its first run, a ``torch.nn.Module``."""

    given: str
    """The source, as the user named it."""
    device: Any = "cpu"
    options_of_forward: Mapping[str, Any] = {}
    """Given to each call beside the inputs."""

    def __init__(self) -> None:
        self._module: Any = None
        self._building = threading.Lock()

    @abstractmethod
    def build(self) -> Any:
        """Make the module, on ``self.device`` and in evaluation; called once, by the first who needs it."""

    def prepare(self) -> None:
        """Build the module now, so that the first run does not have to."""
        with self._building:
            if self._module is None:
                self._module = self.build()

    @property
    def module(self) -> Any:
        """The ``torch.nn.Module``, built now if it was not before."""
        if self._module is None:
            self.prepare()
        return self._module

    def run(self, inputs: Mapping[str, Any], outputs: list[str] | None = None) -> dict[str, np.ndarray[Any, Any]]:
        """Run the model once; see :meth:`workbench.models.model.Model.run`.

        Torch tensors are taken as well as arrays.
        """
        feeds = self.feeds(inputs)
        names = [spec.name for spec in self.info.outputs]
        if outputs is not None and names:
            outputs = check_outputs(outputs, names)
        results = self.forward(feeds)
        asked = check_outputs(outputs, results) if outputs is not None else [name for name in names if name in results]
        return {name: results[name] for name in asked or results}

    @abstractmethod
    def feeds(self, inputs: Any) -> dict[str, np.ndarray[Any, Any]]:
        """Return what the module is given, checked."""

    def forward(self, feeds: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
        """Run the module and return every output that is a tensor, by name."""
        import torch

        module = self.module
        try:
            with torch.inference_mode():
                tensors = {name: to_torch(array, self.device) for name, array in feeds.items()}
                results = named_results(module(**tensors, **self.options_of_forward))
                return {name: to_numpy(value) for name, value in results.items()}
        except WorkbenchError:
            raise
        except Exception as error:
            name = type(module).__name__
            what = self.given if self.given.endswith(name) else f"{name} of {self.given}"
            raise RunError(f"{what} stopped: {first_line(error)}.") from error

    @property
    def limits(self) -> Limits:
        """What inputs must keep to that are made up for it."""
        from .export.examples import Limits

        return Limits()

    @contextmanager
    def exporting(self) -> Any:
        """Give the module in the form that exports best, and leave it as it was."""
        yield self.module

    def to_onnx(
        self,
        path: str | os.PathLike[str],
        *,
        inputs: Any = None,
        dynamic: Mapping[str, Mapping[int, str]] | None = None,
        outputs: Sequence[str] | None = None,
        dtype: str | None = None,
        opset: int | None = None,
        overwrite: bool = False,
        tolerance: float | None = None,
        progress: Report | None = None,
    ) -> ExportedModel:
        """Export the model to ONNX with free batch and sequence, check it against torch, and load it.

        The export is run and compared with torch in other sizes than that of the trace: one of each symbolic dimension,
        and several. It takes seconds, most of them in ``torch.onnx.export``, which cannot be interrupted.

        Parameters
        ----------
        path
            Of the new file. Weights of more than 2 GB, or rather 1.8, lie beside it in ``<path>.data``.
        inputs
            Arrays by name (or, for a Hugging Face model, texts) to trace and check with; made up if None, where the
            model says what it takes.
        dynamic
            Names of the free axes of each input: ``{"x": {0: "batch", 2: "width"}}``; those that ``info.inputs`` names
            if None, or else the first axis of each input as ``batch``.
        outputs
            Names to export; those of ``info.outputs`` if None, or else all that the module gives.
        dtype
            ``"float32"`` or ``"float16"`` for the weights; as they are if None, but bfloat16 as float32, since ONNX
            Runtime computes little of bfloat16 on a CPU.
        opset
            Of ONNX; torch's choice if None.
        overwrite
            Whether a file that is there may be replaced; only by a whole and checked one.
        tolerance
            Largest difference from torch, as a share of the output's largest magnitude, above which the export is
            refused; 1e-3 if None, 2e-2 for float16, 5e-2 for bfloat16.
        progress
            Called with a :class:`~workbench.models.export.step.Step` as each step begins; what it raises ends the
            export.

        Returns
        -------
        workbench.models.export.to_onnx.ExportedModel
            An ONNX model whose ``export`` says how far it is from torch; the file's metadata say it too.

        Raises
        ------
        workbench.errors.InputError
            If the path cannot be written to, or is there already, or the inputs do not fit.
        workbench.errors.RunError
            If torch cannot export the model, with its reason, or if the export computes something else. No file is
            left.
        """
        from .export.to_onnx import to_onnx

        return to_onnx(
            self,
            path,
            inputs=inputs,
            dynamic=dynamic,
            outputs=outputs,
            dtype=dtype,
            opset=opset,
            overwrite=overwrite,
            tolerance=tolerance,
            progress=progress,
        )


def arrays_of(inputs: Any) -> Any:
    """Return inputs with each torch tensor as an array; others as they are."""
    if not isinstance(inputs, Mapping):
        return inputs
    return {name: to_numpy(value) if is_tensor(value) else value for name, value in inputs.items()}


def named_results(result: Any) -> dict[str, Any]:
    """Return the tensors in what a module returned, by name; those of a tuple as ``output_0`` and so on.

    Raises
    ------
    workbench.errors.RunError
        If there is none.
    """
    if is_tensor(result):
        return {"output": result}
    if isinstance(result, Mapping):
        named = {str(name): value for name, value in result.items()}
    elif hasattr(result, "_asdict"):
        named = result._asdict()
    elif isinstance(result, (tuple, list)):
        named = {f"output_{place}": value for place, value in enumerate(result)}
    else:
        named = {}
    tensors = {name: value for name, value in named.items() if is_tensor(value)}
    if not tensors:
        raise RunError(
            f"The module returned a {type(result).__name__} without a tensor; return tensors, or a dict of them."
        )
    return tensors


def check_not_empty(feeds: Mapping[str, np.ndarray[Any, Any]]) -> None:
    """Refuse an input without elements, on which most modules fail in words of their own."""
    for name, array in feeds.items():
        if 0 in array.shape:
            raise InputError(
                f"Input {name!r} is empty, of shape {list(array.shape)}; give a text and a token at least."
            )
