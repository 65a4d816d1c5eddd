"""Fusion Workbench: load models, see what is in them, and race NumPy against fused kernels.

>>> import workbench as wb
>>> model = wb.load("model.onnx")                                        # doctest: +SKIP
>>> wb.compare("layer_norm", shape=(512, 768)).plot()                    # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.bench.compare import compare
    from workbench.bench.past.history import history
    from workbench.bench.rooflines.roofline import roofline
    from workbench.bench.sweeps.sweep import sweep
    from workbench.bridge.bridge import TorchBridge

    from .errors import WorkbenchError
    from .models.cache.cache import ModelCache
    from .models.cache.config import CacheConfig
    from .models.load import load
    from .pipelines.batching.batcher import Batcher
    from .pipelines.batching.config import BatchConfig
    from .pipelines.pipeline import pipeline
    from .ring.options import LaunchOptions
    from .ring.runtime import Runtime
    from .views.app import Workbench
    from .views.models.inspector import inspect

__version__ = "0.1.0"

_HOME = {
    "BatchConfig": "pipelines.batching.config",
    "Batcher": "pipelines.batching.batcher",
    "CacheConfig": "models.cache.config",
    "LaunchOptions": "ring.options",
    "ModelCache": "models.cache.cache",
    "Runtime": "ring.runtime",
    "TorchBridge": "bridge.bridge",
    "WorkbenchError": "errors",
    "Workbench": "views.app",
    "compare": "bench.compare",
    "history": "bench.past.history",
    "inspect": "views.models.inspector",
    "load": "models.load",
    "pipeline": "pipelines.pipeline",
    "roofline": "bench.rooflines.roofline",
    "sweep": "bench.sweeps.sweep",
}
__all__ = [
    "BatchConfig",
    "Batcher",
    "CacheConfig",
    "LaunchOptions",
    "ModelCache",
    "Runtime",
    "TorchBridge",
    "Workbench",
    "WorkbenchError",
    "compare",
    "history",
    "inspect",
    "load",
    "pipeline",
    "roofline",
    "sweep",
]


_PARTS = ("bench", "ring")
"""Packages whose own public names are used as ``wb.bench.ring()``."""


def __getattr__(name: str) -> Any:
    if name in _PARTS:
        return importlib.import_module(f".{name}", __name__)
    if name not in _HOME:
        raise AttributeError(f"module 'workbench' has no attribute {name!r}; it has {', '.join(__all__)}")
    value = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def load_ipython_extension(ipython: Any) -> None:
    """Bring ``%%race`` into IPython and Jupyter: ``%load_ext workbench``."""
    from .views.races.magic import load

    return load(ipython)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_PARTS})
