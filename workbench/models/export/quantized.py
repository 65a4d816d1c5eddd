"""A quantised model, with its size and its error beside those of the model that it was made from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workbench.text import format_bytes

from .difference import Difference, format_cosine

if TYPE_CHECKING:
    from workbench.models.formats.onnx import OnnxModel

_WORDS = (
    (0.9995, "hardly to be told from the original"),
    (0.995, "close to the original: labels and rankings mostly stay"),
    (0.98, "near the original: try it on your own task before you trust it"),
    (0.9, "clearly different from the original: expect other labels and rankings"),
    (-1.0, "not the same model any more: do not use it unseen"),
)
"""By the smallest cosine, from which on."""


@dataclass(frozen=True)
class Quantized:
    """What a quantisation gave.

    Parameters
    ----------
    model
        The quantised model, ready to run.
    method
        ``"int8"`` or ``"dynamic"``; see :func:`workbench.models.export.quantize.quantize`.
    bytes_before, bytes_after
        Of the ONNX files, with their external data.
    differences
        Of each output: the worst over the inputs, against the model that was quantised.
    tried
        The inputs in words: ``"made up: batch 2, sequence 7; batch 1, sequence 5"``.
    """

    model: OnnxModel = field(repr=False)
    method: str
    bytes_before: int
    bytes_after: int
    differences: tuple[Difference, ...]
    tried: str

    @property
    def ratio(self) -> float:
        """How many times smaller the file is."""
        return self.bytes_before / self.bytes_after

    @property
    def worst(self) -> Difference | None:
        """The output with the smallest cosine; None if there is no output of numbers."""
        return min(self.differences, key=lambda one: one.cosine, default=None)

    @property
    def verdict(self) -> str:
        """What it costs, in words; speed is not in it, which depends on machine and sizes: race both."""
        size = _size_in_words(self.ratio)
        if self.worst is None:
            return f"{size}; no output is a number that could be compared"
        words = next(text for least, text in _WORDS if self.worst.cosine >= least)
        return f"{size}, {words} (cosine {format_cosine(self.worst.cosine)})"

    @property
    def facts(self) -> list[tuple[str, str]]:
        """Sizes as names with values in words."""
        return [("before", format_bytes(self.bytes_before)), ("after", format_bytes(self.bytes_after))]

    def __str__(self) -> str:
        return "\n".join(
            [
                f"{self.model.info.name}, {self.method}: {self.verdict}",
                f"  {format_bytes(self.bytes_before)} before, {format_bytes(self.bytes_after)} after",
                *(f"  {one}" for one in self.differences),
                f"  tried with inputs {self.tried}",
            ]
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from workbench.views.models.export_card import quantized_card

        return quantized_card(self)


def _size_in_words(ratio: float) -> str:
    if 0.9 < ratio < 1.1:
        return "about as large"
    return f"{ratio:.1f} times smaller" if ratio > 1 else f"{1 / ratio:.1f} times larger"
