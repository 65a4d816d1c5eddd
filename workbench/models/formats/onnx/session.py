"""Running an ONNX model on ONNX Runtime: a session with the options of ``load``, and its errors in our words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from workbench.arrays import TensorSpec
from workbench.errors import LoadError, RunError
from workbench.models.awaited import Stop
from workbench.models.outputs import Outputs

from .opening import open_session, silent_options
from .providers import AUTO, PROVIDERS, chain, onnxruntime
from .reasons import reason
from .values import from_value, is_native, to_value

OPTIMIZATIONS = {
    "disable": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
}
_REFUSALS = {"Fail", "NotImplemented", "InvalidGraph", "InvalidArgument", "InvalidProtobuf"}
"""Errors of ONNX Runtime at load that speak of the model, not of the machine."""


class RefusedError(LoadError):
    """A model that ONNX Runtime does not take, because of what is in it; ``why`` is the message without the advice."""

    def __init__(self, why: str, advice: str) -> None:
        super().__init__(f"{why} {advice}")
        self.why = why


class UnsupportedError(RunError):
    """A model that ONNX Runtime took and does not implement for these inputs; ``why`` as in :class:`RefusedError`."""

    def __init__(self, why: str, advice: str) -> None:
        super().__init__(f"{why} {advice}")
        self.why = why


class Session:
    """A model that is ready to run on ONNX Runtime.

    Parameters
    ----------
    model
        Path, or bytes of the file.
    given
        The source, as the user named it.
    inputs, outputs
        What the graph takes and gives, by which dtypes that NumPy lacks are passed.
    options
        ``provider``, ``provider_options``, ``optimization``, ``intra_threads``, ``inter_threads``.
    weights
        Initialisers by name that ``model`` marks as lying elsewhere.
    profile
        Beginning of the path of a file into which ONNX Runtime writes the times of all nodes; no profile if empty.

    Raises
    ------
    RefusedError
        If ONNX Runtime does not take the model, with its reason.
    workbench.errors.LoadError
        If it cannot be loaded for another reason: no memory, no file.
    workbench.errors.RunError
        If the provider does not start.
    """

    def __init__(
        self,
        model: str | bytes,
        given: str,
        inputs: tuple[TensorSpec, ...],
        outputs: tuple[TensorSpec, ...],
        options: Mapping[str, Any],
        *,
        weights: Mapping[str, np.ndarray[Any, Any]] | None = None,
        profile: str = "",
    ) -> None:
        runtime = onnxruntime()
        self.provider = "cpu" if options["provider"] == AUTO else options["provider"]
        providers = chain(self.provider, options["provider_options"])
        try:
            self._session = open_session(model, _settings(options, profile), providers=providers, weights=weights)
        except Exception as error:
            why = f"ONNX Runtime {runtime.__version__} cannot run {given}: {reason(error)}."
            if type(error).__name__ not in _REFUSALS:
                raise LoadError(f"{why} Its tensors can be inspected all the same.") from error
            raise RefusedError(
                why,
                "Its tensors can be inspected all the same; to run it, load it with provider='auto', which takes "
                "onnx's slow reference evaluator, or export it with operators and an opset that ONNX Runtime knows.",
            ) from error
        first = PROVIDERS[self.provider][0]
        if first not in self._session.get_providers():
            raise RunError(
                f"provider={self.provider!r} was asked for {given} and did not start; ONNX Runtime fell back to "
                f"{self._session.get_providers()[0]}. Check the GPU with nvidia-smi and the CUDA libraries, or load "
                "with provider='cpu'."
            )
        self._given = given
        self._foreign = {spec.name for spec in inputs if not is_native(spec)}
        self._values = {spec.name for spec in outputs if not is_native(spec)}
        self._whole = {spec.name for spec in (*inputs, *outputs) if "(" in spec.dtype}
        self._plain = not self._foreign and not self._values

    def run(self, names: list[str], feeds: dict[str, Any], stop: Stop | None = None) -> Outputs:
        """Run once.

        Parameters
        ----------
        names
            The outputs to compute.
        feeds
            Arrays that fit.
        stop
            By which another thread may end this run at its next node.
        """
        running = None if stop is None else _until(stop)
        try:
            values = (
                self._session.run(names, feeds, running) if self._plain else self._run_values(names, feeds, running)
            )
        except Exception as error:
            if isinstance(error, RunError):
                raise
            why = f"ONNX Runtime stopped while running {self._given}: {reason(error)}."
            if type(error).__name__ == "NotImplemented":
                raise UnsupportedError(why, "Load it with provider='auto', which then takes the reference.") from error
            raise RunError(
                f"{why} The inputs fit what the graph declares; check that their sizes fit one another and what its "
                "nodes compute."
            ) from error
        return Outputs(names, values, self.provider)

    def end_profile(self) -> str:
        """Finish the profile and return the path of its file."""
        return str(self._session.end_profiling())

    def _run_values(self, names: list[str], feeds: dict[str, Any], running: Any) -> list[Any]:
        """Run with ONNX Runtime's own values, which also hold the dtypes that NumPy lacks."""
        if self._values.isdisjoint(names):
            mixed = {name: to_value(feed) if name in self._foreign else feed for name, feed in feeds.items()}
            return list(self._session.run(names, mixed, running))
        if whole := self._whole.intersection([*names, *feeds]):
            raise UnsupportedError(
                f"ONNX Runtime cannot pass {', '.join(sorted(whole))} of {self._given}, which are no tensors, together "
                f"with {', '.join(sorted(self._values.intersection(names)))}, whose dtype NumPy lacks.",
                "Ask for fewer of them by outputs=, or load the model with provider='auto'.",
            )
        values = {name: to_value(feed) for name, feed in feeds.items()}
        return [from_value(value) for value in self._session.run_with_ort_values(names, values, running)]


def _until(stop: Stop) -> Any:
    """Return options of a run that ends when ``stop`` is requested."""
    running = onnxruntime().RunOptions()
    stop.when_requested(lambda: setattr(running, "terminate", True))
    return running


def _settings(options: Mapping[str, Any], profile: str) -> Any:
    runtime = onnxruntime()
    settings = silent_options()
    settings.graph_optimization_level = getattr(runtime.GraphOptimizationLevel, OPTIMIZATIONS[options["optimization"]])
    if options["intra_threads"] is not None:
        settings.intra_op_num_threads = options["intra_threads"]
    if options["inter_threads"] is not None:
        settings.inter_op_num_threads = options["inter_threads"]
        parallel = options["inter_threads"] > 1
        mode = runtime.ExecutionMode
        settings.execution_mode = mode.ORT_PARALLEL if parallel else mode.ORT_SEQUENTIAL
    if profile:
        settings.enable_profiling = True
        settings.profile_file_prefix = profile
    return settings
