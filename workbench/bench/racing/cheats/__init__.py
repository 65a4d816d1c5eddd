"""Faults that a comparison of one result with the truth does not show, each found by a way of its own.

An honest contender is never accused: where a finding has another explanation, it counts for nothing.
"""
