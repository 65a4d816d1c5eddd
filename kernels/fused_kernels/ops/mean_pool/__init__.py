"""Mean over tokens, with a mask."""

from .op import OPERATIONS

__all__ = ["OPERATIONS"]
