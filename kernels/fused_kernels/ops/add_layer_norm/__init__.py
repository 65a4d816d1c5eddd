"""Residual connection and layer normalisation."""

from .op import OPERATIONS

__all__ = ["OPERATIONS"]
