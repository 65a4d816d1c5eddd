"""The sum of squares."""

from .op import OPERATIONS

__all__ = ["OPERATIONS"]
