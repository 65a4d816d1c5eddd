"""The ways of ONNX Runtime to int8 that are offered: which of its tools, with which settings, in which order.

What the settings do is said at https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html. Measured
with all-MiniLM-L6-v2 on two cores with AVX-512 VNNI, ONNX Runtime 1.31, beside the float model:

=================================  ========  ==============  ============  =============
products                           cosine    one short text  16 sentences  32 x 128
=================================  ========  ==============  ============  =============
``"int8"``: blocks of 32           0.9992    1.7 x as fast   0.8 x         0.95 x
``"dynamic"``                      0.990     2.6 x           1.3 x         1.8 x
static ranges (not offered)        0.90      less than ``"dynamic"``
=================================  ========  ==============  ============  =============
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from workbench.errors import MissingLibraryError, RunError, WorkbenchError
from workbench.models.torch_arrays import first_line

from .examples import Feeds
from .onnx_files import INLINE
from .step import Report, Step

_ALONE = threading.Lock()
"""One quantisation at a time, since the process has one root logger."""
_BLOCK = 32
_INT8_COMPUTE = 4
"""MatMulNBits' accuracy level at which activations are int8 too, in blocks; lower levels compute in float."""
_NOT_DYNAMIC = {"Conv"}
"""ConvInteger is slower than a convolution in float."""


def dynamic(source: Path, target: Path, feeds: Sequence[Feeds], scratch: Path, report: Report) -> None:
    """Write the model with int8 weights per channel, and ranges of the activations that are found at each run."""
    with _ALONE, _tools() as tools:
        report(Step("quantising the weights", 0.3))
        operators = [name for name in tools.IntegerOpsRegistry if name not in _NOT_DYNAMIC]
        _quantize_dynamic(tools, _prepared(tools, source, scratch), target, operators)


def weights(source: Path, target: Path, feeds: Sequence[Feeds], scratch: Path, report: Report) -> None:
    """Write the model with int8 weights in blocks, and convolutions with ranges that the inputs have."""
    import onnx

    with _ALONE, _tools() as tools:
        report(Step("preparing the graph", 0.0))
        path = _prepared(tools, source, scratch)
        operators = {node.op_type for node in onnx.load(path, load_external_data=False).graph.node}
        if "Conv" in operators:
            report(Step("measuring the ranges of the convolutions' activations", 0.1))
            tools.quantize_static(
                _cleaned(path),
                path := scratch / "convolutions.onnx",
                _Reader(feeds),
                op_types_to_quantize=["Conv"],
                per_channel=True,
                activation_type=tools.QuantType.QUInt8,
                weight_type=tools.QuantType.QInt8,
                use_external_data_format=_is_large(source),
            )
        report(Step("quantising the weights", 0.6))
        # it also writes each Gemm as a product and a sum, of which the next step knows the product
        embedded = scratch / "embeddings.onnx"
        _quantize_dynamic(tools, path, embedded, ["Gather"])
        quantizer = tools.MatMulNBitsQuantizer(
            onnx.load(embedded),
            bits=8,
            block_size=_BLOCK,
            is_symmetric=True,
            accuracy_level=_INT8_COMPUTE,
            op_types_to_quantize=("MatMul",),
        )
        quantizer.process()
        quantizer.model.save_model_to_file(str(target), _is_large(source))


class _Reader:
    """Inputs as ONNX Runtime's calibration reads them, once from the beginning."""

    def __init__(self, feeds: Sequence[Feeds]) -> None:
        self._left = iter(feeds)

    def get_next(self) -> Feeds | None:
        return next(self._left, None)


def _prepared(tools: _Tools, source: Path, scratch: Path) -> Path:
    """Return the model with its constants folded and shapes inferred, of which more can be quantised; else as it is."""
    target = scratch / "prepared.onnx"
    large = _is_large(source)
    try:
        # its symbolic inference fails for masks of transformers 5, and leaves a file in the current folder
        tools.quant_pre_process(
            source,
            target,
            skip_symbolic_shape=True,
            save_as_external_data=large,
            all_tensors_to_one_file=large,
            external_data_location="prepared.onnx.data" if large else None,
        )
    except Exception:
        return source
    return target


def _cleaned(path: Path) -> Path:
    """Drop what is wrong or too much in a file that a tool wrote; each tool infers shapes anew."""
    import onnx

    proto = onnx.load(path, load_external_data=False)
    del proto.graph.value_info[:]  # a weight that was transposed keeps its old shape there
    used = {node.domain for node in proto.graph.node} | {node.domain for one in proto.functions for node in one.node}
    kept = [entry for entry in proto.opset_import if entry.domain in used]  # ONNX Runtime lists all that it knows
    del proto.opset_import[:]
    proto.opset_import.extend(kept)
    onnx.save(proto, path)
    return path


def _quantize_dynamic(tools: _Tools, source: Path, target: Path, operators: Sequence[str]) -> None:
    tools.quantize_dynamic(
        _cleaned(source),
        target,
        op_types_to_quantize=list(operators),
        per_channel=True,
        weight_type=tools.QuantType.QInt8,
        use_external_data_format=_is_large(source),
    )


def _is_large(path: Path) -> bool:
    return sum(one.stat().st_size for one in path.parent.glob(f"{path.name}*")) > INLINE


class _Tools(NamedTuple):
    """What is used of ONNX Runtime's tools, which are imported under guard."""

    QuantType: Any
    quantize_dynamic: Any
    quantize_static: Any
    MatMulNBitsQuantizer: Any
    IntegerOpsRegistry: Any
    quant_pre_process: Any


@contextmanager
def _tools() -> Iterator[_Tools]:
    """Give ONNX Runtime's tools without what they log, and take back what they do to the logging of the process."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        root.handlers = [logging.NullHandler()]  # else both basicConfig() and the first logging.warning() would add one
        try:
            from onnxruntime.quantization import QuantType, quantize_dynamic, quantize_static
            from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
            from onnxruntime.quantization.registry import IntegerOpsRegistry
            from onnxruntime.quantization.shape_inference import quant_pre_process
        except ImportError as error:
            raise MissingLibraryError(
                f"Quantising needs ONNX Runtime with its tools ({error}): pip install 'fusion-workbench[cpu]'."
            ) from error
        yield _Tools(
            QuantType, quantize_dynamic, quantize_static, MatMulNBitsQuantizer, IntegerOpsRegistry, quant_pre_process
        )
    except WorkbenchError:
        raise
    except Exception as error:
        raise RunError(
            f"ONNX Runtime's quantisation stopped: {type(error).__name__}: {first_line(error)}. The model itself "
            "runs; try the other method, 'int8' or 'dynamic'."
        ) from error
    finally:
        root.handlers = handlers
        root.setLevel(level)
