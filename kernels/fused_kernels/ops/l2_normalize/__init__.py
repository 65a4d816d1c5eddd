"""Normalisation to length 1."""

from .op import OPERATIONS

__all__ = ["OPERATIONS"]
