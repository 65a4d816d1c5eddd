"""``model.to_onnx``: trace, write, run in ONNX Runtime beside torch in several sizes, and move into place."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.errors import InputError, RunError
from workbench.models.formats.onnx import OnnxModel
from workbench.models.inputs import check_outputs
from workbench.models.torch_arrays import to_torch
from workbench.text import format_bytes

from .difference import Difference, differences
from .examples import Feeds
from .onnx_files import INLINE, append_metadata, file_bytes, open_onnx
from .sizes import Trial, trials
from .step import Report, Step, nobody
from .target import target_path, written_beside
from .trace import trace

if TYPE_CHECKING:
    from workbench.models.torch_model import TorchModel

_TOLERANCES = {"float16": 2e-2, "bfloat16": 5e-2}
_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Export:
    """What an export to ONNX gave, beside torch.

    Parameters
    ----------
    source
        Architecture of the module.
    exporter
        Libraries that made it, with versions.
    dtype
        Of the weights where it is not the checkpoint's: ``"float32, from bfloat16"``; else empty.
    checked
        Sizes of the inputs on which both ran, in words.
    differences
        Of each output, the worst over these inputs.
    nbytes
        Bytes of the file, with its external data.
    """

    source: str
    exporter: str
    dtype: str
    checked: tuple[str, ...]
    differences: tuple[Difference, ...]
    nbytes: int

    @property
    def worst(self) -> Difference:
        """The output that is furthest from torch on its own scale."""
        return max(self.differences, key=lambda one: one.relative)

    @property
    def metadata(self) -> dict[str, str]:
        """What the file itself tells of it."""
        return {
            "exported_from": self.source,
            "exported_by": self.exporter,
            "exported_dtype": self.dtype,
            "difference": "; ".join(map(str, self.differences)),
            "checked_with": "; ".join(self.checked),
        }

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What is worth knowing at a glance, as names with values in words; empty ones are left out."""
        facts = [("bytes", format_bytes(self.nbytes)), ("exported by", self.exporter), ("dtype", self.dtype)]
        return [(name, value) for name, value in facts if value]

    def __str__(self) -> str:
        lines = [f"{self.source} by {self.exporter}" + (f", {self.dtype}" if self.dtype else "")]
        return "\n".join(
            [*lines, *(f"  {one}" for one in self.differences), f"  checked with {'; '.join(self.checked)}"]
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from workbench.views.models.export_card import export_card

        return export_card(self)


class ExportedModel(OnnxModel):
    """An ONNX model that was exported here; ``export`` says from what, and how far it is from torch."""

    export: Export


def to_onnx(
    model: TorchModel,
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
    """Export; see :meth:`workbench.models.torch_model.TorchModel.to_onnx`."""
    target = target_path(path, overwrite)
    if dtype not in (None, "float32", "float16"):
        raise InputError(f"dtype={dtype!r} is none of 'float32', 'float16'; leave it out to keep that of the weights.")
    if opset is not None and (type(opset) is not int or opset < 1):
        raise InputError(f"opset={opset!r} is no version of ONNX's operators; give a number such as 18.")
    if tolerance is not None and not (isinstance(tolerance, (int, float)) and tolerance >= 0):
        raise InputError(f"tolerance={tolerance!r} is no share of a magnitude; give a number from 0 on, such as 1e-3.")
    report = progress or nobody
    report(Step("building the module", 0.0))
    model.prepare()  # which may tell what it takes
    made = trials(model, inputs, dynamic)
    results = [model.forward(trial.feeds) for trial in made]
    names = _outputs(model, outputs, results[0])
    with _exported_form(model, dtype) as (module, written_as):
        report(Step("tracing", 0.1))
        first = made[0]
        tensors = {name: to_torch(_as(array, written_as), model.device) for name, array in first.feeds.items()}
        program = trace(module, tensors, first.axes, names, options=model.options_of_forward, opset=opset)
        report(Step("writing", 0.7))
        weights = sum(tensor.nbytes for tensor in module.state_dict().values())
        with written_beside(target) as beside:
            program.save(beside, external_data=weights > INLINE)
            del program
            written = open_onnx(OnnxModel, beside, os.fspath(path))
            pairs = []
            for place, (trial, result) in enumerate(zip(made, results, strict=True)):
                report(Step(f"checking {trial.text}", 0.75 + 0.2 * place / len(made)))
                pairs.append(({name: result[name] for name in names}, _answers(written, trial, written_as)))
            found = differences(pairs)
            export = Export(
                source=type(module).__name__,
                exporter=_versions(model),
                dtype="" if written_as is None else f"{written_as}, from {_stored_dtype(model)}",
                checked=tuple(trial.text for trial in made),
                differences=found,
                nbytes=0,
            )
            _hold(export, _tolerance(model, written_as) if tolerance is None else tolerance, path)
            del written
            append_metadata(beside, export.metadata)
            export = replace(export, nbytes=file_bytes(beside))
            report(Step("moving into place", 0.98))
    loaded = open_onnx(ExportedModel, target, os.fspath(path))
    loaded.export = export
    return loaded


@contextmanager
def _exported_form(model: TorchModel, dtype: str | None) -> Iterator[tuple[Any, str | None]]:
    """Give the module in the dtype to export, and its name where it is another than the weights'."""
    stored = _stored_dtype(model)
    wanted = dtype or ("float32" if stored == "bfloat16" else stored)
    with model.exporting() as module:
        if stored in (wanted, ""):
            yield module, None
        else:
            import torch

            # a copy, since buffers that are float32 beside half weights would not survive the way back
            yield copy.deepcopy(module).to(getattr(torch, wanted)), wanted


def _stored_dtype(model: TorchModel) -> str:
    """Return the dtype of most of the weights' bytes that are floats; empty where there are none."""
    return next((name for name in model.info.dtypes if name.startswith(("float", "bfloat"))), "")


def _as(array: np.ndarray[Any, Any], dtype: str | None) -> np.ndarray[Any, Any]:
    floating = dtype is not None and (array.dtype.kind == "f" or array.dtype.name == "bfloat16")
    return array.astype(dtype) if floating else array


def _outputs(model: TorchModel, asked: Sequence[str] | None, given: Feeds) -> list[str]:
    if asked is not None:
        return check_outputs(asked, given)
    return [spec.name for spec in model.info.outputs if spec.name in given] or list(given)


def _answers(written: OnnxModel, trial: Trial, dtype: str | None) -> Feeds:
    try:
        return written.run({name: _as(array, dtype) for name, array in trial.feeds.items()})
    except Exception as error:
        raise RunError(
            f"The export does not run with {trial.text}, where torch does: {error} An axis that the code compares or "
            "computes with was fixed; name fewer free axes with dynamic=."
        ) from error


def _tolerance(model: TorchModel, written_as: str | None) -> float:
    """Return what the coarsest of the dtypes that take part in the comparison allows."""
    return max(_TOLERANCES.get(dtype or "", _TOLERANCE) for dtype in (_stored_dtype(model), written_as))


def _hold(export: Export, tolerance: float, path: object) -> None:
    worst = export.worst
    if not worst.relative <= tolerance:
        raise RunError(
            f"{path} was not written: the export of {export.source} is not what torch computes. {worst}; the tolerance "
            f"is {tolerance:g} of its scale. Checked with {'; '.join(export.checked)}. Give a larger tolerance= only "
            "if you know why they differ."
        )


def _versions(model: TorchModel) -> str:
    import sys

    names = ("torch", "transformers") if type(model.module).__module__.startswith("transformers") else ("torch",)
    return ", ".join(f"{name} {sys.modules[name].__version__}" for name in names)
