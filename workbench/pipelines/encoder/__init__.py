"""Encoders of the BERT kind as ONNX graphs of our own, written straight from a checkpoint's tensors."""

from .families import FAMILIES
from .weights import Encoder, read_encoder

__all__ = ["FAMILIES", "Encoder", "read_encoder"]
