"""What pipelines answer: small frozen records, and lists of them that can be looked at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, is_dataclass
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeVar

if TYPE_CHECKING:
    import pandas as pd

Result = TypeVar("Result")


@dataclass(frozen=True)
class Classification:
    """The label of a text.

    Parameters
    ----------
    label
        By the name that the model's configuration has for it.
    score
        From 0 to 1: softmax over the labels, or the sigmoid of this one where several may hold at once.
    """

    label: str
    score: float

    def _repr_html_(self) -> str:
        from workbench.views.pipelines.card import classification_html

        return classification_html(self)


@dataclass(frozen=True)
class Entity:
    """A name in a text, or a piece of one.

    Parameters
    ----------
    word
        As it stands in the text: ``text[start:end]``.
    entity
        Its kind, without ``B-`` and ``I-`` where pieces were joined.
    score
        From 0 to 1.
    start, end
        Its place, in characters of the text.
    """

    word: str
    entity: str
    score: float
    start: int
    end: int


@dataclass(frozen=True)
class Answer:
    """A passage of a context that answers a question.

    Parameters
    ----------
    text
        As it stands in the context: ``context[start:end]``; empty if the context has no answer.
    start, end
        Its place, in characters of the context; both 0 if there is no answer.
    score
        From 0 to 1.
    """

    text: str
    start: int
    end: int
    score: float

    def _repr_html_(self) -> str:
        from workbench.views.pipelines.card import answer_html

        return answer_html(self)


@dataclass(frozen=True)
class Generation:
    """What a model wrote.

    Parameters
    ----------
    text
        Without the prompt.
    prompt
        What it was asked to continue.
    tokens
        How many it made.
    finish
        Why it ended: ``"stop"`` at the model's end token or a stop string, ``"length"`` at ``max_new_tokens``,
        ``"cancelled"`` by the reader.
    """

    text: str
    prompt: str
    tokens: int
    finish: str

    def _repr_html_(self) -> str:
        from workbench.views.pipelines.card import generation_html

        return generation_html(self)


class Results(list[Result]):
    """Results in the order of what was asked: a list that is shown as a table.

    Examples
    --------
    >>> Results([Classification("good", 0.98)])
    [Classification(label='good', score=0.98)]
    """

    def to_pandas(self) -> pd.DataFrame:
        """Return a row for each result; for a list of lists, one for each member, and ``text`` says whose it is."""
        import pandas as pd

        rows: list[dict[str, Any]] = []
        for place, result in enumerate(self):
            if is_dataclass(result) and not isinstance(result, type):
                rows.append(asdict(result))
            elif isinstance(result, Iterable):
                rows += [{"text": place, **asdict(member)} for member in result]
        return pd.DataFrame(rows)

    def _repr_html_(self) -> str:
        from workbench.views.pipelines.card import results_html

        return results_html(self)


class Entities(Results[Entity]):
    """The names in one text.

    Parameters
    ----------
    text
        The text.
    found
        The names in it, in order.
    """

    def __init__(self, text: str, found: Iterable[Entity]) -> None:
        super().__init__(found)
        self.text = text

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        return Entities, (self.text, list(self))

    def _repr_html_(self) -> str:
        from workbench.views.pipelines.card import entities_html

        return entities_html(self)
