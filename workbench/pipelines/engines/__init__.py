"""What computes a pipeline's model: ONNX Runtime or torch, behind one small interface."""

from .engine import Batch, Engine

__all__ = ["Batch", "Engine"]
