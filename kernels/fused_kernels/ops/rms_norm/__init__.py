"""Root mean square normalisation."""

from .op import OPERATIONS

__all__ = ["OPERATIONS"]
