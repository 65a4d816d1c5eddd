"""Where an ONNX model is computed: the providers by the names of ``load``, whether each is here, and its options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.errors import InputError, MissingLibraryError

PROVIDERS = {
    "cpu": ("CPUExecutionProvider",),
    "cuda": ("CUDAExecutionProvider", "CPUExecutionProvider"),
    "tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"),
}
"""ONNX Runtime's own names by those of ``load``: the first computes, the others take what it cannot."""
SHORT = {names[0]: name for name, names in PROVIDERS.items()}
"""The names of ``load`` by ONNX Runtime's."""
REFERENCE = "reference"
AUTO = "auto"
CHOICES = (*PROVIDERS, REFERENCE, AUTO)


def check_provider(provider: str, options: Mapping[str, Any] | None = None) -> None:
    """Check that a provider is here and can have these options.

    Raises
    ------
    workbench.errors.MissingLibraryError
        If it is not here; with the line that installs it.
    workbench.errors.InputError
        If it has no options, or they are no numbers, truth values or texts by name.
    """
    if options:
        _check_options(provider, options)
    if provider in ("cuda", "tensorrt"):
        _check_available(provider)


def chain(provider: str, options: Mapping[str, Any] | None) -> list[Any]:
    """Return the providers as ONNX Runtime takes them, the first one with its options."""
    first, *others = PROVIDERS["cpu" if provider == AUTO else provider]
    return [(first, {name: str(value) for name, value in options.items()}) if options else first, *others]


def onnxruntime() -> Any:
    """Import ONNX Runtime.

    Raises
    ------
    workbench.errors.MissingLibraryError
        If it is not installed; with the line that installs it.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingLibraryError(
            "Running an ONNX model needs ONNX Runtime, which is not installed: pip install 'fusion-workbench[cpu]', or "
            "'fusion-workbench[gpu]' on a machine with an NVIDIA GPU. provider='reference' runs it without, slowly."
        ) from error
    return onnxruntime


def _check_available(provider: str) -> None:
    runtime = onnxruntime()
    available = runtime.get_available_providers()
    if PROVIDERS[provider][0] not in available:
        here = ", ".join(name for name, names in PROVIDERS.items() if names[0] in available)
        raise MissingLibraryError(
            f"provider={provider!r} needs ONNX Runtime's {PROVIDERS[provider][0]}, and the ONNX Runtime "
            f"{runtime.__version__} installed here has: {here}. Install the one for NVIDIA GPUs in its place: "
            "pip uninstall -y onnxruntime && pip install 'fusion-workbench[gpu]'."
        )


def _check_options(provider: str, options: Mapping[str, Any]) -> None:
    if provider not in ("cuda", "tensorrt"):
        raise InputError(
            f"provider_options={dict(options)!r} was given, and provider={provider!r} has no options; they are for "
            "provider='cuda' and 'tensorrt'."
        )
    for name, value in options.items():
        if not isinstance(name, str) or not isinstance(value, (str, int, float, bool)):
            raise InputError(
                f"provider_options has {name!r}: {value!r}; its names are texts and its values texts, numbers or "
                "truth values, such as {'device_id': 0}."
            )
