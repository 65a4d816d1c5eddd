"""Running an ONNX model: an ONNX Runtime session with the options of ``load``, and its errors in our words."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.arrays import TensorSpec, dtype_name, numpy_dtype, stored_nbytes
from workbench.errors import LoadError, MissingLibraryError, RunError
from workbench.models.packed import pack, unpack

from .graph import DTYPES

if TYPE_CHECKING:
    from onnxruntime import InferenceSession, OrtValue

PROVIDERS = {
    "cpu": ("CPUExecutionProvider",),
    "cuda": ("CUDAExecutionProvider", "CPUExecutionProvider"),
    "tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"),
}
OPTIMIZATIONS = {
    "disable": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
}
_NATIVE = {"string", "bool", "float16", "float32", "float64"} | {
    f"{u}int{bits}" for u in ("", "u") for bits in (8, 16, 32, 64)
}


def check_provider(provider: str) -> None:
    """Raise MissingLibraryError, with the line that installs it, if a provider is not there."""
    runtime = _onnxruntime()
    available = runtime.get_available_providers()
    if PROVIDERS[provider][0] not in available:
        here = ", ".join(name for name, chain in PROVIDERS.items() if chain[0] in available)
        raise MissingLibraryError(
            f"provider={provider!r} needs ONNX Runtime's {PROVIDERS[provider][0]}, and the ONNX Runtime "
            f"{runtime.__version__} installed here has: {here}. Install the one for NVIDIA GPUs in its place: "
            "pip uninstall -y onnxruntime && pip install 'fusion-workbench[gpu]'."
        )


class Session:
    """A model that is ready to run.

    Parameters
    ----------
    model
        Path, or bytes of the file.
    given
        The source, as the user named it.
    inputs, outputs
        What the graph takes and gives, by which dtypes that NumPy lacks are passed.
    options
        ``provider``, ``optimization``, ``intra_threads``, ``inter_threads``.

    Raises
    ------
    workbench.errors.LoadError
        If ONNX Runtime refuses the model, with its reason.
    """

    def __init__(
        self,
        model: str | bytes,
        given: str,
        inputs: tuple[TensorSpec, ...],
        outputs: tuple[TensorSpec, ...],
        options: Mapping[str, Any],
    ) -> None:
        runtime = _onnxruntime()
        provider = options["provider"]
        check_provider(provider)
        settings = runtime.SessionOptions()
        settings.log_severity_level = 4  # what fails is raised; nothing is written to the terminal
        settings.graph_optimization_level = getattr(
            runtime.GraphOptimizationLevel, OPTIMIZATIONS[options["optimization"]]
        )
        if options["intra_threads"] is not None:
            settings.intra_op_num_threads = options["intra_threads"]
        if options["inter_threads"] is not None:
            settings.inter_op_num_threads = options["inter_threads"]
            settings.execution_mode = (
                runtime.ExecutionMode.ORT_PARALLEL
                if options["inter_threads"] > 1
                else runtime.ExecutionMode.ORT_SEQUENTIAL
            )
        try:
            # its own fallback would print, try again elsewhere, and hide that it did
            self._session: InferenceSession = runtime.InferenceSession(
                model, settings, providers=list(PROVIDERS[provider]), enable_fallback=False
            )
        except Exception as error:
            raise LoadError(
                f"ONNX Runtime {runtime.__version__} cannot run {given}: {_reason(error)}. Its tensors can be "
                "inspected all the same; to run it, export it with operators and an opset that ONNX Runtime knows."
            ) from error
        if PROVIDERS[provider][0] not in self._session.get_providers():
            raise RunError(
                f"provider={provider!r} was asked for {given} and did not start; ONNX Runtime fell back to "
                f"{self._session.get_providers()[0]}. Check the GPU with nvidia-smi and the CUDA libraries, or load "
                "with provider='cpu'."
            )
        self._given = given
        self._codes = {spec.name: code for spec in inputs for code, name in DTYPES.items() if name == spec.dtype}
        plain = all(spec.dtype in _NATIVE or "(" in spec.dtype for spec in (*inputs, *outputs))
        self._call = self._session.run if plain else self._run_values

    def run(self, names: list[str], feeds: dict[str, Any]) -> list[Any]:
        """Run once and return the named outputs in order."""
        try:
            return self._call(names, feeds)
        except Exception as error:
            raise RunError(
                f"ONNX Runtime stopped while running {self._given}: {_reason(error)}. The inputs fit what the graph "
                "declares; check that their sizes fit one another and what its nodes compute."
            ) from error

    def _run_values(self, names: list[str], feeds: dict[str, Any]) -> list[Any]:
        """Run with ONNX Runtime's own values, which also hold the dtypes that NumPy lacks."""
        runtime = _onnxruntime()
        values = {}
        for name, array in feeds.items():
            dtype = dtype_name(array.dtype)
            if dtype in _NATIVE:
                values[name] = runtime.OrtValue.ortvalue_from_numpy(array)
            else:
                raw = pack(array, dtype)
                value = runtime.OrtValue.ortvalue_from_shape_and_type(list(array.shape), self._codes[name])
                ctypes.memmove(value.data_ptr(), raw.ctypes.data, raw.nbytes)
                values[name] = value
        return [_to_numpy(value) for value in self._session.run_with_ort_values(names, values)]


def _to_numpy(value: OrtValue) -> Any:
    kind = value.data_type().removeprefix("tensor(").removesuffix(")")
    standard = _BY_ORT_NAME.get(kind)
    if standard is None or not value.is_tensor():
        return value.numpy() if value.is_tensor() else value
    shape = tuple(value.shape())
    count = int(np.prod(shape, dtype=np.int64))
    nbytes = stored_nbytes(standard, count)
    data = ctypes.string_at(value.data_ptr(), nbytes) if nbytes else b""
    return unpack(data, standard, count).reshape(shape).astype(numpy_dtype(standard))


_BY_ORT_NAME = {
    "".join(character for character in name if character not in "_").replace("float4e2m1fn", "float4e2m1"): name
    for name in DTYPES.values()
    if name not in _NATIVE
}


def _onnxruntime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingLibraryError(
            "Running an ONNX model needs ONNX Runtime, which is not installed: pip install 'fusion-workbench[cpu]', or "
            "'fusion-workbench[gpu]' on a machine with an NVIDIA GPU."
        ) from error
    return onnxruntime


def _reason(error: Exception) -> str:
    """Return ONNX Runtime's message without its codes and the places in its own source."""
    text = re.sub(r"\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : ", "", str(error))
    while place := re.search(r"\S+\.(?:cc|h|cpp|cu|cuh):\d+ ", text):
        text = text[: place.start()] + text[_after_signature(text, place.end()) :]
    return " ".join(text.split()).rstrip(".")[:600] or type(error).__name__


def _after_signature(text: str, start: int) -> int:
    """Return where a C++ function's signature that begins at ``start`` ends; ``start`` if there is none."""
    depth = 0
    for at in range(start, len(text)):
        depth += (text[at] == "(") - (text[at] == ")")
        if text[at] == ")" and depth == 0 and text[at + 1 : at + 2] != "(":
            rest = re.match(r"(::<lambda[^>]*>)?( const)?( \[with [^\]]*\])?\s*", text[at + 1 :])
            return at + 1 + (rest.end() if rest else 0)
    return start
