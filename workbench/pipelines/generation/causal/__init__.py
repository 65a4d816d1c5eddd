"""Graphs of causal models with a memory of the tokens before, for ONNX Runtime: what is where, and the graph of it."""

from .weights import Causal, read_causal

__all__ = ["Causal", "read_causal"]
