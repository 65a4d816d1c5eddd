"""ONNX's own conformance suite, as the onnx package carries it, run through ``load`` and beside the bare session.

``python tests/workbench/models/conformance.py`` prints the table of the whole suite, which takes about a minute.
"""

from __future__ import annotations

import collections
import ctypes
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper
from onnx.backend.test.loader import load_model_tests
from onnx.backend.test.runner import Runner

import workbench as wb
from workbench.errors import WorkbenchError
from workbench.models.formats.onnx.graph import DTYPES

KINDS = ("node", "simple", "pytorch-converted", "pytorch-operator", "real")
"""The suite's own names for its parts; the last are the light models."""

KNOWN = {
    "bernoulli": "random: no two runs are alike, and the suite's result is one of them",
    "training_dropout": "random: ONNX Runtime's generator is not NumPy's",
    "dft": "rounding: single precision leaves up to 1e-4 where the suite has zero, to which only 1e-7 is allowed",
    "stft": "rounding: as dft",
    "attention_4d_causal_fp16": "rounding: one float16 of 192 is another, by one unit in the last place",
    "with_past_and_present_qk_matmul_bias": "ONNX Runtime leaves the causal mask out of an optional output",
    "maxunpool_export": "ONNX Runtime reads the indices by output_shape, the suite by the size of the pooled input",
    "resize_downsample_scales": "ONNX Runtime aligns the corners by the rounded size, the suite by the one before",
    "range_": "the reference evaluator gives a column where the graph declares a vector",
    "gradient_of": "neither has the operator Gradient of ai.onnx.preview.training",
    "attention_4d_diff_heads_mask4d_padded_kv": "ONNX Runtime wants the mask as long as the padded keys",
    "convinteger_with_padding": "ONNX Runtime takes only one zero point for all weights",
    "reduce_max_empty_set_bool": "ONNX Runtime does not define the largest of no truth values",
}
"""Why models do not give the suite's result, by a part of their names."""


class Case(NamedTuple):
    """One model with what goes in and what should come out."""

    name: str
    kind: str
    model: bytes
    sets: list[tuple[list[Any], list[Any]]]
    rtol: float
    atol: float


class Result(NamedTuple):
    """What became of a case."""

    name: str
    kind: str
    provider: str
    """What ran it; empty if nothing did."""
    matches: bool
    """Whether it gave the suite's result to its tolerance."""
    bare: str
    """Beside the bare session: ``"same"``, ``"random"``, ``"refuses"``, or what differs."""
    reason: str
    """The error, or how the result differs."""


def cases(*kinds: str) -> Iterator[Case]:
    """Yield the cases of these kinds, of all by default, in the order of their names."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for kind in kinds or KINDS:
            for one in sorted(load_model_tests(kind=kind), key=lambda one: one.name):
                model, sets = _content(one)
                yield Case(one.name.removeprefix("test_"), kind, model, sets, one.rtol, one.atol)


def run(case: Case, provider: str = "auto") -> Result:
    """Load and run a case; an error that is not ours goes through."""
    provider_ran = reason = ""
    bare = "refuses"
    outputs = []
    try:
        model = wb.load(case.model, provider=provider)
        check_description(case, model)
        names = [spec.name for spec in model.info.inputs]
        outputs = [model.run(dict(zip(names, inputs, strict=True))) for inputs, _ in case.sets]
        provider_ran = outputs[0].provider
    except WorkbenchError as error:
        reason = f"{type(error).__name__}: {error}"
    if provider != "reference":
        bare = _beside_the_bare_session(case, outputs if provider_ran == "cpu" else None)
    try:
        for (_, expected), given in zip(case.sets, outputs, strict=True):
            compare(expected, list(given.values()), case)
    except (AssertionError, ValueError) as error:
        reason = reason or " ".join(str(error).split())[:200]
    return Result(case.name, case.kind, provider_ran, not reason, bare, reason)


def compare(expected: list[Any], given: list[Any], case: Case) -> None:
    """Raise AssertionError where an output is not the suite's, as the suite itself compares, value by value."""
    assert len(expected) == len(given)
    for want, have in zip(expected, given, strict=True):
        if isinstance(want, (list, tuple)):
            compare(list(want), have, case)
        elif want is None:
            assert have is None
        else:
            Runner.assert_similar_outputs([np.asarray(want)], [have], case.rtol, case.atol)


def check_description(case: Case, model: Any) -> None:
    """Compare with what the proto says, read here in another way."""
    graph = onnx.load_model_from_string(case.model).graph
    initialised = {tensor.name for tensor in graph.initializer}
    for specs, values in [
        (model.info.inputs, [value for value in graph.input if value.name not in initialised]),
        (model.info.outputs, list(graph.output)),
    ]:
        assert [spec.name for spec in specs] == [value.name for value in values]
        for spec, value in zip(specs, values, strict=True):
            tensor = value.type.tensor_type
            if not value.type.HasField("tensor_type"):
                assert "(" in spec.dtype
                continue
            assert spec.dtype == (DTYPES[tensor.elem_type] if tensor.elem_type else "undefined")
            shape = [size.dim_param or size.dim_value for size in tensor.shape.dim]
            declared = shape if tensor.HasField("shape") else None
            assert (None if spec.shape is None else [size or 0 for size in spec.shape]) == declared


def known(name: str) -> str:
    """Return why a model is known not to give the suite's result; empty if it should."""
    return next((why for part, why in KNOWN.items() if part in name), "")


def table(results: list[Result]) -> str:
    """Return the counts, and the classes of models that do not give the suite's result."""
    kinds = [[kind, *_counts([result for result in results if result.kind == kind])] for kind in KINDS]
    heads = ["", "models", "ONNX Runtime", "reference", "suite's result", "other result", "our error", "same as bare"]
    rows = [heads, *kinds, ["all", *_counts(results)]]
    widths = [max(len(str(row[column])) for row in rows) for column in range(len(heads))]
    lines = ["  ".join(str(cell).rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    classes = collections.Counter(known(one.name) or f"{one.name}: {one.reason}" for one in results if not one.matches)
    return "\n".join([*lines, "", *(f"{count:3}  {why}" for why, count in classes.most_common())])


def _counts(results: list[Result]) -> list[int]:
    def count(holds: Callable[[Result], bool]) -> int:
        return sum(map(holds, results))

    return [
        len(results),
        count(lambda one: one.provider == "cpu"),
        count(lambda one: one.provider == "reference"),
        count(lambda one: one.matches),
        count(lambda one: bool(not one.matches and one.provider)),
        count(lambda one: not one.provider),
        count(lambda one: one.bare == "same"),
    ]


def _content(one: Any) -> tuple[bytes, list[tuple[list[Any], list[Any]]]]:
    """Return a case's model and its sets of inputs and expected outputs, as the suite's own runner finds them."""
    if one.data_sets is not None:
        sets = [([_array(x) for x in inputs], [_array(x) for x in outputs]) for inputs, outputs in one.data_sets]
        return one.model.SerializeToString(), sets
    if one.model_dir:
        folder = Path(one.model_dir)
        model = onnx.load(folder / "model.onnx")
        folders = sorted(folder.glob("test_data_set*"))
        sets = [(_stored(at, "input", model.graph.input), _stored(at, "output", model.graph.output)) for at in folders]
        return (folder / "model.onnx").read_bytes(), sets
    path = Path(onnx.__file__).parent.parent / one.url
    graph = onnx.load(path).graph
    initialised = {tensor.name for tensor in graph.initializer}
    inputs = [Runner.generate_dummy_data(value) for value in graph.input if value.name not in initialised]
    return path.read_bytes(), [(inputs, _stored(path.parent, f"{path.stem}_output", graph.output))]


def _stored(folder: Path, prefix: str, values: Any) -> list[Any]:
    protos = {"sequence_type": onnx.SequenceProto, "optional_type": onnx.OptionalProto, "tensor_type": onnx.TensorProto}
    readers: dict[str, Callable[[Any], Any]] = {
        "sequence_type": numpy_helper.to_list,
        "optional_type": numpy_helper.to_optional,
        "tensor_type": numpy_helper.to_array,
    }
    found = []
    for index in range(len(list(folder.glob(f"{prefix}_*.pb")))):
        kind = values[index].type.WhichOneof("value")
        proto = protos[kind]()
        proto.ParseFromString((folder / f"{prefix}_{index}.pb").read_bytes())
        found.append(readers[kind](proto))
    return found


def _array(value: Any) -> Any:
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value


def _beside_the_bare_session(case: Case, ours: list[Any] | None) -> str:
    try:
        theirs, again = _bare(case), _bare(case)
    except Exception:  # whatever it raises, it does not run
        return "refuses"
    if theirs != again:
        return "random"
    if ours is None:
        return "the bare session runs it, and ours did not"
    for outputs, kept in zip(ours, theirs, strict=True):
        if not all(_is(*pair) for pair in zip(outputs.values(), kept, strict=True)):
            return "differs from the bare session"
    return "same"


def _is(value: Any, kept: Any) -> bool:
    """Tell whether a value is the one of which `_bytes` were kept, but for the last bits of floats."""
    if not isinstance(value, np.ndarray) or value.dtype.name not in ("float16", "float32", "float64"):
        return bool(_bytes(value) == kept)
    shape, data = kept
    theirs = np.frombuffer(data, value.dtype)
    return value.shape == shape and np.allclose(
        value.ravel(), theirs, rtol=8 * np.finfo(value.dtype).eps, atol=1e-7, equal_nan=True
    )


def _bare(case: Case) -> list[list[Any]]:
    """Run a bare session and return the bytes of its outputs."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(case.model, options, providers=["CPUExecutionProvider"])
    initialised = {tensor.name for tensor in onnx.load_model_from_string(case.model).graph.initializer}
    names = [value.name for value in session.get_inputs() if value.name not in initialised]
    results = []
    for inputs, _ in case.sets:
        feeds = dict(zip(names, map(_feed, inputs), strict=True))
        try:
            results.append([_bytes(value) for value in session.run(None, feeds)])
        except RuntimeError as error:
            if "Numpy" not in str(error):
                raise
            values = {
                name: feed if isinstance(feed, onnxruntime.OrtValue) else onnxruntime.OrtValue.ortvalue_from_numpy(feed)
                for name, feed in feeds.items()
            }
            results.append([_bytes(value) for value in session.run_with_ort_values(None, values)])
    return results


def _feed(value: Any) -> Any:
    """Return what the bare session takes: its own value where NumPy lacks the dtype."""
    if value is None or isinstance(value, list):
        return value
    array = np.asarray(value)
    if array.dtype.isbuiltin == 1:
        return array
    proto = numpy_helper.from_array(array)
    made = onnxruntime.OrtValue.ortvalue_from_shape_and_type(list(array.shape), proto.data_type)
    ctypes.memmove(made.data_ptr(), proto.raw_data, len(proto.raw_data))
    return made


def _bytes(value: Any) -> Any:
    """Return a value's shape and bytes; those of dtypes that NumPy lacks as onnx stores them."""
    if value is None or isinstance(value, list):
        return value if value is None else [_bytes(item) for item in value]
    if isinstance(value, onnxruntime.OrtValue):
        if value.data_type() == "tensor(string)" or np.dtype(_numpy_name(value)).isbuiltin == 1:
            return _bytes(value.numpy())
        shape = tuple(value.shape())
        stored = numpy_helper.from_array(np.zeros(shape, onnx.helper.tensor_dtype_to_np_dtype(value.element_type())))
        return shape, ctypes.string_at(value.data_ptr(), len(stored.raw_data))
    array = np.asarray(value)
    if array.dtype == object:
        return array.shape, array.tolist()
    return array.shape, array.tobytes() if array.dtype.isbuiltin == 1 else numpy_helper.from_array(array).raw_data


def _numpy_name(value: Any) -> Any:
    return onnx.helper.tensor_dtype_to_np_dtype(value.element_type())


if __name__ == "__main__":
    print(table([run(case) for case in cases()]))
