"""Ring kernels: named workers that keep their state from message to message, with bounded queues both ways."""

from .dead_letters import DeadLetter
from .handle import KernelHandle
from .message import Forward, Reply
from .metrics import KernelMetrics, KernelStatus, RuntimeStatus
from .options import LaunchOptions
from .runtime import Runtime
from .similarity import similarity_matrix
from .stages import TextRecord, stream_texts
from .states import State

__all__ = [
    "DeadLetter",
    "Forward",
    "KernelHandle",
    "KernelMetrics",
    "KernelStatus",
    "LaunchOptions",
    "Reply",
    "Runtime",
    "RuntimeStatus",
    "State",
    "TextRecord",
    "similarity_matrix",
    "stream_texts",
]
