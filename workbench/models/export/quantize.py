"""``model.quantize``: the weights as int8, and what that costs on inputs that both models run."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.errors import InputError, RunError
from workbench.models.formats.onnx import OnnxModel
from workbench.models.torch_model import TorchModel
from workbench.text import did_you_mean

from .difference import differences, unmasked
from .examples import Feeds
from .onnx_files import INLINE, append_metadata, file_bytes, open_onnx
from .onnx_inputs import OnnxInputs
from .quantized import Quantized
from .recipes import dynamic, weights
from .sizes import Trial, given_sets, trials
from .step import Report, Step, nobody, part
from .target import target_path, written_beside

if TYPE_CHECKING:
    from onnx import ModelProto

    from workbench.models.model import Model

_OPSET = 13
"""From which on ONNX has weights that are quantised per channel."""
METHODS = {"int8": weights, "dynamic": dynamic}


class QuantizedModel(OnnxModel):
    """An ONNX model with int8 weights."""

    def keep(self, folder: Path) -> None:
        """Remove a folder when this model is collected, or the process ends."""
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)


def quantize(
    model: Model,
    method: str = "int8",
    path: str | os.PathLike[str] | None = None,
    *,
    inputs: Any = None,
    overwrite: bool = False,
    progress: Report | None = None,
) -> Quantized:
    """Quantise a model for ONNX Runtime, and measure what it costs.

    Parameters
    ----------
    model
        An ONNX model; or one that runs on torch, which is exported first.
    method
        ``"int8"``
            The weights of products are int8 in blocks of 32, each with a scale of its own; ONNX Runtime brings the
            activations to int8 in blocks too, as it multiplies. Convolutions are int8 per channel, with ranges of their
            activations that are measured on the inputs. Embeddings are int8. The faithful one: nearly four times
            smaller; faster than float for a short text, about as fast for a batch.
        ``"dynamic"``
            The weights of products and recurrent layers are int8 per channel, and each activation becomes uint8 with
            one range, found at each run. Embeddings are int8; convolutions stay as they are. As small, and the faster
            one, with a larger error.
    path
        Of the new file; in a temporary folder, which goes with the model, if None.
    inputs
        To measure the error with and, for convolutions, the ranges: arrays by name, a list of such sets, or texts for
        a Hugging Face model. Random ones are made up if None, which say less than real ones.
    overwrite
        Whether a file that is there may be replaced.
    progress
        Called with a :class:`~workbench.models.export.step.Step` as each step begins; what it raises ends it.

    Returns
    -------
    workbench.models.export.quantized.Quantized
        The model, bytes before and after, and the error of each output.

    Raises
    ------
    workbench.errors.InputError
        If the method is unknown, the path cannot be written to, or the inputs do not fit.
    workbench.errors.RunError
        If there is nothing in the model that the method quantises, or ONNX Runtime fails, with its reason.
    """
    if method not in METHODS:
        raise InputError(
            f"There is no quantisation {method!r}.{did_you_mean(method, METHODS)} There are: "
            f"{', '.join(map(repr, METHODS))}."
        )
    if not isinstance(model, (OnnxModel, TorchModel)):
        raise RunError(
            f"{model.info.name} is {model.info.format}, without a graph that could run. Quantise the ONNX model, or "
            "the Hugging Face folder, that these weights belong to."
        )
    report = progress or nobody
    if path is not None:
        return _quantized(model, method, target_path(path, overwrite), os.fspath(path), inputs=inputs, report=report)
    folder = Path(tempfile.mkdtemp(prefix="fusion-workbench-"))
    try:
        made = _quantized(
            model, method, folder / f"{method}.onnx", f"{model.info.name}, {method}", inputs=inputs, report=report
        )
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    assert isinstance(made.model, QuantizedModel)
    made.model.keep(folder)
    return made


def _quantized(
    model: OnnxModel | TorchModel, method: str, target: Path, given: str, *, inputs: Any, report: Report
) -> Quantized:
    model.prepare()
    taker = model if isinstance(model, TorchModel) else OnnxInputs(model)
    sets = trials(taker, None, None) if inputs is None else given_sets(taker, inputs)
    report(Step("running the model as it is", 0.0))
    expected = [_run(model, trial, made_up=inputs is None) for trial in sets]
    with tempfile.TemporaryDirectory(prefix="fusion-workbench-") as name, written_beside(target) as beside:
        scratch = Path(name)
        source = _as_onnx(model, scratch / "float" / "model.onnx", sets, inputs, part(report, 0.1, 0.5))
        names = {spec.name: spec.dtype for spec in open_onnx(OnnxModel, source, given).info.inputs}
        feeds: list[Feeds] = [
            {key: _cast(array, names[key]) for key, array in trial.feeds.items() if key in names} for trial in sets
        ]
        METHODS[method](source, beside, feeds, scratch, part(report, 0.5, 0.85))
        report(Step("measuring the error", 0.85))
        written = open_onnx(OnnxModel, beside, given)
        if not any(dtype in ("int8", "uint8") for dtype in written.info.dtypes):
            raise RunError(
                f"There is nothing in {model.info.name} that {method!r} quantises: it has no product, no embedding"
                f"{' and no convolution' if method == 'int8' else ''} with weights of its own. Nothing was written."
            )
        found = differences(
            (unmasked(result, one), unmasked(dict(written.run(one)), one))
            for result, one in zip(expected, feeds, strict=True)
        )
        append_metadata(beside, {"quantized": method, "difference": "; ".join(map(str, found))})
        before, after = file_bytes(source), file_bytes(beside)
    sizes = "; ".join(trial.text for trial in sets)
    tried = f"made up: {sizes}" if inputs is None else f"given: {sizes}"
    return Quantized(open_onnx(QuantizedModel, target, given), method, before, after, found, tried)


def _run(model: OnnxModel | TorchModel, trial: Trial, *, made_up: bool) -> dict[str, Any]:
    try:
        return model.run(trial.feeds)
    except RunError as error:
        if not made_up:
            raise
        raise InputError(
            f"{model.info.name} does not run on inputs that were made up ({trial.text}): {error} Give real ones: "
            "quantize(inputs={'name': array, ...})."
        ) from error


def _as_onnx(model: OnnxModel | TorchModel, path: Path, sets: list[Trial], inputs: Any, report: Report) -> Path:
    """Write the model as float ONNX into a folder of its own."""
    import onnx
    import onnx.version_converter

    path.parent.mkdir()
    if isinstance(model, TorchModel):
        model.to_onnx(path, inputs=None if inputs is None else sets[0].feeds, progress=report)
        return path
    report(Step("writing a copy", 0.0))
    proto = onnx.ModelProto()
    proto.CopyFrom(model.proto)
    beside = model._source.path
    if beside is not None:
        onnx.load_external_data_for_model(proto, str(beside.parent))
    _keep_to_what_is_used(proto)
    large = model.info.nbytes > INLINE
    if model.info.opset.get("", _OPSET) < _OPSET and not large:
        # what it cannot convert stays as it is, and may still be quantised
        with suppress(RuntimeError, ValueError):
            proto = onnx.version_converter.convert_version(proto, _OPSET)
    onnx.save(proto, path, save_as_external_data=large, location="model.onnx.data" if large else None)
    return path


def _keep_to_what_is_used(proto: ModelProto) -> None:
    """Drop initialisers that nothing reads, and inputs that are initialisers, with which the tools cannot work.

    An ONNX file of before 2019 lists each weight as an input too.
    """
    graph = proto.graph
    stored = {initializer.name for initializer in graph.initializer}
    inputs = [value for value in graph.input if value.name not in stored]
    if len(inputs) < len(graph.input):
        proto.ir_version = max(proto.ir_version, 4)
        del graph.input[:]
        graph.input.extend(inputs)
    if not any(attribute.HasField("g") or attribute.graphs for node in graph.node for attribute in node.attribute):
        read = {name for node in graph.node for name in node.input} | {value.name for value in graph.output}
        unread = [place for place, initializer in enumerate(graph.initializer) if initializer.name not in read]
        for place in reversed(unread):
            del graph.initializer[place]


def _cast(array: np.ndarray[Any, Any], dtype: str) -> np.ndarray[Any, Any]:
    """Return floats in the dtype of the export, which has no bfloat16."""
    return array.astype(dtype) if dtype.startswith("float") and array.dtype.name != dtype else array
