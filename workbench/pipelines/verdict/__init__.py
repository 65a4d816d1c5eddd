"""Whether a quantised model is worth it: size, speed and answers on the user's own texts, weighed by rules."""

from .likeness import Likeness
from .measuring import weigh
from .rules import BOUNDS, RULES, Finding, Rule
from .verdict import Candidate, Speed, Verdict

__all__ = ["BOUNDS", "RULES", "Candidate", "Finding", "Likeness", "Rule", "Speed", "Verdict", "weigh"]
