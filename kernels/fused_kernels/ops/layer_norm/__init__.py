"""Layer normalisation."""

from .op import OPERATIONS

__all__ = ["OPERATIONS"]
