"""What computes a pipeline's model, whatever it computes: what there is to say of it, and which one it is and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from workbench.errors import InputError, MissingLibraryError
from workbench.text import did_you_mean

from .graphs import UnfitError

if TYPE_CHECKING:
    from workbench.models.export.step import Report

    from .batching import BatchConfig

ENGINES = ("auto", "onnxruntime", "torch")
QUANTIZATIONS = ("int8", "dynamic")


@dataclass(frozen=True)
class Opening:
    """How a model is computed, and for whom; :func:`workbench.pipeline` describes it."""

    engine: str = "auto"
    device: str = "cpu"
    quantization: str | None = None
    batching: BatchConfig | None = None
    progress: Report | None = None


class Computing:
    """What computes; several threads may use it at once."""

    name: str
    """``"onnxruntime"`` or ``"torch"``."""
    why: str
    """Why this one was chosen, and what it computes with, in a sentence."""
    device: str = "cpu"
    quantization: str | None = None
    nbytes: int = 0
    """Bytes of the weights that it computes with."""
    compared_now: bool = False
    """Whether it was compared with torch, or with float32, when it was opened; else there is nothing to compare, or the
    outcome was remembered, which takes less time. What was found is the same, and ``why`` has it."""

    def close(self) -> None:
        """Give back what it holds; it computes nothing afterwards."""


Kind = TypeVar("Kind", bound=Computing)


def choose(
    how: Opening,
    *,
    by_torch: Callable[[str], Kind],
    by_own_graph: Callable[[], Kind],
    otherwise: Callable[[str], Kind],
    quantizations: tuple[str, ...] = QUANTIZATIONS,
) -> Kind:
    """Return what computes a model; its ``why`` says why it is this one.

    Parameters
    ----------
    how
        Engine, device and quantisation that are asked for: ``"auto"`` takes ONNX Runtime on the CPU where there is a
        graph of our own or weights are to be int8, and torch elsewhere.
    by_torch
        Opens it on torch; given the beginning of ``why``.
    by_own_graph
        Opens a graph of our own, or raises :class:`~workbench.pipelines.graphs.UnfitError`.
    otherwise
        What becomes of a checkpoint that has none where ONNX Runtime is asked for; given the reason, as a clause.
    quantizations
        Those that the task has.

    Raises
    ------
    workbench.errors.InputError
        If there is no such engine or quantisation, or one does not go with another.
    workbench.errors.MissingLibraryError
        If the engine that was asked for is not installed, or the device not there.
    """
    engine, device, quantization = how.engine, str(how.device), how.quantization
    check_name("engine", engine, ENGINES)
    if quantization is not None:
        check_name("quantization", quantization, quantizations)
    if engine == "torch" or device != "cpu":
        _check_torch(engine, device, quantization)
        return by_torch("asked for: " if engine == "torch" else "for a device: ")
    try:
        return by_own_graph()
    except UnfitError as error:
        why = str(error)
    except MissingLibraryError as error:
        if engine != "auto" or quantization is not None:
            raise
        return by_torch(f"ONNX Runtime is not there ({error}): ")
    if engine == "auto" and quantization is None:
        return by_torch(f"a graph of our own does not do ({why}): ")
    return otherwise(why)


def check_name(argument: str, given: object, known: tuple[str, ...]) -> None:
    """Refuse what is none of the names that an argument may have."""
    if not isinstance(given, str) or given not in known:
        there = ", ".join(map(repr, known))
        raise InputError(f"There is no {argument}={given!r} for this.{did_you_mean(given, known)} There is {there}.")


def _check_torch(engine: str, device: str, quantization: str | None) -> None:
    """Refuse what torch does not do, where the engine or the device asks for it."""
    if engine == "onnxruntime":
        raise InputError(
            f"engine='onnxruntime' computes on the CPU, and device={device!r} was asked for. Leave engine out, which "
            "takes torch there, or leave device out."
        )
    if quantization is not None:
        where = f"device={device!r} takes torch" if device != "cpu" else "engine='torch'"
        raise InputError(
            f"quantization={quantization!r} is ONNX Runtime's on the CPU, and {where}, which has none. Leave "
            f"{'device' if device != 'cpu' else 'engine'} out, or quantization."
        )
