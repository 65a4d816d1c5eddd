"""From a torch module to the graph of ONNX: torch's exporter, with the checkpoint's names and without its noise."""

from __future__ import annotations

import copy
import inspect
import logging
import sys
import threading
import types
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from workbench.errors import MissingLibraryError, RunError
from workbench.models.torch_arrays import first_line
from workbench.models.torch_model import named_results

_ALONE = threading.Lock()
"""One export at a time: torch's exporter holds its state in globals, and so does what keeps it quiet."""
_SECRET = ("pkg.torch.onnx.stack_trace", "pkg.torch.onnx.fx_node")
"""What torch notes at each node: lines of the exporting machine's files, with their paths."""


def trace(
    module: Any,
    tensors: Mapping[str, Any],
    axes: Mapping[str, Mapping[int, str]],
    outputs: Sequence[str],
    *,
    options: Mapping[str, Any],
    opset: int | None,
) -> Any:
    """Return the module as torch's ``ONNXProgram``.

    Parameters
    ----------
    module
        In evaluation; it is not changed.
    tensors
        What it is traced with, by the name of the argument.
    axes
        The names of the free axes of each.
    outputs
        Which of what it gives the graph gives, in this order.
    options
        What each call is given beside the inputs.
    opset
        Of ONNX; torch's choice if None.

    Raises
    ------
    workbench.errors.RunError
        If torch cannot export it, or not in that opset.
    workbench.errors.MissingLibraryError
        If onnxscript is not there, which torch exports with.
    """
    import torch

    try:
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MissingLibraryError(
            f"Exporting to ONNX needs onnxscript, with which torch does it: pip install onnxscript ({error})."
        ) from error
    names = list(tensors)
    shapes = tuple(dict(axes.get(name, {})) for name in names)
    try:
        with _ALONE, _quiet():
            program = torch.onnx.export(
                _positional(module, names, outputs, options),
                tuple(tensors.values()),
                dynamo=True,
                dynamic_shapes=(shapes,),
                input_names=names,
                output_names=list(outputs),
                opset_version=opset,
                verbose=False,
            )
    except Exception as error:
        raise RunError(
            f"torch {torch.__version__} cannot export {type(module).__name__} to ONNX: {_reason(error)}. What "
            "depends on values, such as a loop over a tensor, cannot be traced; and an axis is fixed where the code "
            "compares its size: name fewer free axes with dynamic=."
        ) from error
    _tidy(program, type(module).__name__)
    _hold_opset(program, opset)
    return program


def _hold_opset(program: Any, asked: int | None) -> None:
    """Refuse an export of another opset than was asked for, which torch only warns of."""
    written = program.model.opset_imports.get("")
    if asked is not None and written != asked:
        raise RunError(
            f"opset={asked} was asked for, and torch cannot convert this model from opset {written}, in which it "
            "exports. Leave opset out, or ask for one that is nearer to it."
        )


def _positional(module: Any, names: Sequence[str], outputs: Sequence[str], options: Mapping[str, Any]) -> Any:
    """Return the module with tensors in a row in and out; it shares all weights, and they keep their names.

    Within another module the weights would be named after it.
    """

    def forward(self: Any, *tensors: Any) -> Any:
        results = named_results(type(module).forward(self, **dict(zip(names, tensors, strict=True)), **options))
        return tuple(results[name] for name in outputs)

    clone = copy.copy(module)
    clone.forward = types.MethodType(forward, clone)
    return clone


def _tidy(program: Any, name: str) -> None:
    """Drop what tells of the exporting machine, and give weights that were transposed their name again."""
    graph = program.model.graph
    graph.name = name
    for node in graph.all_nodes() if hasattr(graph, "all_nodes") else graph:
        for key in _SECRET:
            node.metadata_props.pop(key, None)
    for node in graph:
        if node.op_type != "MatMul" or len(node.inputs) != 2 or node.inputs[1] is None:
            continue
        weight, scopes = node.inputs[1], node.metadata_props.get("pkg.torch.onnx.name_scopes", "")
        parts = [part.strip(" '\"") for part in scopes.strip("[]").split(",")]
        if weight.name in graph.initializers and weight.name.startswith("val_") and len(parts) > 1 and parts[-2]:
            _rename(graph, weight, f"{parts[-2]}.weight")


def _rename(graph: Any, value: Any, name: str) -> None:
    if name in graph.initializers or any(name == other.name for other in (*graph.inputs, *graph.outputs)):
        return
    held = graph.initializers.pop(value.name)
    held.name = name
    if held.const_value is not None:
        held.const_value.name = name
    graph.initializers[name] = held


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep away what the exporter prints, warns of and logs in this thread; what other threads write goes its way."""
    thread = threading.get_ident()
    loggers = [logging.getLogger(name) for name in logging.root.manager.loggerDict if name.split(".")[0] == "torch"]
    handlers = {handler for logger in loggers for handler in logger.handlers}
    mute = _Mute(thread)
    out, err = sys.stdout, sys.stderr
    try:
        for handler in handlers:
            handler.addFilter(mute)
        sys.stdout, sys.stderr = _Others(out, thread), _Others(err, thread)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        sys.stdout, sys.stderr = out, err
        for handler in handlers:
            handler.removeFilter(mute)


class _Mute(logging.Filter):
    def __init__(self, thread: int) -> None:
        super().__init__()
        self._thread = thread

    def filter(self, record: logging.LogRecord) -> bool:
        return record.thread != self._thread


class _Others:
    """A stream that takes nothing from one thread."""

    def __init__(self, stream: Any, thread: int) -> None:
        self._stream, self._thread = stream, thread

    def write(self, text: str) -> int:
        return len(text) if threading.get_ident() == self._thread else self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _reason(error: BaseException) -> str:
    """Return the cause at the bottom: the exporter wraps it in pages of advice."""
    while error.__cause__ is not None:
        error = error.__cause__
    return inspect.cleandoc(first_line(error))
