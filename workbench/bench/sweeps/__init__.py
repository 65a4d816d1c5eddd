"""Races over size: time, speed-up, and the size at which the winner changes."""
