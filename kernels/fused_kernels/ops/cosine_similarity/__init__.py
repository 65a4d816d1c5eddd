"""Cosines of the angles between the rows of two matrices."""

from .op import OPERATIONS

__all__ = ["OPERATIONS"]
