"""Running an ONNX model on onnx's own reference evaluator: NumPy, node by node; slow, and right by definition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.arrays import DTYPE_BITS, TensorSpec, dtype_name
from workbench.errors import LoadError, RunError, WorkbenchError
from workbench.models.awaited import Stop
from workbench.models.outputs import Outputs
from workbench.text import format_shape

from .providers import REFERENCE
from .reasons import reason
from .tensors import TensorReader
from .walk import external_tensors

if TYPE_CHECKING:
    from onnx import ModelProto, SparseTensorProto
    from onnx.reference import ReferenceEvaluator


class Reference:
    """A model that is ready to run on the reference evaluator.

    Parameters
    ----------
    proto
        The model, its external data still outside.
    given
        The source, as the user named it.
    outputs
        What the graph says it gives, against which each result is checked.
    reader
        Finds external data.

    Raises
    ------
    workbench.errors.LoadError
        If the evaluator does not take the model: an operator without implementation, above all.
    """

    provider = REFERENCE

    def __init__(self, proto: ModelProto, given: str, outputs: tuple[TensorSpec, ...], reader: TensorReader) -> None:
        import onnx

        self._given, self._outputs = given, {spec.name: spec for spec in outputs}
        for tensor, initialiser in external_tensors(proto):
            if not initialiser:
                raise LoadError(
                    f"onnx's reference evaluator cannot run {given}: a node of it has the tensor {tensor.name!r} in "
                    "another file. Save it with its data inside: onnx.save(onnx.load(path), path)."
                )
        try:
            self._evaluator = _evaluator(reader)(proto)
        except WorkbenchError:
            raise
        except Exception as error:
            raise LoadError(
                f"The reference evaluator of onnx {onnx.__version__} cannot run {given}: {reason(error)}. Its tensors "
                "can be inspected all the same; to run it, export it with operators that ONNX defines."
            ) from error

    def run(self, names: list[str], feeds: dict[str, Any], stop: Stop | None = None, why: str = "") -> Outputs:
        """Run once; ``stop`` does not reach it, and ``why`` is passed on."""
        try:
            # as in ONNX Runtime, a division by zero gives infinity and no warning
            with np.errstate(all="ignore"):
                values = self._evaluator.run(names, feeds)
        except Exception as error:
            raise RunError(
                f"onnx's reference evaluator stopped while running {self._given}: {reason(error)}. The inputs fit what "
                "the graph declares; check that their sizes fit one another and what its nodes compute."
            ) from error
        arrays = [_as_array(value) for value in values]
        for name, array in zip(names, arrays, strict=True):
            self._check(self._outputs[name], array)
        return Outputs(names, arrays, REFERENCE, why)

    def _check(self, spec: TensorSpec, array: Any) -> None:
        """Refuse what contradicts the graph: the evaluator has mistakes, and some of them show so."""
        if not isinstance(array, np.ndarray) or (spec.dtype not in DTYPE_BITS and spec.dtype != "string"):
            return
        fits = spec.shape is None or (
            array.ndim == len(spec.shape)
            and all(have == want for have, want in zip(array.shape, spec.shape, strict=True) if isinstance(want, int))
        )
        if dtype_name(array.dtype) != spec.dtype or not fits:
            raise RunError(
                f"onnx's reference evaluator gave {dtype_name(array.dtype)} {format_shape(array.shape)} for an output "
                f"of {self._given} that is {spec}, so its result is not to be trusted. Check what the graph declares, "
                "or run it with provider='cpu'."
            )


def _evaluator(reader: TensorReader) -> type[ReferenceEvaluator]:
    """Return the evaluator with what it lacks: external data, and initialisers that are sparse."""
    from onnx.reference import ReferenceEvaluator

    class Evaluator(ReferenceEvaluator):
        def retrieve_external_data(self, initializer: Any) -> np.ndarray[Any, Any]:
            return reader.stored(initializer, initializer.name).numpy()

        def _init(self) -> None:
            sparse = [one for one in self.inits_ if not hasattr(one, "data_location")]
            self.inits_ = [one for one in self.inits_ if hasattr(one, "data_location")]
            super()._init()
            self.rt_inits_.update((one.values.name, _dense(one)) for one in sparse)

    return Evaluator


def _dense(sparse: SparseTensorProto) -> np.ndarray[Any, Any]:
    """Return a sparse tensor as an array; its indices are flat, or one row for each value."""
    from onnx import numpy_helper

    values, indices = numpy_helper.to_array(sparse.values), numpy_helper.to_array(sparse.indices)
    array = np.zeros(tuple(sparse.dims), values.dtype)
    array[np.unravel_index(indices, array.shape) if indices.ndim == 1 else tuple(indices.T)] = values
    return array


def _as_array(value: Any) -> Any:
    """Return NumPy's scalars as arrays and its texts as objects, as ONNX Runtime gives them; the same within lists."""
    if isinstance(value, (list, tuple)):
        return [_as_array(item) for item in value]
    if isinstance(value, (np.ndarray, np.generic)):
        array = np.asarray(value)
        return array.astype(object) if array.dtype.kind in "UT" else array
    return value
