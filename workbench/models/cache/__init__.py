"""A folder of models from the hub that keeps within a budget."""

from .cache import ModelCache, OpenModel
from .config import CacheConfig
from .contents import CacheContents, CachedModel, Pruned

__all__ = ["CacheConfig", "CacheContents", "CachedModel", "ModelCache", "OpenModel", "Pruned"]
