"""What pipelines answer, as HTML: labels with scores, texts with their names marked, passages, what a model wrote."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from workbench.pipelines.results import Answer, Classification, Entities, Entity, Generation, Results
from workbench.text import counted
from workbench.views import html

from .marks import Mark, marked

if TYPE_CHECKING:
    from workbench.pipelines.task import Pipeline

ROWS = 200
"""A static card shows at most so many answers."""
WHOLE = 3_000
"""Of a longer text only what stands near its marks is shown."""
AROUND = 160
"""So much of it on each side, in characters."""

_FINISH = {
    "stop": "ended by itself",
    "length": "cut at the limit of tokens",
    "cancelled": "stopped by the reader",
}


def classification_html(found: Classification) -> str:
    """Return the label of a text, and its score as a bar."""
    return _card(html.answer(found.label, (), ()), score(found.score))


def entities_html(found: Entities) -> str:
    """Return the text with its names marked, and a row for each name folded."""
    return _card(html.heading(entities_text(found)), entities_body(found), entities_rows(found))


def answer_html(found: Answer, context: str | None = None) -> str:
    """Return the passage, large; its score and place; and where the context is at hand, the passage in it."""
    return _card(html.answer(answer_text(found), (), ()), answer_details(found, context))


def generation_html(found: Generation) -> str:
    """Return what was written behind its prompt, which is dimmed, and why it ended."""
    return _card(generation_body(found), f'<p class="fw-conditions">{html.escape(generation_text(found))}</p>')


def pipeline_html(pipe: Pipeline) -> str:
    """Return a pipeline: its task and model, what computes it and why, and how texts go through it."""
    heading = html.heading(f"{pipe.task}: {pipe.model.info.name}", "closed" if pipe.closed else "")
    return _card(heading, html.facts(pipe.facts))


def results_html(results: Results[Any], texts: Sequence[str] | None = None) -> str:
    """Return a table of answers, or where an answer is a text of its own, one below the other.

    Parameters
    ----------
    results
        Answers of any kind; a list of lists has several for each text. An exception in the place of an answer is said.
    texts
        What was asked, beside each answer.
    """
    return _card(html.heading(counted(len(results), "answer")), results_body(results, texts))


def results_body(results: Sequence[Any], texts: Sequence[str] | None = None) -> str:
    """Return the inside of :func:`results_html`."""
    shown = results[:ROWS]
    left = len(results) - len(shown)
    more = f'<p class="fw-muted">and {left:,} more: see .to_pandas()</p>' if left else ""
    if any(isinstance(result, Entities | Generation) for result in shown):
        return "".join(f'<div class="fw-each">{_block(result)}</div>' for result in shown) + more
    return _table(shown, texts) + more


def entities_body(found: Entities) -> str:
    """Return the text with its names marked; of a long one what stands near them."""
    around = AROUND if len(found.text) > WHOLE else None
    return marked(found.text, (Mark(one.start, one.end, one.entity) for one in found), around=around)


def entities_rows(found: Entities) -> str:
    """Return a row for each name, folded; nothing where there is none."""
    return html.folded("Scores and places", _table(found[:ROWS], None)) if found else ""


def entities_text(found: Iterable[Entity], where: str = "this text") -> str:
    """Say how many names of which kind there are."""
    kinds = Counter(one.entity for one in found)
    if not kinds:
        return f"No names in {where}."
    each = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items(), key=lambda one: (-one[1], one[0])))
    return f"{counted(kinds.total(), 'name')}: {each}" if len(kinds) > 1 else each


def answer_text(found: Answer) -> str:
    """Return the passage in quotes, or that there is none."""
    quoted = f"\N{LEFT DOUBLE QUOTATION MARK}{html.shorten(found.text, 400)}\N{RIGHT DOUBLE QUOTATION MARK}"
    return quoted if found.text else "The context has no answer to that."


def answer_details(found: Answer, context: str | None = None) -> str:
    """Return the score and the place of a passage, and where the context is at hand, the passage in it."""
    shown = f'{score(found.score)} <span class="fw-muted">{_place(found)}</span>' if found.text else score(found.score)
    if context is None:
        return shown
    around = 3 * AROUND if len(context) > WHOLE else None
    return shown + marked(context, [Mark(found.start, found.end)], around=around)


def generation_body(found: Generation) -> str:
    """Return what was written behind its prompt."""
    return written(found.prompt, found.text)


def written(prompt: str, text: str) -> str:
    """Return a prompt, dimmed, and what a model wrote behind it."""
    return f'<p class="fw-written"><span>{html.escape(prompt)}</span>{html.escape(text)}</p>'


def generation_text(found: Generation) -> str:
    """Say how much was written and why it ended."""
    return f"{counted(found.tokens, 'token')}, {ending(found)}"


def ending(found: Generation) -> str:
    """Say why a text ended."""
    return _FINISH.get(found.finish, found.finish)


def score(value: float) -> str:
    """Return a score as a bar from 0 to 1 with its number."""
    share = 100 * min(max(value, 0.0), 1.0) if math.isfinite(value) else 0.0
    number = f"{value:.2f}" if value in (0, 1) else html.number(value)  # with digits, as the others have them
    return f'<span class="fw-score"><i><b style="width:{share:.1f}%"></b></i> {number}</span>'


def _card(*parts: str) -> str:
    return html.card(*parts, sheets=("pipeline",))


def _block(result: Any) -> str:
    if isinstance(result, Entities):
        return entities_body(result)
    if isinstance(result, Generation):
        return generation_body(result) + f'<p class="fw-muted">{html.escape(generation_text(result))}</p>'
    return f"<p>{html.escape(_plain(result))}</p>"


def _table(results: Sequence[Any], texts: Sequence[str] | None) -> str:
    """Return a row for each answer, or for each of several answers to one text, behind the text where it is known."""
    grouped = any(isinstance(result, list) for result in results)
    groups = [result if isinstance(result, list) else [result] for result in results]
    kind = next((type(one) for group in groups for one in group if type(one) in _KINDS), None)
    columns, cells = _KINDS[kind] if kind else (("answer",), lambda one: (_plain(one),))
    names = texts if texts is not None else [str(place) for place in range(len(groups))] if grouped else None
    rows = []
    for place, group in enumerate(groups):
        name = html.shorten(names[place], 160) if names is not None else ""
        for at, one in enumerate(group):
            known = type(one) is kind
            shown = cells(one) if known else (html.Fault(_plain(one)), *[""] * (len(columns) - 1))
            rows.append((*([name if at == 0 else ""] if names is not None else []), *shown))
    return html.table((*(["text"] if names is not None else []), *columns), rows, wrapped=("answer", "label"))


def _plain(result: Any) -> str:
    return f"{type(result).__name__}: {result}" if isinstance(result, BaseException) else str(result)


def _place(found: Answer | Entity) -> str:
    return f"characters {found.start:,} to {found.end:,}" if found.end else ""


_KINDS: dict[type, tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]] = {
    Classification: (("label", "score"), lambda one: (one.label, html.Markup(score(one.score)))),
    Answer: (
        ("answer", "score", "place"),
        lambda one: (html.shorten(one.text, 300) or "no answer", html.Markup(score(one.score)), _place(one)),
    ),
    Entity: (
        ("name", "kind", "score", "place"),
        lambda one: (one.word, one.entity, html.Markup(score(one.score)), _place(one)),
    ),
}
"""The columns of each kind of answer, and its cells."""
