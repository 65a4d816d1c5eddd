"""What computes a pipeline's model: ONNX Runtime or torch, behind one small interface."""

from .choose import open_engine
from .engine import Batch, Engine, Head
from .schedule import compute

__all__ = ["Batch", "Engine", "Head", "compute", "open_engine"]
