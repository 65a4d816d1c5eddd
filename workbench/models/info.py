"""What a model says about itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from workbench.arrays import TensorSpec
from workbench.text import format_bytes, format_count, format_share, format_some


@dataclass(frozen=True)
class ModelInfo:
    """What a model says about itself, read without loading its weights.

    Parameters
    ----------
    format
        ``"onnx"``; ``"huggingface"``, a folder or from the hub; ``"torch"``, a module; and without a way to run it
        ``"safetensors"``, ``"numpy"`` for ``.npy`` and ``.npz``, ``"torch_file"`` for a file of ``torch.save``.
    name
        The graph's name; or the folder's, with the architecture's; or the file's.
    inputs, outputs
        :class:`~workbench.arrays.TensorSpec`, symbolic dimensions by name.
    opset
        ONNX operator set version per domain (``""`` is ONNX's own); empty for other formats.
    ir_version
        ONNX version of the file format; None for other formats.
    producer
        Who wrote it, with version; for Hugging Face the transformers version.
    parameters
        Number of elements of all weights.
    nbytes
        Bytes of all weights.
    dtypes
        Bytes by dtype name, largest first.
    metadata
        Whatever else the file says, as text.
    operators
        Number of nodes by operator, most frequent first, those of graphs inside nodes included; an operator of a domain
        other than ONNX's own has it before its name. Empty where there is no graph.
    functions
        Names of the functions that the file defines, with their domains.
    """

    format: str
    name: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    opset: Mapping[str, int]
    ir_version: int | None
    producer: str
    parameters: int
    nbytes: int
    dtypes: Mapping[str, int]
    metadata: Mapping[str, str]
    operators: Mapping[str, int] = field(default_factory=dict)
    functions: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [
            f"{self.name} ({self.format})",
            "  parameters "
            + ", ".join(filter(None, (format_count(self.parameters), format_bytes(self.nbytes), self._dtypes_text))),
        ]
        if self.opset:
            lines.append(f"  opset {self._opset_text}; IR version {self.ir_version}")
        if self.operators:
            lines.append(f"  operators {self._operators_text}")
        if self.functions:
            lines.append(f"  functions {format_some(self.functions)}")
        if self.producer:
            lines.append(f"  producer {self.producer}")
        lines += [f"  input  {spec}" for spec in self.inputs]
        lines += [f"  output {spec}" for spec in self.outputs]
        return "\n".join(lines)

    __repr__ = __str__

    @property
    def dtype_shares(self) -> dict[str, float]:
        """Share of the weights' bytes by dtype name, largest first; the shares sum to 1."""
        return {dtype: nbytes / self.nbytes for dtype, nbytes in self.dtypes.items()} if self.nbytes else {}

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What is worth knowing at a glance, as names with values in words; empty ones are unknown."""
        return [
            ("parameters", f"{self.parameters:,}"),
            ("bytes", format_bytes(self.nbytes)),
            ("dtypes", self._dtypes_text),
            ("opset", self._opset_text),
            ("operators", self._operators_text),
            ("functions", format_some(self.functions)),
            ("IR version", "" if self.ir_version is None else str(self.ir_version)),
            ("producer", self.producer),
        ]

    @property
    def _dtypes_text(self) -> str:
        return ", ".join(f"{dtype} {format_share(share)}" for dtype, share in self.dtype_shares.items())

    @property
    def _opset_text(self) -> str:
        return ", ".join(f"{domain or 'ai.onnx'} {version}" for domain, version in self.opset.items())

    @property
    def _operators_text(self) -> str:
        return format_some(f"{operator} {count}" for operator, count in self.operators.items())

    def _repr_html_(self) -> str:
        from workbench.views.models import cards

        return cards.model_card(self)
