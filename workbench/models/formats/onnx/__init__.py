"""ONNX models: described from the protobuf alone, run by ONNX Runtime, which is loaded on the first run."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import numpy as np

from workbench.errors import LoadError
from workbench.models.foreign import is_text
from workbench.models.formats import Format, Option
from workbench.models.inputs import InputRules, check_outputs
from workbench.models.model import Model, TensorTable
from workbench.models.source import Source

from .graph import describe, overridable, read_proto, reading
from .session import OPTIMIZATIONS, PROVIDERS, Session, check_provider
from .tensors import TensorReader


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
        if options["provider"] != "cpu":
            check_provider(options["provider"])
        proto = read_proto(source)
        reader = TensorReader(source)
        self.tensors = reading(source, lambda: TensorTable(reader.tensors(proto.graph)))
        self.info = reading(source, describe, proto, self.tensors, source)
        self.proto = proto
        self._defaults = reading(source, overridable, proto.graph)
        self._rules = InputRules((*self._defaults, *self.info.inputs))
        self._names = [output.name for output in self.info.outputs]
        self._source, self._options = source, dict(options)
        self._session: Session | None = None
        self._lock = threading.Lock()

    def prepare(self) -> None:
        """Make the session now, so that the first run does not have to."""
        with self._lock:
            if self._session is None:
                model = str(self._source.path) if self._source.path else self._source.data or self._serialised()
                inputs = (*self._defaults, *self.info.inputs)
                self._session = Session(model, self._source.given, inputs, self.info.outputs, self._options)

    def run(self, inputs: Mapping[str, Any], outputs: list[str] | None = None) -> dict[str, np.ndarray[Any, Any]]:
        """Run the model once; see :meth:`workbench.models.model.Model.run`.

        An initialiser that the graph also lists as an input may be given, in place of its value in the file.
        """
        feeds = self._rules.check(inputs)
        names = self._names if outputs is None else check_outputs(outputs, self._names)
        if self._session is None:
            self.prepare()
        assert self._session is not None
        return dict(zip(names, self._session.run(names, feeds), strict=True))

    def _serialised(self) -> bytes:
        try:
            content: bytes = self.proto.SerializeToString()
        except Exception as error:
            raise LoadError(
                f"{self._source.given} cannot be handed to ONNX Runtime: {error}. Save it with "
                "onnx.save(model, path, save_as_external_data=True) and load the path."
            ) from error
        return content


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
        Option("provider", str, "cpu", "where ONNX Runtime computes", tuple(PROVIDERS)),
        Option("optimization", str, "all", "how far ONNX Runtime rewrites the graph", tuple(OPTIMIZATIONS)),
        Option("intra_threads", int, None, "threads within one operator; ONNX Runtime's choice if left out"),
        Option("inter_threads", int, None, "operators at the same time; one if left out"),
    ),
    recognises=_recognises,
    open=OnnxModel,
    order=10,
)
