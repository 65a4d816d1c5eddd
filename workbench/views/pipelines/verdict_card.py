"""Whether a quantisation is worth it, as HTML: the answer, what is to be kept in mind, and the numbers it rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.views import html
from workbench.views.races import race_card

if TYPE_CHECKING:
    from workbench.pipelines.verdict.verdict import Candidate, Verdict


def verdict_card(verdict: Verdict) -> str:
    """Return a verdict: whether to quantise, why, how it was measured, and a row for each candidate."""
    return html.card(verdict_body(verdict), sheets=("pipeline",))


def verdict_body(verdict: Verdict) -> str:
    """Return the inside of :func:`verdict_card`."""
    candidates = sorted(verdict.candidates[1:], key=lambda one: one is not verdict.best)
    first, *others = [_short(one) for one in candidates] or ["Nothing could be weighed."]
    doubts = verdict.sentences[len(candidates) :]
    small = [*others, f"{verdict.heading} \N{MIDDLE DOT} {verdict.conditions_text}"]
    columns = verdict.columns[:-1]  # whether it is worth it, the sentences say
    table = html.table(columns, [row[:-1] for row in verdict.rows], numeric=columns[1:])
    facts = html.folded("Measured on", html.facts(race_card.facts(verdict))) if verdict.environment else ""
    return f'{html.answer(first, doubts, small)}<div class="fw-tight">{table}</div>{facts}'


def _short(candidate: Candidate) -> str:
    """Return what was found and why, without the numbers, which stand in the table."""
    if candidate.finding is None:
        return candidate.name
    words, because = candidate.finding.text, candidate.finding.rule.because
    return f"{candidate.name} is {words[: words.index(because) + len(because)]}."
