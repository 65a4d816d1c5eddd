"""What may be given as questions with their contexts."""

from __future__ import annotations

from typing import Any

from workbench.errors import InputError
from workbench.text import counted

from .texts import Text, checked

_WANTED = (
    "a question and its context, pipe(question='...', context='...'), or a list of such pairs, "
    "pipe([('question', 'context')])"
)


def checked_pairs(pairs: Any, question: Any, context: Any) -> tuple[list[Text], bool]:
    """Return questions with their contexts, and whether it was one only.

    Parameters
    ----------
    pairs
        A tuple of question and context, or a list of them; None if they are given by name; or a question alone.
    question, context
        Two texts, or lists of as many; one text beside a list goes with each of it.

    Raises
    ------
    workbench.errors.InputError
        If something is missing, given twice, no text or blank, or their numbers differ.
    """
    if isinstance(pairs, str) and question is None and context is not None:
        pairs, question = None, pairs
    if (pairs is None) == (question is None and context is None):
        raise InputError(
            f"Got {'nothing' if pairs is None else 'pairs, and question or context as well'}. Give {_WANTED}."
        )
    if pairs is not None:
        listed, one = checked(pairs, wanted=_WANTED)
        for place, pair in enumerate(listed):
            if isinstance(pair, str):
                raise InputError(f"Question {place} of {len(listed)} has no context: {pair!r:.60}. Give {_WANTED}.")
    else:
        if question is None or context is None:
            raise InputError(f"Got no {'question' if question is None else 'context'}. Give {_WANTED}.")
        questions, one_question = _texts("question", question)
        contexts, one_context = _texts("context", context)
        one = one_question and one_context
        size = len(contexts) if one_question else len(questions)
        if not (one_question or one_context or len(questions) == len(contexts)):
            raise InputError(
                f"Got {counted(len(questions), 'question')} and {counted(len(contexts), 'context')}. Give as many of "
                "both, or one text for all."
            )
        listed = list(
            zip(
                questions * size if one_question else questions,
                contexts * size if one_context else contexts,
                strict=True,
            )
        )
    for place, pair in enumerate(listed):
        for name, text in zip(("question", "context"), pair, strict=True):
            if not text.strip():
                which = "The" if len(listed) == 1 else f"Of pair {place} of {len(listed)} the"
                raise InputError(f"{which} {name} is blank: {text!r:.60}. Give a text.")
    return listed, one


def _texts(name: str, given: Any) -> tuple[list[str], bool]:
    try:
        listed, one = checked(given, pairs=False)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    return [str(text) for text in listed], one
