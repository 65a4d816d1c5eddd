"""Races that were run before: the history, and what got slower since."""
