"""ONNX models: described from the protobuf alone, run by ONNX Runtime or onnx, which are loaded on the first run."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from workbench.errors import InputError, LoadError, RunError
from workbench.models.awaited import Stop
from workbench.models.foreign import is_text
from workbench.models.formats import Format, Option
from workbench.models.inputs import InputRules, check_outputs
from workbench.models.model import Model, TensorTable
from workbench.models.outputs import Outputs
from workbench.models.profile import Profile
from workbench.models.source import Source

from .engines import Auto, Engine
from .graph import describe, overridable, read_proto, reading
from .hazards import check_hazards
from .providers import AUTO, CHOICES, REFERENCE, SHORT, check_provider
from .reference import Reference
from .rows import mixes_rows
from .session import OPTIMIZATIONS, Session
from .tensors import TensorReader
from .walk import external_tensors

if TYPE_CHECKING:
    import numpy as np

    from workbench.models.cost import ModelCost


class OnnxModel(Model):
    """An ONNX model; the ONNX Runtime session is made on the first run, or by :meth:`prepare`.

    Parameters
    ----------
    source
        A file, bytes or a ModelProto.
    options
        Those of :data:`FORMAT`.
    """

    def __init__(self, source: Source, options: Mapping[str, Any]) -> None:
        check_provider(options["provider"], options["provider_options"])
        proto = read_proto(source)
        reader = TensorReader(source)
        self.tensors = reading(source, lambda: TensorTable(reader.tensors(proto.graph)))
        self.info = reading(source, describe, proto, self.tensors, source)
        self.proto = proto
        self._defaults = reading(source, overridable, proto.graph)
        self._rules = InputRules((*self._defaults, *self.info.inputs))
        self._names = [output.name for output in self.info.outputs]
        self._source, self._reader, self._options = source, reader, dict(options)
        self._engine: Engine | None = None
        self._lock = threading.Lock()

    @property
    def provider(self) -> str:
        """What computes: the name that ``load`` has for it; for ``"auto"`` known once the first run was prepared."""
        return self._engine.provider if self._engine is not None else self._options["provider"]

    def prepare(self) -> None:
        """Make the session now, so that the first run does not have to."""
        self._prepared()

    def run(self, inputs: Mapping[str, Any], outputs: list[str] | None = None) -> Outputs:
        """Run the model once; see :meth:`workbench.models.model.Model.run`.

        An initialiser that the graph also lists as an input may be given, in place of its value in the file. The result
        says by ``provider`` what computed it.
        """
        return self._run(inputs, outputs, None)

    def run_until(self, inputs: Mapping[str, Any], outputs: list[str] | None, stop: Stop | None) -> Outputs:
        """Run the model once; ONNX Runtime ends at the next node when ``stop`` is requested."""
        return self._run(inputs, outputs, stop)

    def cost(self, inputs: Mapping[str, Any] | None = None, **symbols: int) -> ModelCost:
        """Return what one run costs; see :meth:`workbench.models.model.Model.cost`."""
        from .cost import graph_cost

        return graph_cost(
            self.proto, self._source.given, self.info.inputs, self.tensors, inputs=inputs, symbols=symbols
        )

    def profile(self, inputs: Mapping[str, Any], runs: int = 10, outputs: list[str] | None = None) -> Profile:
        """Measure where the time of a run goes, by ONNX Runtime's own profile.

        A session is made for it with the options of ``load``, which needs the memory of a second one meanwhile.

        Parameters
        ----------
        inputs, outputs
            As for :meth:`run`.
        runs
            How many runs are measured, after one that is not.

        Returns
        -------
        workbench.models.profile.Profile
            A row for each node that ran, and for each operator.

        Raises
        ------
        workbench.errors.InputError
            If the inputs do not fit, or ``runs`` is no number from 1 on.
        workbench.errors.RunError
            If the model runs on the reference evaluator, which keeps no times.
        """
        from .profile import profile

        if type(runs) is not int or runs < 1:
            raise InputError(f"runs={runs!r} is not a number from 1 on; it says how many runs are measured.")
        feeds = self._rules.check(inputs)
        names = self._names if outputs is None else check_outputs(outputs, self._names)
        if self._prepared().provider == REFERENCE:
            raise RunError(
                f"{self._source.given} runs on onnx's reference evaluator, which keeps no times. Load it with "
                "provider='cpu' if ONNX Runtime takes it."
            )
        name = self.info.name or self._source.label
        return profile(self._open_session, names, feeds, runs, model=name, options=self._options)

    def mixes_rows(self) -> bool:
        """Return whether there is an operator whose rows may depend on one another for some values only."""
        return mixes_rows(self.proto)

    def _run(self, inputs: Mapping[str, Any], outputs: list[str] | None, stop: Stop | None) -> Outputs:
        feeds = self._rules.check(inputs)
        names = self._names if outputs is None else check_outputs(outputs, self._names)
        try:
            return (self._engine or self._prepared()).run(names, feeds, stop)
        except RunError as error:
            if apart := self._rules.disagreement(feeds):
                raise RunError(f"{error} By what the graph declares, {apart}") from error.__cause__
            raise

    def _prepared(self) -> Engine:
        with self._lock:
            if self._engine is None:
                for tensor, _ in external_tensors(self.proto):
                    entries = {entry.key: entry.value for entry in tensor.external_data}
                    self._reader.check_external(entries.get("location", ""), tensor.name)
                check_hazards(self.proto, self._source.given)
                self._engine = self._open_engine()
            return self._engine

    def _open_engine(self) -> Engine:
        provider = self._options["provider"]
        if provider == AUTO:
            return Auto(self._open_session, self._open_reference)
        return self._open_reference() if provider == REFERENCE else self._open_session()

    def _open_session(self, profile: str = "") -> Session:
        source = self._source
        model: str | bytes | None = str(source.path) if source.path else source.data
        weights = None
        if model is None:
            model, weights = self._written()
        inputs = (*self._defaults, *self.info.inputs)
        return Session(model, source.given, inputs, self.info.outputs, self._options, weights=weights, profile=profile)

    def _open_reference(self) -> Reference:
        return Reference(self.proto, self._source.given, self.info.outputs, self._reader)

    def _written(self) -> tuple[bytes, dict[str, np.ndarray[Any, Any]] | None]:
        """Return the proto as bytes, and apart from them the weights of one that protobuf cannot write whole."""
        try:
            return self.proto.SerializeToString(), None
        except Exception:  # over 2 GiB
            from .oversize import without_weights

        try:
            return without_weights(self.proto)
        except Exception as error:
            raise LoadError(
                f"{self._source.given} cannot be handed to ONNX Runtime: {error}. Save it with "
                "onnx.save(model, path, save_as_external_data=True) and load the path."
            ) from error


# field numbers of ModelProto that have no wire type but this one, as the first byte of the file
_FIRST_BYTES = bytes([0x08, 0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42, 0x72])


def _recognises(source: Source) -> bool:
    if source.value is not None:
        return type(source.value).__name__ == "ModelProto" and type(source.value).__module__.startswith("onnx")
    head = source.head
    return source.is_file and head[:1] in [bytes([first]) for first in _FIRST_BYTES] and not is_text(head)


FORMAT = Format(
    name="onnx",
    title="an ONNX model",
    options=(
        Option("provider", str, "cpu", "where ONNX Runtime computes; auto: or else the reference", CHOICES, SHORT),
        Option("optimization", str, "all", "how far ONNX Runtime rewrites the graph", tuple(OPTIMIZATIONS)),
        Option("intra_threads", int, None, "threads within one operator; ONNX Runtime's choice if left out"),
        Option("inter_threads", int, None, "operators at the same time; one if left out"),
        Option("provider_options", dict, None, "options of the provider, such as {'device_id': 0}"),
    ),
    recognises=_recognises,
    open=OnnxModel,
    order=10,
)
